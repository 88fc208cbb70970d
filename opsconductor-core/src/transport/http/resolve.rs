//! From a name to addresses.

use std::{
    fmt, io,
    net::{IpAddr, SocketAddr},
};

use async_trait::async_trait;
use tokio::net::lookup_host;

/// Looks names up. Whatever it answers is judged before anything is sent there.
#[async_trait]
pub trait Resolve: fmt::Debug + Send + Sync {
    /// Every address of `name`, best first.
    ///
    /// # Errors
    ///
    /// Why there is none.
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>>;
}

/// The look-up of the operating system: its hosts file, its name servers.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemResolver;

#[async_trait]
impl Resolve for SystemResolver {
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        Ok(lookup_host((name, 0)).await?.map(|address: SocketAddr| address.ip()).collect())
    }
}

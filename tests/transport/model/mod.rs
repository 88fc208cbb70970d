//! A transport in one process that keeps every promise of the seam, and on demand breaks one of them: what shows that the
//! suite can fail.

mod connector;
mod dialect;
mod files;
mod flaw;
mod host;
mod process;
mod session;

use std::sync::Arc;

use async_trait::async_trait;
use opsconductor_core::testing::transport::{TestHost, TransportBuilder};

pub(crate) use flaw::Flaw;
use host::Host;

/// Starts hosts whose connectors are as they should be, but for a flaw.
pub(crate) struct Model {
    pub(crate) flaw: Option<Flaw>,
}

#[async_trait]
impl TransportBuilder for Model {
    async fn start(&self) -> Arc<dyn TestHost> {
        Arc::new(connector::Reach { host: Host::start().await, flaw: self.flaw })
    }
}

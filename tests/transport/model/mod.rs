//! A transport in one process that keeps every promise of the seam, and on demand breaks one of them: what shows that the
//! suite can fail.

mod connector;
mod dialect;
mod files;
mod flaw;
mod host;
mod process;
mod session;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use opsconductor_core::testing::transport::{TestHost, TransportBuilder};

pub(crate) use flaw::Flaw;
use host::Host;

/// Starts hosts whose connectors are as they should be, but for a flaw.
pub(crate) struct Model {
    flaw: Option<Flaw>,
    leeway: Duration,
}

impl Model {
    /// Without a flaw.
    pub(crate) fn sound() -> Self {
        Self { flaw: None, leeway: Duration::from_secs(60) }
    }

    /// With a flaw.
    pub(crate) fn flawed(flaw: Flaw) -> Self {
        Self { flaw: Some(flaw), ..Self::sound() }
    }

    /// Nobody waits long here for what does not come.
    pub(crate) fn hasty(self) -> Self {
        Self { leeway: Duration::from_secs(10), ..self }
    }
}

#[async_trait]
impl TransportBuilder for Model {
    async fn start(&self) -> Arc<dyn TestHost> {
        Arc::new(connector::Reach { host: Host::start().await, flaw: self.flaw, leeway: self.leeway })
    }
}

//! The promises of the transport seam, kept by the connector on the `winrm-rs` crate. A target of its own, which only
//! `make test-winrm-rs` builds: the crate declares a newer Rust than the workspace does.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod windows;

use std::sync::Arc;

use opsconductor_core::transport::{Connector, winrm_rs::WinrmRsConnector};

fn winrm_rs() -> Arc<dyn Connector> {
    Arc::new(WinrmRsConnector::new())
}

mod over_http {
    use crate::{
        windows::{Way, Windows},
        winrm_rs,
    };

    opsconductor_core::transport_suite!(Windows { way: Way::Http, connector: winrm_rs });
}

mod over_https {
    use crate::{
        windows::{Way, Windows},
        winrm_rs,
    };

    opsconductor_core::transport_suite!(Windows { way: Way::Https, connector: winrm_rs });
}

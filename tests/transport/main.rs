//! The promises of the transport seam, kept by each connector on each way to a host.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod flaws;
mod model;
mod openssh;
mod windows;

use std::sync::Arc;

use opsconductor_core::transport::{Connector, winrm::WinrmConnector};

fn winrm() -> Arc<dyn Connector> {
    Arc::new(WinrmConnector::new())
}

mod winrm_over_http {
    use crate::{
        windows::{Way, Windows},
        winrm,
    };

    opsconductor_core::transport_suite!(Windows { way: Way::Http, connector: winrm });
}

mod winrm_over_https {
    use crate::{
        windows::{Way, Windows},
        winrm,
    };

    opsconductor_core::transport_suite!(Windows { way: Way::Https, connector: winrm });
}

mod ssh_with_a_key {
    use crate::openssh::Unix;

    opsconductor_core::transport_suite!(Unix);
}

/// The model keeps every promise, so each case can be passed.
mod model_as_it_should_be {
    use crate::model::Model;

    opsconductor_core::transport_suite!(Model::sound());
}

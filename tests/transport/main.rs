//! The promises of the transport seam, kept by each connector on each way to a host.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod flaws;
mod model;
mod windows;

mod winrm_over_http {
    use crate::windows::{Way, Windows};

    opsconductor_core::transport_suite!(Windows::winrm(Way::Http));
}

mod winrm_over_https {
    use crate::windows::{Way, Windows};

    opsconductor_core::transport_suite!(Windows::winrm(Way::Https));
}

/// The model keeps every promise, so each case can be passed.
mod model_as_it_should_be {
    use crate::model::Model;

    opsconductor_core::transport_suite!(Model { flaw: None });
}

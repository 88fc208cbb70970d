//! The promises of the transport seam, kept by each connector on each way to a host.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod windows;

mod winrm_over_http {
    use crate::windows::{Way, Windows};

    opsconductor_core::transport_suite!(Windows::winrm(Way::Http));
}

mod winrm_over_https {
    use crate::windows::{Way, Windows};

    opsconductor_core::transport_suite!(Windows::winrm(Way::Https));
}

//! Asking whether a host can be used.

use opsconductor_core::{
    error::Layer,
    transport::{Connector as _, winrm::WinrmConnector},
};

use crate::support::{USER, credential, credential_with, endpoint, host};

#[tokio::test]
async fn a_host_says_who_it_is_and_how_long_each_layer_took() {
    let host = host().await;
    let report = WinrmConnector::new().probe(&endpoint(&host), &credential()).await;
    assert!(report.ok, "{report:?}");
    let details = &report.details;
    assert!(details.whoami.as_deref().unwrap().to_lowercase().ends_with("\\administrator"), "{details:?}");
    assert_eq!(details.hostname.as_deref(), Some("WEB-1"));
    assert!(details.powershell_version.as_deref().unwrap().starts_with("5.1"), "{details:?}");
    assert_eq!(details.port, host.http_addr().unwrap().port());
    assert_eq!(details.transport.as_deref(), Some("negotiate (NTLM) over HTTP, sealed"));
    let layers: Vec<_> = details.timings_ms.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(layers, ["name", "connect", "authentication", "wsman", "shell", "script"]);
    assert_eq!(host.counters().shells_open, 0);
}

#[tokio::test]
async fn a_failure_names_its_layer() {
    let host = host().await;
    let wrong = credential_with(USER, "wrong", None);
    let report = WinrmConnector::new().probe(&endpoint(&host), &wrong).await;
    assert_eq!((report.ok, report.layer), (false, Some(Layer::Authentication)));
    assert!(report.message.contains(USER), "{}", report.message);
    let mut away = endpoint(&host);
    drop(host);
    away.host = "127.0.0.1".into();
    let report = WinrmConnector::new().probe(&away, &credential()).await;
    assert_eq!((report.ok, report.layer), (false, Some(Layer::Connect)));
    assert!(report.details.timings_ms.iter().any(|(name, _)| name == "connect"));
}

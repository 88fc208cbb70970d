//! Asking whether a host can be used.

use std::time::{Duration, Instant};

use super::reach::{closed_port, elsewhere, silent_port};
use crate::{error::Layer, testing::transport::Fixture, transport::ProbeReport};

pub async fn a_host_that_can_be_used_is_said_to_be(f: Fixture) {
    let endpoint = f.host.endpoint();
    let report = f.probe(&endpoint, &f.host.credential()).await;
    assert!(report.ok, "the host is there and the credential is right: {report:?}");
    assert_eq!(report.layer, None, "{report:?}");
    assert!(!report.message.is_empty(), "a report has a sentence");
    assert_eq!(report.details.port, endpoint.port, "{report:?}");
    f.keeps_secrets(&format!("{report:?}"), "a report");
    f.nothing_left("a probe").await;
}

pub async fn a_refused_credential_is_told_by_its_layer_and_tried_once(f: Fixture) {
    let before = f.host.failed_logons();
    let report = f.probe(&f.host.endpoint(), &f.host.wrong_credential()).await;
    expect_failure(&f, &report, Layer::Authentication);
    assert!(report.message.contains(&f.host.user()), "the report does not name the user: {}", report.message);
    if let (Some(before), Some(now)) = (before, f.host.failed_logons()) {
        assert_eq!(now - before, 1, "how often the refused credential was tried");
    }
}

pub async fn a_closed_port_is_told_by_its_layer(f: Fixture) {
    let endpoint = elsewhere(&f, "127.0.0.1", closed_port());
    let report = f.probe(&endpoint, &f.host.credential()).await;
    expect_failure(&f, &report, Layer::Connect);
    assert_eq!(report.details.port, endpoint.port, "{report:?}");
}

pub async fn an_unknown_name_is_told_by_its_layer(f: Fixture) {
    let endpoint = elsewhere(&f, "no-such-host.invalid", f.host.endpoint().port);
    let report = f.probe(&endpoint, &f.host.credential()).await;
    expect_failure(&f, &report, Layer::Name);
}

pub async fn a_silent_host_is_given_up_in_time(f: Fixture) {
    let (_listener, port) = silent_port();
    let mut endpoint = elsewhere(&f, "127.0.0.1", port);
    endpoint.connect_timeout = Duration::from_millis(500);
    let begun = Instant::now();
    let report = f.probe(&endpoint, &f.host.credential()).await;
    assert!(begun.elapsed() < endpoint.connect_timeout + Fixture::late(), "it took {:?}", begun.elapsed());
    assert!(!report.ok && report.layer.is_some(), "{report:?}");
}

fn expect_failure(f: &Fixture, report: &ProbeReport, layer: Layer) {
    assert!(!report.ok, "there is nothing that could be used: {report:?}");
    assert_eq!(report.layer, Some(layer), "{report:?}");
    assert!(!report.message.is_empty(), "a report has a sentence");
    f.keeps_secrets(&format!("{report:?}"), "a report");
}

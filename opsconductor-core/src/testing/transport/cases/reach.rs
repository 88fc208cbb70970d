//! Hosts that are not there.

use std::{net::TcpListener, time::Duration};

use crate::{Error, ErrorKind, error::Layer, testing::transport::Fixture, transport::Endpoint};

/// A port of this machine on which nobody listens.
pub(super) fn closed_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// A port of this machine that takes connections and never says a word.
pub(super) fn silent_port() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

/// The host's own endpoint, with another address.
pub(super) fn elsewhere(f: &Fixture, host: &str, port: u16) -> Endpoint {
    Endpoint { host: host.to_owned(), port, ..f.host.endpoint() }
}

pub async fn a_closed_port_is_a_connect_error(f: Fixture) {
    let error = f.refused(&elsewhere(&f, "127.0.0.1", closed_port()), &f.host.credential()).await;
    expect(&f, &error, &[Layer::Connect]);
    assert!(error.is_retryable(), "nothing was sent, so it can be tried again: {error:?}");
}

pub async fn an_unknown_name_is_a_name_error(f: Fixture) {
    let endpoint = elsewhere(&f, "no-such-host.invalid", f.host.endpoint().port);
    let error = f.refused(&endpoint, &f.host.credential()).await;
    expect(&f, &error, &[Layer::Name]);
}

pub async fn a_silent_host_is_given_up_in_time(f: Fixture) {
    let (_listener, port) = silent_port();
    let mut endpoint = elsewhere(&f, "127.0.0.1", port);
    endpoint.connect_timeout = Duration::from_millis(500);
    let error = f.refused(&endpoint, &f.host.credential()).await;
    // Which layer waits first is the protocol's matter. It has refused nothing, so it is no `Auth`.
    expect(&f, &error, &[Layer::Connect, Layer::Tls, Layer::Authentication, Layer::Protocol]);
}

pub async fn an_unreachable_host_is_given_up_in_time(f: Fixture) {
    // RFC 5737: an address that nobody has. Some networks say so, some say nothing.
    let mut endpoint = elsewhere(&f, "192.0.2.1", f.host.endpoint().port);
    endpoint.connect_timeout = Duration::from_millis(500);
    let error = f.refused(&endpoint, &f.host.credential()).await;
    assert_eq!(error.kind(), ErrorKind::Transport, "{error:?}");
    assert!(error.layer().is_some(), "{error:?}");
}

fn expect(f: &Fixture, error: &Error, layers: &[Layer]) {
    assert_eq!(error.kind(), ErrorKind::Transport, "{error:?}");
    let layer = error.layer();
    assert!(
        layer.is_some_and(|layer| layers.contains(&layer)),
        "one of {layers:?}, not {layer:?}: {error:?}"
    );
    assert!(!error.is_outcome_unknown(), "nothing was dispatched: {error:?}");
    let (shown, target) = (error.to_string(), f.host.endpoint().target);
    assert!(shown.contains(&target), "the error does not name the target {target}: {shown}");
}

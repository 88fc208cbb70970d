//! What the crate's errors mean.

use std::error::Error as _;

use winrm_rs::WinrmError;

use crate::{Error, ErrorKind, error::Layer};

/// Whether the host may have acted on a request that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Received {
    No,
    Perhaps,
}

/// The crate tells most failures apart by text alone, so some of this reads text.
pub(super) fn explain(error: WinrmError) -> (Error, Received) {
    let (layer, message, received) = match &error {
        WinrmError::Http(cause) => {
            let mut text = cause.to_string();
            let mut source = cause.source();
            while let Some(inner) = source {
                text.push_str(&inner.to_string());
                source = inner.source();
            }
            let about = |words: &[&str]| words.iter().any(|word| text.contains(word));
            let connecting = cause.is_connect();
            match () {
                () if connecting && about(&["dns", "lookup"]) => {
                    (Layer::Name, "the host name does not resolve", Received::No)
                }
                () if connecting && about(&["certificate", "tls", "TLS", "handshake"]) => {
                    (Layer::Tls, "the TLS handshake failed", Received::No)
                }
                () if connecting => (Layer::Connect, "the host cannot be reached", Received::No),
                () => (Layer::Protocol, "the connection broke", Received::Perhaps),
            }
        }
        WinrmError::AuthFailed(text) if text.contains("rejected") => {
            let message =
                "the host refuses the credential: look at the user name, the password and the rights";
            (Layer::Authentication, message, Received::No)
        }
        WinrmError::AuthFailed(text) if text.contains("TLS") || text.contains("certificate") => {
            (Layer::Tls, "the host's certificate is refused", Received::No)
        }
        WinrmError::AuthFailed(text) if text.starts_with("HTTP ") => {
            (Layer::Protocol, "the host answered with an unexpected status", Received::Perhaps)
        }
        WinrmError::AuthFailed(_) => (Layer::Protocol, "the NTLM handshake went wrong", Received::No),
        // Nothing is sent while a connection is waited for or authenticated, which is what times out there.
        WinrmError::Timeout(_) => (Layer::Protocol, "no connection came about in time", Received::No),
        WinrmError::Soap(winrm_rs::SoapError::Fault { .. }) => {
            (Layer::Protocol, "the host refused the request", Received::No)
        }
        _ => (Layer::Protocol, "the conversation with the host went wrong", Received::Perhaps),
    };
    (Error::transport(layer, message).with_source(error), received)
}

/// An error about something that was asked in a wrong way.
pub(super) fn invalid(message: &str) -> Error {
    Error::new(ErrorKind::InvalidInput, message)
}

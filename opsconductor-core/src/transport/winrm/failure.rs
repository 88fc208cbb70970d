//! Why a request brought no answer, and what a broken connection means.

use std::error::Error as StdError;

use super::{
    host::Host,
    soap::{Action, Fault},
};
use crate::{Error, error::Layer};

/// Why a request brought no answer.
#[derive(Debug)]
pub(super) enum Failure {
    /// The host understood and refused.
    Fault(Fault),
    /// The request never left, or was turned away before anything acted on it.
    Refused(Error),
    /// The request may have been received, and what became of it is not known.
    Broken(Error),
}

/// The HTTP status of a request that is too large.
pub(super) const TOO_LARGE: u32 = 413;

impl Failure {
    /// Whether the request was turned away for its size, before anything acted on it.
    pub(super) fn is_too_large(&self) -> bool {
        matches!(self, Self::Refused(error) if error.code() == Some(TOO_LARGE))
    }

    /// The error for a caller for whom nothing was at stake.
    pub(super) fn into_error(self, host: &Host, action: Action) -> Error {
        host.about(self.into_plain_error(action))
    }

    /// The same, of which the caller knows which host it is about.
    pub(super) fn into_plain_error(self, action: Action) -> Error {
        match self {
            Self::Fault(fault) => fault.into_error(action),
            Self::Refused(error) | Self::Broken(error) => error,
        }
    }
}

/// What never left may be sent another time.
pub(super) fn unsent(error: Error) -> Failure {
    Failure::Refused(error.with_retryable(true))
}

/// A connection that broke, in words for people.
pub(super) fn broken(error: hyper::Error) -> Error {
    // After the handshake TLS is broken off for one reason above all: what we showed in it is not liked.
    if let Some(rustls::Error::AlertReceived(alert)) = cause::<rustls::Error>(&error) {
        let message = format!(
            "the host broke TLS off with the alert {alert:?}; it may not accept the client certificate"
        );
        return Error::transport(Layer::Tls, message).with_source(error);
    }
    let message = match error.is_parse() {
        true => "what answers does not speak HTTP; is this the port of WinRM, and is winrm_use_https right?",
        false => "the connection broke",
    };
    Error::transport(Layer::Protocol, message).with_source(error)
}

/// The cause of that type, however deep. An `io::Error` hides what it was made of from `source`.
fn cause<'e, T: StdError + 'static>(error: &'e (dyn StdError + 'static)) -> Option<&'e T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<T>() {
            return Some(found);
        }
        next = match error.downcast_ref::<std::io::Error>() {
            Some(error) => error.get_ref().map(|inner| inner as &(dyn StdError + 'static)),
            None => error.source(),
        };
    }
    None
}

//! One connection: opened, authenticated, and used for one request at a time.
//!
//! NTLM authenticates the TCP connection, so a connection owns its socket and its security context, and both end
//! together. A request whose answer was not read to the end leaves it dirty: its sealing is out of step, and it is
//! never used again.

use std::{error::Error as StdError, pin::Pin, sync::Arc, time::Duration};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{
    Request, Response, StatusCode,
    body::Incoming,
    client::conn::http1::SendRequest,
    header::{self, HeaderValue},
};
use tokio::{task::AbortHandle, time::timeout};
use uuid::Uuid;

use super::{
    account::Scheme,
    dial::Timings,
    handshake::refused_before,
    host::Host,
    sealing,
    security::Security,
    soap::{Action, Fault, tree, tree::Element},
};
use crate::{Error, Result, error::Layer};

/// How much longer than its operation time-out a request may take on the way.
const TRANSIT: Duration = Duration::from_secs(30);

const SOAP_TYPE: &str = "application/soap+xml;charset=UTF-8";

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
const TOO_LARGE: u32 = 413;

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

/// An authenticated connection.
pub(super) struct Connection {
    pub(super) host: Arc<Host>,
    pub(super) sender: SendRequest<Full<Bytes>>,
    pub(super) driver: AbortHandle,
    pub(super) protection: Protection,
    pub(super) dirty: bool,
}

pub(super) enum Protection {
    /// Plain HTTP: every body is sealed, both ways.
    Sealed(Security),
    /// TLS carries the bodies; Basic says who we are with each request.
    Tls { authorization: Option<HeaderValue> },
}

impl Connection {
    /// Connects and logs on, within the host's time limit, and notes how long each layer took.
    pub(super) async fn open(host: &Arc<Host>, timings: &mut Timings) -> Result<Self> {
        Self::open_within(host, timings).await.map_err(|error| host.about(error))
    }

    async fn open_within(host: &Arc<Host>, timings: &mut Timings) -> Result<Self> {
        timings.start();
        match timeout(host.connect_timeout, Self::establish(host, timings)).await {
            Ok(result) => result,
            Err(_) => {
                // A host that is silent during the logon has refused nothing.
                let layer = match timings.current() {
                    Layer::Authentication => Layer::Protocol,
                    other => other,
                };
                let message = format!(
                    "no answer within {:.1} s at the {} step",
                    host.connect_timeout.as_secs_f64(),
                    timings.current()
                );
                Err(Error::transport(layer, message))
            }
        }
    }

    /// Sends one request and reads its answer.
    pub(super) async fn call(
        &mut self,
        document: String,
        message_id: Uuid,
        operation_timeout: Duration,
    ) -> Result<Element, Failure> {
        if !self.is_usable() {
            return Err(Failure::Refused(Error::transport(
                Layer::Connect,
                "the connection was closed before use",
            )));
        }
        // Each request shows the password: where it was refused once, no other may go out.
        if !self.logs_on_once() && self.host.logon_refused() {
            return Err(Failure::Refused(refused_before(&self.host)));
        }
        let limit = operation_timeout + TRANSIT;
        let again = self.logs_on_once().then(|| document.clone());
        let mut body = self.attempt(document, limit).await?;
        if let (None, Some(document)) = (&body, again) {
            // The host forgot who we are and did nothing: one logon on a new connection, and the request once more.
            let host = Arc::clone(&self.host);
            *self = reopen(host).await.map_err(Failure::Refused)?;
            body = self.attempt(document, limit).await?;
        }
        let Some(body) = body else {
            self.host.set_logon_refused();
            return Err(Failure::Refused(self.refused()));
        };
        self.dirty = false;
        let malformed = |error| {
            Failure::Broken(
                Error::transport(Layer::Protocol, "the host's answer cannot be read").with_source(error),
            )
        };
        let text = std::str::from_utf8(&body).map_err(|error| {
            Failure::Broken(
                Error::transport(Layer::Protocol, "the host's answer is not UTF-8").with_source(error),
            )
        })?;
        let root = tree::parse(text.trim_start_matches('\u{feff}')).map_err(malformed)?;
        let relates = root.child("Header").and_then(|header| header.child("RelatesTo"));
        if let Some(relates) = relates {
            let id = relates.text.trim().trim_start_matches("uuid:");
            if Uuid::try_parse(id).is_ok_and(|id| id != message_id) {
                self.dirty = true;
                let message = "the host answered another request than the one sent";
                return Err(Failure::Broken(Error::transport(Layer::Protocol, message)));
            }
        }
        match Fault::read(&root) {
            Some(fault) => Err(Failure::Fault(fault)),
            None => Ok(root),
        }
    }

    /// Whether a request can be sent: nothing was left half done, and the host has not hung up.
    pub(super) fn is_usable(&self) -> bool {
        !self.dirty && !self.sender.is_closed()
    }

    /// Whether the connection is logged on, and not each of its requests.
    fn logs_on_once(&self) -> bool {
        !matches!(self.protection, Protection::Tls { authorization: Some(_) })
    }

    /// One round, in time; a connection on which it fails is used no more.
    async fn attempt(&mut self, document: String, limit: Duration) -> Result<Option<Vec<u8>>, Failure> {
        self.dirty = true;
        timeout(limit, self.round(document)).await.unwrap_or_else(|_| {
            Err(Failure::Broken(Error::transport(Layer::Protocol, "the host did not answer in time")))
        })
    }

    /// The body of the answer; `None` when the host turned the request away for want of a logon.
    async fn round(&mut self, document: String) -> Result<Option<Vec<u8>>, Failure> {
        let (body, content_type, authorization) = match &mut self.protection {
            Protection::Sealed(security) => {
                let mut message = document.into_bytes();
                let plain_len = message.len();
                let signature = security.seal(&mut message).map_err(|error| {
                    let message = "the request could not be sealed";
                    Failure::Refused(Error::transport(Layer::Protocol, message).with_source(error))
                })?;
                let protocol = security.protocol();
                (sealing::encode(protocol, plain_len, &signature, &message), protocol.content_type(), None)
            }
            Protection::Tls { authorization } => (Bytes::from(document), SOAP_TYPE, authorization.clone()),
        };
        let response = self.exchange(body, Some(content_type), authorization).await?;
        let status = response.status();
        let sealed = response
            .headers()
            .get(header::CONTENT_TYPE)
            .is_some_and(|value| value.as_bytes().to_ascii_lowercase().starts_with(b"multipart/encrypted"));
        match status {
            StatusCode::OK | StatusCode::INTERNAL_SERVER_ERROR => {}
            StatusCode::UNAUTHORIZED => return Ok(None),
            // So a web server says that it does not trust a certificate.
            StatusCode::FORBIDDEN if self.host.account.scheme == Scheme::Certificate => return Ok(None),
            StatusCode::PAYLOAD_TOO_LARGE => {
                let message = "the request is larger than the host's MaxEnvelopeSizekb";
                return Err(Failure::Refused(
                    Error::transport(Layer::Protocol, message).with_code(TOO_LARGE),
                ));
            }
            // The web server in front turned the request away: the service behind it has not seen it.
            other if other.is_client_error() => return Err(Failure::Refused(self.unexpected(other))),
            StatusCode::SERVICE_UNAVAILABLE => {
                return Err(Failure::Refused(self.unexpected(status).with_retryable(true)));
            }
            other => return Err(Failure::Broken(self.unexpected(other))),
        }
        let body = read_body(response, self.body_bytes_max()).await.map_err(Failure::Broken)?;
        if body.is_empty() {
            return Err(Failure::Broken(self.unexpected(status)));
        }
        match &mut self.protection {
            Protection::Tls { .. } => Ok(Some(body.into())),
            // What is not sealed did not come from whom we logged on to, or was changed on the way.
            Protection::Sealed(_) if !sealed => {
                let message = "the host answered in plain text where a sealed message is due";
                Err(Failure::Broken(Error::transport(Layer::Protocol, message)))
            }
            Protection::Sealed(security) => {
                let broken = |error: Box<dyn std::error::Error + Send + Sync>| {
                    let message = "the host's sealed answer does not open";
                    Failure::Broken(Error::transport(Layer::Protocol, message).with_source(error))
                };
                let frame =
                    sealing::decode(security.protocol(), &body).map_err(|error| broken(error.into()))?;
                let mut message = frame.sealed.to_vec();
                security.open(frame.signature, &mut message).map_err(|error| broken(error.into()))?;
                Ok(Some(message))
            }
        }
    }

    /// One HTTP request on this connection, up to the answer's headers.
    pub(super) async fn exchange(
        &mut self,
        body: Bytes,
        content_type: Option<&'static str>,
        authorization: Option<HeaderValue>,
    ) -> Result<Response<Incoming>, Failure> {
        let mut request = Request::post("/wsman")
            .header(header::HOST, self.host.authority())
            .header(header::USER_AGENT, "OpsConductor");
        if let Some(content_type) = content_type {
            request = request.header(header::CONTENT_TYPE, content_type);
        }
        if let Some(mut authorization) = authorization {
            authorization.set_sensitive(true);
            request = request.header(header::AUTHORIZATION, authorization);
        }
        let request = request.body(Full::new(body)).map_err(|error| {
            Failure::Refused(
                Error::transport(Layer::Protocol, "the request cannot be made").with_source(error),
            )
        })?;
        self.sender.ready().await.map_err(|error| unsent(broken(error)))?;
        match self.sender.try_send_request(request).await {
            Ok(response) => Ok(response),
            Err(mut error) => {
                let kept = error.take_message().is_some();
                let error = broken(error.into_error());
                Err(if kept { unsent(error) } else { Failure::Broken(error) })
            }
        }
    }

    pub(super) fn body_bytes_max(&self) -> usize {
        self.host.settings.envelope_bytes_max + 64 * 1024
    }

    pub(super) fn unexpected(&self, status: StatusCode) -> Error {
        let message = match status {
            StatusCode::NOT_FOUND => "nothing answers at /wsman; is this the port of WinRM?".to_owned(),
            StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED => {
                format!(
                    "a web server answers with HTTP status {}; is this the port of WinRM?",
                    status.as_u16()
                )
            }
            _ => format!("the host answered with HTTP status {}", status.as_u16()),
        };
        Error::transport(Layer::Protocol, message)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// Opens a connection in place of one that lost its logon. Boxed, for a logon may itself make a request.
fn reopen(host: Arc<Host>) -> Pin<Box<dyn Future<Output = Result<Connection>> + Send>> {
    Box::pin(async move { Connection::open_within(&host, &mut Timings::default()).await })
}

pub(super) async fn read_body(response: Response<Incoming>, bytes_max: usize) -> Result<Bytes> {
    let body = Limited::new(response.into_body(), bytes_max).collect().await;
    body.map(http_body_util::Collected::to_bytes).map_err(|error| {
        Error::transport(Layer::Protocol, "the host's answer broke off or is too large").with_source(error)
    })
}

/// What never left may be sent another time.
fn unsent(error: Error) -> Failure {
    Failure::Refused(error.with_retryable(true))
}

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

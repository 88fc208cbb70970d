//! One connection: opened, authenticated, and used for one request at a time.
//!
//! NTLM authenticates the TCP connection, so a connection owns its socket and its security context, and both end
//! together. A request whose answer was not read to the end leaves it dirty: its sealing is out of step, and it is
//! never used again.

use std::{pin::Pin, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{
    Method, Request, Response, StatusCode, Uri,
    body::Incoming,
    client::conn::http1::SendRequest,
    header::{self, HeaderValue},
};
use tokio::{task::AbortHandle, time::timeout};
use uuid::Uuid;

use super::{
    account::Scheme,
    failure::{Failure, TOO_LARGE, broken, unsent},
    handshake::refused_before,
    host::Host,
    sealing::Sealing,
    soap::{
        Envelope, Fault,
        reply::ReplyError,
        tree::{self, Element},
    },
};
use crate::{Error, Result, error::Layer, transport::timings::Timings};

/// How much longer than its operation time-out a request may take on the way.
const TRANSIT: Duration = Duration::from_secs(30);

/// A buffer for requests that has grown larger is not kept: large ones are rare, but for copies, and connections wait long.
const KEPT_BYTES_MAX: usize = 64 * 1024;

const SOAP_TYPE: &str = "application/soap+xml;charset=UTF-8";

/// An authenticated connection.
pub(super) struct Connection {
    pub(super) host: Arc<Host>,
    pub(super) sender: SendRequest<Full<Bytes>>,
    pub(super) driver: AbortHandle,
    pub(super) protection: Protection,
    pub(super) dirty: bool,
    pub(super) message_id: Uuid,
    /// Where requests are built and sealed. It is used again and again.
    pub(super) outgoing: BytesMut,
}

/// An answer as it came, opened.
pub(super) struct Answer {
    /// The host did what it was asked; else it says why not.
    pub(super) done: bool,
    text: Bytes,
}

pub(super) enum Protection {
    /// Plain HTTP: every body is sealed, both ways.
    Sealed(Sealing),
    /// TLS carries the bodies; Basic says who we are with each request.
    Tls { authorization: Option<HeaderValue> },
}

impl Connection {
    /// Connects and logs on, within the host's time limit, and notes how long each layer took.
    pub(super) async fn open(host: &Arc<Host>, timings: &mut Timings) -> Result<Self> {
        // Boxed, like all that is rare: whoever may have to do it would else carry its state, which is large, all the time.
        Box::pin(Self::open_within(host, timings)).await.map_err(|error| host.about(error))
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

    /// The id of the next request: the connection has the first one at random, and counts on from there.
    pub(super) fn next_message_id(&mut self) -> Uuid {
        let next = self.message_id;
        self.message_id = Uuid::from_u128(next.as_u128().wrapping_add(1));
        next
    }

    /// Sends one request and takes its answer.
    pub(super) async fn call(&mut self, request: &Envelope<'_>) -> Result<Answer, Failure> {
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
        let limit = request.operation_timeout + TRANSIT;
        let mut reopened = false;
        let answer = loop {
            if let Some(answer) = self.attempt(request, limit).await? {
                break answer;
            }
            if reopened || !self.logs_on_once() {
                self.host.set_logon_refused();
                return Err(Failure::Refused(self.refused()));
            }
            // The host forgot who we are and did nothing: one logon on a new connection, and the request once more.
            reopened = true;
            let host = Arc::clone(&self.host);
            *self = reopen(host).await.map_err(Failure::Refused)?;
        };
        self.dirty = false;
        Ok(answer)
    }

    /// Reads an answer to the request of that id: a fault, or else what `read` finds in it.
    pub(super) fn read<T>(
        &mut self,
        answer: &Answer,
        message_id: Uuid,
        read: impl FnOnce(&Element<'_>) -> Result<T, ReplyError>,
    ) -> Result<T, Failure> {
        let malformed = |error| {
            Failure::Broken(
                Error::transport(Layer::Protocol, "the host's answer cannot be read").with_source(error),
            )
        };
        let text = std::str::from_utf8(&answer.text).map_err(|error| {
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
            None => read(&root).map_err(|error| {
                let message = "the host's answer is not what was asked for";
                Failure::Broken(Error::transport(Layer::Protocol, message).with_source(error))
            }),
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
    async fn attempt(&mut self, request: &Envelope<'_>, limit: Duration) -> Result<Option<Answer>, Failure> {
        self.dirty = true;
        timeout(limit, self.round(request)).await.unwrap_or_else(|_| {
            Err(Failure::Broken(Error::transport(Layer::Protocol, "the host did not answer in time")))
        })
    }

    /// The document of a request as it goes out, its content type, and who we are.
    fn pack(
        &mut self,
        request: &Envelope<'_>,
    ) -> Result<(Bytes, &'static str, Option<HeaderValue>), Failure> {
        let out = &mut self.outgoing;
        let packed = match &mut self.protection {
            Protection::Sealed(sealing) => {
                sealing.begin(out);
                request.write(out);
                let sealed = sealing.seal(out).map_err(|error| {
                    let message = "the request could not be sealed";
                    Failure::Refused(Error::transport(Layer::Protocol, message).with_source(error))
                })?;
                (sealed, sealing.content_type(), None)
            }
            Protection::Tls { authorization } => {
                out.clear();
                request.write(out);
                (out.split().freeze(), SOAP_TYPE, authorization.clone())
            }
        };
        if packed.0.len() > KEPT_BYTES_MAX {
            self.outgoing = BytesMut::new();
        }
        Ok(packed)
    }

    /// The answer; `None` when the host turned the request away for want of a logon.
    async fn round(&mut self, request: &Envelope<'_>) -> Result<Option<Answer>, Failure> {
        let (body, content_type, authorization) = self.pack(request)?;
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
        let text = match &mut self.protection {
            Protection::Tls { .. } => body,
            // What is not sealed did not come from whom we logged on to, or was changed on the way.
            Protection::Sealed(_) if !sealed => {
                let message = "the host answered in plain text where a sealed message is due";
                return Err(Failure::Broken(Error::transport(Layer::Protocol, message)));
            }
            Protection::Sealed(sealing) => sealing
                .open(&body)
                .map_err(|error| {
                    let message = "the host's sealed answer does not open";
                    Failure::Broken(Error::transport(Layer::Protocol, message).with_source(error))
                })?
                .into(),
        };
        Ok(Some(Answer { done: status == StatusCode::OK, text }))
    }

    /// One HTTP request on this connection, up to the answer's headers.
    pub(super) async fn exchange(
        &mut self,
        body: Bytes,
        content_type: Option<&'static str>,
        authorization: Option<HeaderValue>,
    ) -> Result<Response<Incoming>, Failure> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = Uri::from_static("/wsman");
        let headers = request.headers_mut();
        headers.insert(header::HOST, self.host.host_header.clone());
        headers.insert(header::USER_AGENT, HeaderValue::from_static("OpsConductor"));
        if let Some(content_type) = content_type {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        }
        if let Some(mut authorization) = authorization {
            authorization.set_sensitive(true);
            headers.insert(header::AUTHORIZATION, authorization);
        }
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

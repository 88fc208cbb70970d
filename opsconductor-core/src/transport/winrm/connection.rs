//! One connection: opened, authenticated, and used for one request at a time.
//!
//! NTLM authenticates the TCP connection, so a connection owns its socket and its security context, and both end
//! together. A request whose answer was not read to the end leaves it dirty: its sealing is out of step, and it is
//! never used again.

use std::{sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{
    Request, Response, StatusCode,
    body::Incoming,
    client::conn::http1::{self, SendRequest},
    header::{self, HeaderMap, HeaderValue},
};
use hyper_util::rt::TokioIo;
use tokio::{task::AbortHandle, time::timeout};
use uuid::Uuid;

use super::{
    account::Scheme,
    dial::{self, Dialed, Timings},
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
    /// The request was turned away for its size, before anything acted on it.
    TooLarge(Error),
    /// The request may have been received, and what became of it is not known.
    Broken(Error),
}

impl Failure {
    /// The error for a caller for whom nothing was at stake.
    pub(super) fn into_error(self, host: &Host, action: Action) -> Error {
        host.about(match self {
            Self::Fault(fault) => fault.into_error(action),
            Self::Refused(error) | Self::TooLarge(error) | Self::Broken(error) => error,
        })
    }
}

/// An authenticated connection.
pub(super) struct Connection {
    pub(super) host: Arc<Host>,
    sender: SendRequest<Full<Bytes>>,
    driver: AbortHandle,
    protection: Protection,
    dirty: bool,
}

enum Protection {
    /// Plain HTTP: every body is sealed, both ways.
    Sealed(Security),
    /// TLS carries the bodies; Basic says who we are with each request.
    Tls { authorization: Option<HeaderValue> },
}

impl Connection {
    /// Connects and logs on, within the host's time limit, and notes how long each layer took.
    pub(super) async fn open(host: &Arc<Host>, timings: &mut Timings) -> Result<Self> {
        timings.start();
        match timeout(host.connect_timeout, Self::open_unbounded(host, timings)).await {
            Ok(result) => result.map_err(|error| host.about(error)),
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
                Err(host.about(Error::transport(layer, message)))
            }
        }
    }

    async fn open_unbounded(host: &Arc<Host>, timings: &mut Timings) -> Result<Self> {
        let Dialed { stream, end_point } = dial::dial(host, timings).await?;
        timings.enter(Layer::Authentication);
        let (sender, driver) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
        let driver = tokio::spawn(async move {
            // An error of the connection reaches whoever waits for an answer on it.
            let _ = driver.await;
        })
        .abort_handle();
        let protection = Protection::Tls { authorization: None };
        let mut connection = Self { host: Arc::clone(host), sender, driver, protection, dirty: false };
        if host.account.scheme == Scheme::Basic {
            connection.protection = Protection::Tls { authorization: Some(basic(host)?) };
            let identify = connection.identify().await;
            identify.map_err(|failure| failure.into_error(host, Action::Identify))?;
        } else {
            let security = connection.log_on(end_point.as_deref()).await?;
            if host.trust.is_none() {
                connection.protection = Protection::Sealed(security);
            }
        }
        timings.finish();
        Ok(connection)
    }

    /// The handshake: tokens go to and fro in headers, with empty bodies.
    async fn log_on(&mut self, end_point: Option<&[u8]>) -> Result<Security> {
        let unusable = |error: sspi::Error| {
            Error::transport(Layer::Protocol, "the host's part of the logon does not make sense")
                .with_source(error)
        };
        let account = &self.host.account;
        let mut security = Security::new(account, &self.host.name, end_point).map_err(unusable)?;
        let mut token = security.step(None).map_err(unusable)?;
        for leg in 1..=3 {
            let value = HeaderValue::try_from(format!("Negotiate {}", STANDARD.encode(&token)));
            let response =
                self.exchange(Bytes::new(), None, value.ok()).await.map_err(|failure| match failure {
                    Failure::Refused(error) | Failure::TooLarge(error) | Failure::Broken(error) => error,
                    Failure::Fault(fault) => fault.into_error(Action::Identify),
                })?;
            let answer = negotiate_token(response.headers());
            let status = response.status();
            read_body(response, self.body_bytes_max()).await?;
            match (status, answer) {
                (StatusCode::OK, answer) => {
                    // The last word of SPNEGO guards the list of mechanisms. Ours lists NTLM alone, and NTLM guards its
                    // own messages, so a host that leaves the last word out is no danger: sealing proves it.
                    if let Some(answer) = answer.filter(|_| !security.is_complete()) {
                        security.step(Some(&answer)).map_err(unusable)?;
                    }
                    return Ok(security);
                }
                (StatusCode::UNAUTHORIZED, Some(answer)) if !security.is_complete() => {
                    token = security.step(Some(&answer)).map_err(unusable)?;
                }
                (StatusCode::UNAUTHORIZED, _) if leg > 1 => return Err(self.refused()),
                (StatusCode::UNAUTHORIZED, _) => {
                    return Err(Error::transport(
                        Layer::Authentication,
                        "the host does not offer Negotiate; allow it, or use a credential for what it offers",
                    ));
                }
                (status, _) => return Err(self.unexpected(status)),
            }
        }
        Err(self.refused())
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
        self.dirty = true;
        let result = timeout(operation_timeout + TRANSIT, self.round(document)).await.unwrap_or_else(|_| {
            Err(Failure::Broken(Error::transport(Layer::Protocol, "the host did not answer in time")))
        });
        let body = match result {
            Ok(body) => body,
            Err(failure) => return Err(failure),
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

    async fn round(&mut self, document: String) -> Result<Vec<u8>, Failure> {
        let (body, content_type, authorization) = match &mut self.protection {
            Protection::Sealed(security) => {
                let mut message = document.into_bytes();
                let plain_len = message.len();
                let signature = security.seal(&mut message).map_err(|error| {
                    let message = "the request could not be sealed";
                    Failure::Refused(Error::transport(Layer::Protocol, message).with_source(error))
                })?;
                (sealing::encode(plain_len, &signature, &message), sealing::CONTENT_TYPE, None)
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
            StatusCode::UNAUTHORIZED => return Err(Failure::Refused(self.refused())),
            StatusCode::PAYLOAD_TOO_LARGE => {
                let message = "the request is larger than the host's MaxEnvelopeSizekb";
                return Err(Failure::TooLarge(Error::transport(Layer::Protocol, message)));
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
            Protection::Tls { .. } => Ok(body.into()),
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
                let frame = sealing::decode(&body).map_err(|error| broken(error.into()))?;
                let mut message = frame.sealed.to_vec();
                security.open(frame.signature, &mut message).map_err(|error| broken(error.into()))?;
                Ok(message)
            }
        }
    }

    /// One HTTP request on this connection, up to the answer's headers.
    async fn exchange(
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
        self.sender.ready().await.map_err(|error| Failure::Refused(broken(error)))?;
        match self.sender.try_send_request(request).await {
            Ok(response) => Ok(response),
            Err(mut error) => {
                let unsent = error.take_message().is_some();
                let error = broken(error.into_error());
                Err(if unsent { Failure::Refused(error) } else { Failure::Broken(error) })
            }
        }
    }

    fn body_bytes_max(&self) -> usize {
        self.host.settings.envelope_bytes_max + 64 * 1024
    }

    fn refused(&self) -> Error {
        Error::transport(
            Layer::Authentication,
            "the host refused the credential; check user, password and the account's right to log on",
        )
        .with("user", self.host.account.display())
    }

    fn unexpected(&self, status: StatusCode) -> Error {
        let message = match status {
            StatusCode::NOT_FOUND => "nothing answers at /wsman; is this the port of WinRM?".to_owned(),
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

fn basic(host: &Host) -> Result<HeaderValue> {
    let account = &host.account;
    let pair = zeroize::Zeroizing::new(format!("{}:{}", account.display(), account.password.expose()));
    let value = zeroize::Zeroizing::new(format!("Basic {}", STANDARD.encode(pair.as_bytes())));
    let mut value = HeaderValue::try_from(value.as_str())
        .map_err(|_| Error::transport(Layer::Authentication, "the credential cannot be put into a header"))?;
    value.set_sensitive(true);
    Ok(value)
}

/// The token of the host, out of one of its `WWW-Authenticate` headers.
fn negotiate_token(headers: &HeaderMap) -> Option<Vec<u8>> {
    let values = headers.get_all(header::WWW_AUTHENTICATE);
    values.iter().find_map(|value| {
        let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("negotiate").then(|| STANDARD.decode(token.trim()).ok())?
    })
}

async fn read_body(response: Response<Incoming>, bytes_max: usize) -> Result<Bytes> {
    let body = Limited::new(response.into_body(), bytes_max).collect().await;
    body.map(http_body_util::Collected::to_bytes).map_err(|error| {
        Error::transport(Layer::Protocol, "the host's answer broke off or is too large").with_source(error)
    })
}

fn broken(error: hyper::Error) -> Error {
    Error::transport(Layer::Protocol, "the connection broke").with_source(error)
}

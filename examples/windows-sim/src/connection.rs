//! One connection: who is at the other end, and what its requests get.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Limited};
use hyper::{
    HeaderMap, Method, Request as HttpRequest, StatusCode,
    body::Incoming,
    header::{AUTHORIZATION, CONTENT_TYPE},
};

use crate::{
    fault::Fault,
    host::Host,
    negotiation::{Negotiation, Step},
    operation::{Caller, answer},
    reply::{Dropped, Reply},
    seal,
    soap::{fault::Fault as SoapFault, request::Request, response::identify},
};

/// The content type of an envelope that is not sealed.
const SOAP: &str = "application/soap+xml;charset=UTF-8";

/// What a request says in `Authorization` that is made by whom the TLS handshake's certificate names.
const MUTUAL: &str = "http://schemas.dmtf.org/wbem/wsman/1/wsman/secprofile/https/mutual";

/// A body that says it is longer is refused anyway.
const TRAVEL_BYTES_MAX: u64 = 1024 * 1024;

/// The state of one connection. Its requests come one after the other.
pub(crate) struct Connection {
    pub(crate) host: Arc<Host>,
    pub(crate) peer: IpAddr,
    pub(crate) tls: bool,
    /// The hash of the channel bindings of the TLS certificate.
    pub(crate) binding: Option<[u8; 16]>,
    pub(crate) negotiation: Mutex<Negotiation>,
    /// The user principal name of the client's certificate, when it has shown one that is trusted.
    pub(crate) principal: Option<String>,
}

/// What the authentication headers of a request come to.
enum Admission {
    /// 401, with the next token of a handshake or without.
    Refused(Option<String>),
    /// The user, and the last token of a handshake to go with the answer.
    Admitted(String, Option<String>),
}

impl Connection {
    /// Answers one request, after and before the way through the network.
    pub(crate) async fn respond(
        &self,
        request: HttpRequest<Incoming>,
    ) -> Result<hyper::Response<Reply>, Dropped> {
        self.host.tally.requests.up();
        self.travel(hyper::body::Body::size_hint(request.body()).lower()).await;
        let reply = self.exchange(request).await?;
        self.travel(reply.bytes()).await;
        Ok(reply.into_response())
    }

    /// Half a round trip, and the time the link takes for so many bytes.
    async fn travel(&self, bytes: u64) {
        let carried = self.host.bandwidth.map_or(Duration::ZERO, |bytes_per_second| {
            Duration::from_nanos(bytes.min(TRAVEL_BYTES_MAX) * 1_000_000_000 / bytes_per_second)
        });
        let takes = self.host.latency / 2 + carried;
        if !takes.is_zero() {
            tokio::time::sleep(takes).await;
        }
    }

    async fn exchange(&self, request: HttpRequest<Incoming>) -> Result<Reply, Dropped> {
        if request.method() != Method::POST || !request.uri().path().eq_ignore_ascii_case("/wsman") {
            return Ok(Reply::status(StatusCode::NOT_FOUND));
        }
        let (head, body) = request.into_parts();
        let envelope_bytes_max = self.host.quotas.envelope_bytes_max;
        let Ok(body) = Limited::new(body, envelope_bytes_max + seal::OVERHEAD_BYTES_MAX).collect().await
        else {
            return Ok(Reply::status(StatusCode::PAYLOAD_TOO_LARGE).closing());
        };
        let body = body.to_bytes();
        let content_type =
            head.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let sealed = content_type == seal::CONTENT_TYPE;
        if !self.tls && !sealed && !body.is_empty() {
            self.host.tally.plaintext_bodies.up();
        }
        if head.headers.get("wsmanidentify").is_some_and(|value| value == "unauthenticated") {
            return Ok(Reply::envelope(StatusCode::OK, SOAP, identify(false)));
        }
        let (user, token) = match self.admit(&head.headers) {
            Admission::Refused(token) => return Ok(self.unauthorized(token)),
            Admission::Admitted(user, token) => (user, token),
        };
        let reply = if body.is_empty() {
            Reply::status(StatusCode::OK)
        } else if sealed {
            self.sealed(&user, &body).await?
        } else {
            self.plain(user, content_type, &body).await?
        };
        Ok(reply.authenticating(token))
    }

    async fn plain(&self, user: String, content_type: &str, body: &[u8]) -> Result<Reply, Dropped> {
        if !self.tls && !self.host.allow_unencrypted {
            return Ok(Reply::status(StatusCode::INTERNAL_SERVER_ERROR));
        }
        if !content_type.trim_start().to_ascii_lowercase().starts_with("application/soap+xml") {
            return Ok(Reply::status(StatusCode::UNSUPPORTED_MEDIA_TYPE));
        }
        let outcome = self.message(user, body).await?;
        Ok(outcome.into_reply(SOAP, Bytes::from))
    }

    async fn sealed(&self, user: &str, frame: &Bytes) -> Result<Reply, Dropped> {
        let envelope = {
            let mut negotiation = self.lock();
            let session = negotiation.session();
            let envelope = session.and_then(|session| seal::open(&mut session.security, frame));
            if envelope.is_none() {
                // The key stream is out of step for good.
                *negotiation = Negotiation::default();
            }
            envelope
        };
        let Some(envelope) = envelope else { return Ok(Reply::status(StatusCode::BAD_REQUEST)) };
        let outcome = self.message(user.to_owned(), &envelope).await?;
        let mut negotiation = self.lock();
        let Some(session) = negotiation.session() else {
            return Ok(outcome.into_reply("", |_| Bytes::new()));
        };
        let security = &mut session.security;
        Ok(outcome
            .into_reply(seal::CONTENT_TYPE, |envelope| seal::seal(security, envelope.as_bytes()).into()))
    }

    /// Acts on an envelope, with the fault that is planned for it.
    async fn message(&self, user: String, envelope: &[u8]) -> Result<Outcome, Dropped> {
        let host = &self.host;
        if envelope.len() > host.quotas.envelope_bytes_max {
            return Ok(Outcome::Bare(Reply::status(StatusCode::PAYLOAD_TOO_LARGE).closing()));
        }
        host.tally.messages.up();
        let request = match Request::parse(envelope) {
            Ok(request) => request,
            Err(refusal) => {
                return Ok(Outcome::fault(&refusal.fault, &host.name, &refusal.message_id));
            }
        };
        let message_id = request.message_id.clone();
        let fault = host.faults.next(request.operation.action());
        match fault {
            Some(Fault::DropBefore) => return Err(Dropped),
            Some(Fault::Reboot) => {
                host.reboot();
                return Err(Dropped);
            }
            Some(Fault::Unauthorized) => {
                *self.lock() = Negotiation::default();
                return Ok(Outcome::Bare(self.unauthorized(None)));
            }
            Some(Fault::Unavailable) => {
                return Ok(Outcome::Bare(Reply::status(StatusCode::SERVICE_UNAVAILABLE).closing()));
            }
            Some(Fault::Refuse(number)) => {
                let fault = SoapFault::on_demand(number, false);
                return Ok(Outcome::fault(&fault, &host.name, &message_id));
            }
            Some(Fault::RefuseWmi(number)) => {
                let fault = SoapFault::on_demand(number, true);
                return Ok(Outcome::fault(&fault, &host.name, &message_id));
            }
            Some(Fault::Delay(delay)) => tokio::time::sleep(delay).await,
            Some(Fault::DropAfter | Fault::TruncatedBody) | None => {}
        }
        let caller = Caller { user, address: self.peer };
        let (status, envelope) = match answer(host, &caller, request).await {
            Ok(envelope) => (StatusCode::OK, envelope),
            Err(fault) => (StatusCode::INTERNAL_SERVER_ERROR, fault.envelope(&host.name, &message_id)),
        };
        match fault {
            Some(Fault::DropAfter) => Err(Dropped),
            fault => Ok(Outcome::Answered(status, envelope, fault == Some(Fault::TruncatedBody))),
        }
    }

    fn admit(&self, headers: &HeaderMap) -> Admission {
        let Some(authorization) = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()) else {
            return match self.lock().session() {
                Some(session) => Admission::Admitted(session.user.clone(), None),
                None => Admission::Refused(None),
            };
        };
        if authorization == MUTUAL {
            let user = self.principal.as_deref().and_then(|principal| self.host.accounts.mapped(principal));
            return user.map_or(Admission::Refused(None), |user| Admission::Admitted(user, None));
        }
        let (scheme, value) = authorization.split_once(' ').unwrap_or((authorization, ""));
        let Ok(value) = BASE64.decode(value.trim()) else { return Admission::Refused(None) };
        if scheme.eq_ignore_ascii_case("basic") && self.basic_offered() {
            let text = basic_text(value);
            let user =
                text.split_once(':').and_then(|(user, password)| self.host.accounts.basic(user, password));
            return user.map_or(Admission::Refused(None), |user| Admission::Admitted(user, None));
        }
        if !scheme.eq_ignore_ascii_case("negotiate") {
            return Admission::Refused(None);
        }
        let mut negotiation = self.lock();
        match negotiation.step(&self.host, &value, self.binding) {
            Step::Continue(token) => Admission::Refused(Some(BASE64.encode(token))),
            Step::Refused => Admission::Refused(None),
            Step::Established(token) => match negotiation.session() {
                Some(session) => {
                    Admission::Admitted(session.user.clone(), token.map(|token| BASE64.encode(token)))
                }
                None => Admission::Refused(None),
            },
        }
    }

    /// Basic sends the password itself, so it is offered only where nobody else can read it.
    fn basic_offered(&self) -> bool {
        self.host.basic && (self.tls || self.host.allow_unencrypted)
    }

    fn unauthorized(&self, token: Option<String>) -> Reply {
        let reply = Reply::status(StatusCode::UNAUTHORIZED);
        match token {
            Some(token) => reply.authenticating(Some(token)),
            None => reply.offering(self.basic_offered()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Negotiation> {
        self.negotiation.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// RFC 7617 leaves the encoding of Basic open: newer clients send UTF-8, older ones (and `requests`) Latin-1.
fn basic_text(value: Vec<u8>) -> String {
    String::from_utf8(value).unwrap_or_else(|error| error.into_bytes().into_iter().map(char::from).collect())
}

/// What a message came to.
enum Outcome {
    /// An answer without an envelope.
    Bare(Reply),
    /// An envelope, to be cut off in the middle or not.
    Answered(StatusCode, String, bool),
}

impl Outcome {
    fn fault(fault: &SoapFault, machine: &str, message_id: &str) -> Self {
        let envelope = fault.envelope(machine, message_id);
        Self::Answered(StatusCode::INTERNAL_SERVER_ERROR, envelope, false)
    }

    fn into_reply(self, content_type: &'static str, write: impl FnOnce(String) -> Bytes) -> Reply {
        match self {
            Self::Bare(reply) => reply,
            Self::Answered(status, envelope, cut) => {
                let reply = Reply::envelope(status, content_type, write(envelope));
                if cut { reply.cut() } else { reply }
            }
        }
    }
}

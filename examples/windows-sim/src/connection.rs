//! One connection: who is at the other end, and what its requests get.

use std::{
    net::IpAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::{
    HeaderMap, Method, Request as HttpRequest, StatusCode,
    body::{Body as _, Incoming},
    header::{AUTHORIZATION, CONTENT_TYPE},
};

use crate::{
    fault::Fault,
    host::Host,
    negotiation::{Negotiation, Step},
    operation::{Caller, answer},
    outcome::Outcome,
    reply::{Dropped, Reply},
    seal,
    soap::{
        action::Action,
        fault::Fault as SoapFault,
        request::{Operation, Request},
    },
};

/// The content type of an envelope that is not sealed.
const SOAP: &str = "application/soap+xml;charset=UTF-8";

/// How much of a body that is too large is still taken, so that the client gets to read the answer.
const UNREAD_BYTES_MAX: usize = 16 * 1024 * 1024;

/// What comes instead of an envelope or a token when that is planned: neither XML nor UTF-8.
const GARBAGE: &[u8] = b"\xff\xfe<this is no envelope";
/// What a request says in `Authorization` that is made by whom the TLS handshake's certificate names.
const MUTUAL: &str = "http://schemas.dmtf.org/wbem/wsman/1/wsman/secprofile/https/mutual";

/// The state of one connection. Its requests come one after the other.
pub(crate) struct Connection {
    pub(crate) host: Arc<Host>,
    pub(crate) peer: IpAddr,
    pub(crate) tls: bool,
    /// The hash of the channel bindings of the TLS certificate.
    pub(crate) binding: Option<[u8; 16]>,
    pub(crate) negotiation: Mutex<Negotiation>,
    /// Whether the client was sent a token and asked for the next one.
    pub(crate) challenged: AtomicBool,
    /// Space for the body of the next request.
    pub(crate) spare: Mutex<Vec<u8>>,
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
    /// Answers one request.
    pub(crate) async fn respond(
        &self,
        request: HttpRequest<Incoming>,
    ) -> Result<hyper::Response<Reply>, Dropped> {
        self.host.tally.requests.up();
        Ok(self.exchange(request).await?.into_response())
    }

    async fn exchange(&self, request: HttpRequest<Incoming>) -> Result<Reply, Dropped> {
        if request.method() != Method::POST || !request.uri().path().eq_ignore_ascii_case("/wsman") {
            return Ok(Reply::status(StatusCode::NOT_FOUND));
        }
        let (head, body) = request.into_parts();
        let Some(mut body) = self.read(body).await? else {
            return Ok(Reply::status(StatusCode::PAYLOAD_TOO_LARGE).closing());
        };
        let reply = self.authenticated(&head.headers, &mut body).await;
        self.keep(body);
        reply
    }

    /// Answers a request whose body is there.
    async fn authenticated(&self, headers: &HeaderMap, body: &mut [u8]) -> Result<Reply, Dropped> {
        let content_type =
            headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let sealed = content_type == seal::CONTENT_TYPE;
        if !self.tls && !sealed && !body.is_empty() {
            self.host.tally.plaintext_bodies.up();
        }
        if self.is_stranger_asking(headers, body) {
            return Ok(self
                .message(String::new(), body)
                .await?
                .into_reply(SOAP, |_, envelope| envelope.into()));
        }
        let fault = self.leg(headers).and_then(|leg| self.host.faults.next(leg));
        if let Some(reply) = self.before(fault).await? {
            return Ok(reply);
        }
        if matches!(fault, Some(Fault::Refuse(_) | Fault::RefuseWmi(_))) {
            return Ok(Reply::status(StatusCode::INTERNAL_SERVER_ERROR));
        }
        let reply = match self.admit(headers) {
            Admission::Refused(token) => self.unauthorized(token),
            Admission::Admitted(user, token) => {
                let reply = if body.is_empty() {
                    Reply::status(StatusCode::OK)
                } else if sealed {
                    self.sealed(&user, body).await?
                } else {
                    self.plain(user, content_type, body).await?
                };
                reply.authenticating(token)
            }
        };
        match fault {
            Some(Fault::DropAfter) => Err(Dropped),
            Some(Fault::TruncatedBody) => Ok(reply.cut(self.host.network)),
            Some(Fault::Garbage | Fault::BadSeal) => {
                *self.lock() = Negotiation::default();
                Ok(reply.authenticating_only(BASE64.encode(GARBAGE)))
            }
            _ => Ok(reply),
        }
    }

    /// The whole body; none when it is larger than the host takes. A client that stops in the middle is given up.
    async fn read(&self, mut body: Incoming) -> Result<Option<Vec<u8>>, Dropped> {
        let quotas = &self.host.quotas;
        let bytes_max = quotas.envelope_bytes_max + seal::OVERHEAD_BYTES_MAX;
        let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
        let mut bytes = std::mem::take(&mut *self.spare.lock().unwrap_or_else(PoisonError::into_inner));
        bytes.reserve(announced.min(bytes_max));
        let mut too_many = 0;
        let mut next = async || {
            let frame = tokio::time::timeout(quotas.connection_idle_timeout, body.frame()).await;
            frame.map_err(|_| Dropped)?.transpose().map_err(|_| Dropped)
        };
        while let Some(frame) = next().await? {
            let Ok(data) = frame.into_data() else { continue };
            if too_many > 0 || bytes.len() + data.len() > bytes_max {
                // Who is cut off while it still sends does not see the answer.
                too_many += data.len();
                if too_many > UNREAD_BYTES_MAX {
                    break;
                }
                continue;
            }
            bytes.extend_from_slice(&data);
        }
        Ok((too_many == 0).then_some(bytes))
    }

    /// Keeps the space of a body for the next one: a client that copies files sends large ones in a row.
    fn keep(&self, mut body: Vec<u8>) {
        body.clear();
        *self.spare.lock().unwrap_or_else(PoisonError::into_inner) = body;
    }

    /// Whether this is the one message the host answers to anybody.
    fn is_stranger_asking(&self, headers: &HeaderMap, body: &[u8]) -> bool {
        self.host.unauthenticated_identify
            && headers.get("wsmanidentify").is_some_and(|value| value == "unauthenticated")
            && Request::parse(body).is_ok_and(|request| request.operation == Operation::Identify)
    }

    /// Which leg of the handshake a request is.
    fn leg(&self, headers: &HeaderMap) -> Option<Action> {
        let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
        let (scheme, _) = value.split_once(' ')?;
        if scheme.eq_ignore_ascii_case("basic") {
            return None;
        }
        let second = self.challenged.load(Ordering::Relaxed);
        Some(if second { Action::Authenticate } else { Action::Negotiate })
    }

    /// What a fault does before anything is acted on: it may end the connection or give an answer of its own.
    async fn before(&self, fault: Option<Fault>) -> Result<Option<Reply>, Dropped> {
        match fault {
            Some(Fault::DropBefore) => Err(Dropped),
            Some(Fault::Reboot) => {
                self.host.reboot();
                Err(Dropped)
            }
            Some(Fault::Unauthorized) => {
                *self.lock() = Negotiation::default();
                Ok(Some(self.unauthorized(None)))
            }
            Some(Fault::Unavailable) => Ok(Some(Reply::status(StatusCode::SERVICE_UNAVAILABLE).closing())),
            Some(Fault::TooLarge) => Ok(Some(Reply::status(StatusCode::PAYLOAD_TOO_LARGE).closing())),
            Some(Fault::Delay(delay)) => {
                tokio::time::sleep(delay).await;
                Ok(None)
            }
            _ => Ok(None),
        }
    }

    async fn plain(&self, user: String, content_type: &str, body: &[u8]) -> Result<Reply, Dropped> {
        if !self.tls && !self.host.allow_unencrypted {
            return Ok(Reply::status(StatusCode::INTERNAL_SERVER_ERROR));
        }
        if !content_type.trim_start().to_ascii_lowercase().starts_with("application/soap+xml") {
            return Ok(Reply::status(StatusCode::UNSUPPORTED_MEDIA_TYPE));
        }
        let outcome = self.message(user, body).await?;
        Ok(outcome.into_reply(SOAP, |_, envelope| envelope.into()))
    }

    async fn sealed(&self, user: &str, frame: &mut [u8]) -> Result<Reply, Dropped> {
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
        let outcome = self.message(user.to_owned(), envelope).await?;
        let mut negotiation = self.lock();
        let Some(session) = negotiation.session() else {
            return Ok(outcome.into_reply("", |_, _| Bytes::new()));
        };
        let security = &mut session.security;
        Ok(outcome.into_reply(seal::CONTENT_TYPE, |fault, envelope| {
            let mut frame = seal::seal(security, &envelope);
            if fault == Some(Fault::BadSeal) {
                seal::spoil(&mut frame);
            }
            frame.into()
        }))
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
        if let Some(reply) = self.before(fault).await? {
            return Ok(Outcome::Bare(reply));
        }
        if let Some(Fault::Refuse(number) | Fault::RefuseWmi(number)) = fault {
            let refusal = SoapFault::on_demand(number, matches!(fault, Some(Fault::RefuseWmi(_))));
            return Ok(Outcome::fault(&refusal, &host.name, &message_id));
        }
        let caller = Caller { user, address: self.peer };
        let (status, envelope) = match answer(host, &caller, request).await {
            Ok(envelope) => (StatusCode::OK, envelope),
            Err(fault) => (StatusCode::INTERNAL_SERVER_ERROR, fault.envelope(&host.name, &message_id)),
        };
        match fault {
            Some(Fault::DropAfter) => Err(Dropped),
            Some(Fault::Garbage) => Ok(Outcome::Answered(status, GARBAGE.to_vec(), host.network, fault)),
            Some(Fault::BadSeal) if self.lock().session().is_none() => {
                Ok(Outcome::Answered(status, GARBAGE.to_vec(), host.network, fault))
            }
            fault => Ok(Outcome::Answered(status, envelope.into(), host.network, fault)),
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
        let step = negotiation.step(&self.host, &value, self.binding);
        self.challenged.store(matches!(step, Step::Continue(_)), Ordering::Relaxed);
        match step {
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

//! A request, its answer, and the requests that redirects ask for.

use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{
    HeaderMap, Method, Request, Response, StatusCode, Uri, body::Incoming, header, http::uri::PathAndQuery,
};

use super::{
    account::Account,
    body::BodyText,
    dial::{Ground, Line},
    fields,
    guard::NamedBy,
    redirect,
    site::{Host, Site},
};
use crate::{
    Error, ErrorKind, Result,
    error::Layer,
    transport::{HttpAnswer, HttpCall, Observer, RemoteHandle, Stream, timings::Timings, tls::Trust},
};

/// The largest body of a request.
const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;

/// One conversation: what is asked, of whom, and how far it went.
pub(super) struct Exchange<'a> {
    pub(super) ground: &'a Ground,
    pub(super) host: &'a Host,
    pub(super) account: Option<&'a Account>,
    /// Whether a request is out whose answer has not come whole.
    pub(super) is_open: &'a AtomicBool,
}

/// The next request.
struct Next {
    site: Site,
    method: Method,
    path: PathAndQuery,
    headers: HeaderMap,
    body: Option<Bytes>,
}

impl Exchange<'_> {
    /// Sends `call` over `line` and follows redirects.
    pub(super) async fn run(
        &self,
        call: HttpCall,
        mut line: Line,
        observer: &mut dyn Observer,
    ) -> Result<HttpAnswer> {
        let mut next = self.first(&call)?;
        let mut redirects = 0;
        // What has been checked can be sent; from here on it may act.
        observer.dispatching(&RemoteHandle::default()).await?;
        loop {
            // A retry would begin with the first request, which was answered when this one is not the first.
            let once = |error: Error| match redirects {
                0 => error,
                _ => error.with_retryable(call.repeatable).with("redirectedTo", next.site.authority()),
            };
            let answer = self.send(&mut line, &next).await.map_err(once)?;
            let location = match answer.headers().get(header::LOCATION) {
                Some(location) if call.redirects_max > 0 && redirect::is_redirect(answer.status()) => {
                    location
                }
                _ => return self.read(answer, &call, redirects, observer).await,
            };
            let status = answer.status();
            // What is not ASCII is not a URL, as a space is none.
            let location = location.to_str().unwrap_or(" ").to_owned();
            // A redirect answers the request; its body is for people.
            self.is_open.store(false, Ordering::SeqCst);
            drop(answer);
            if redirects == call.redirects_max {
                let message =
                    format!("the host redirects more than {redirects} times, which is all that is followed");
                return Err(Error::transport(Layer::Protocol, message).with_code(status.as_u16().into()));
            }
            redirects += 1;
            next = self.follow(next, status, &location)?;
            let dialed =
                self.ground.dial(&next.site, self.host.connect_timeout, &mut Timings::default()).await;
            line = dialed
                .map_err(|error| error.with_retryable(false).with("redirectedTo", next.site.authority()))?;
        }
    }

    fn first(&self, call: &HttpCall) -> Result<Next> {
        let invalid = |message: &str| Error::new(ErrorKind::InvalidInput, message);
        let method = Method::from_bytes(call.method.as_bytes()).map_err(|_| invalid("the method is none"))?;
        if call.body.as_ref().is_some_and(|body| body.len() > BODY_BYTES_MAX) {
            return Err(invalid("the body of a request is at most 16 MiB"));
        }
        let site = self.host.site.clone();
        let headers = fields::headers(call, self.account, &site.authority())?;
        if !(call.path.is_empty() || call.path.starts_with(['/', '?'])) {
            return Err(invalid("the path of a request begins with `/`"));
        }
        let path = path(&self.host.path(&call.path))?;
        Ok(Next { site, method, path, headers, body: call.body.clone() })
    }

    /// The request that a redirect asks for.
    fn follow(&self, sent: Next, status: StatusCode, location: &str) -> Result<Next> {
        let refuse = |why: &str| {
            let message = format!("the host answers with a redirect {why}, so it is not followed");
            Error::transport(Layer::Protocol, message).with_code(status.as_u16().into())
        };
        let place = redirect::resolve(&sent.site, sent.path.as_str(), location).map_err(refuse)?;
        let next_path = path(&place.path)?;
        let (method, keeps_body) = redirect::method(status, &sent.method);
        let mut headers = sent.headers;
        let body = sent.body.filter(|_| keeps_body);
        if body.is_none() {
            headers.remove(header::CONTENT_TYPE);
        }
        if sent.site.is_same_origin(place.https, &place.name, place.port) {
            return Ok(Next { site: sent.site, method, path: next_path, headers, body });
        }
        if sent.site.is_https() && !place.https {
            return Err(refuse("from HTTPS to plain HTTP"));
        }
        if body.is_some() {
            return Err(refuse("that would take the body of the request to another host"));
        }
        fields::strip(&mut headers);
        // Whether the host is named by the operator or by an answer decides which addresses it may have.
        let named_by = match place.name.eq_ignore_ascii_case(&self.host.site.name) {
            true => NamedBy::Target,
            false => NamedBy::Answer,
        };
        let trust = place.https.then(|| Trust::Authorities(self.host.elsewhere.authorities.clone()));
        let site = Site { name: place.name, port: place.port, trust, named_by, exposes_credential: false };
        fields::set_host(&mut headers, &site.authority())?;
        Ok(Next { site, method, path: next_path, headers, body })
    }

    async fn send(&self, line: &mut Line, next: &Next) -> Result<Response<Incoming>> {
        let mut request = Request::new(Full::new(next.body.clone().unwrap_or_default()));
        *request.method_mut() = next.method.clone();
        *request.uri_mut() = Uri::from(next.path.clone());
        *request.headers_mut() = next.headers.clone();
        self.is_open.store(true, Ordering::SeqCst);
        line.sender.try_send_request(request).await.map_err(|mut error| {
            if error.take_message().is_some() {
                self.is_open.store(false, Ordering::SeqCst);
                let message = "the host closed the connection before the request was sent";
                return Error::transport(Layer::Connect, message).with_source(error.into_error());
            }
            broken(error.into_error())
        })
    }

    async fn read(
        &self,
        answer: Response<Incoming>,
        call: &HttpCall,
        redirects: u32,
        observer: &mut dyn Observer,
    ) -> Result<HttpAnswer> {
        let (head, mut body) = answer.into_parts();
        let mut out = HttpAnswer::new(head.status.as_u16());
        out.redirects = redirects;
        out.headers = head
            .headers
            .iter()
            .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .collect();
        // A body that cannot be read is one that is not waited for.
        let mut decoder = BodyText::new(&head.headers, call.body_bytes_max)
            .inspect_err(|_| self.is_open.store(false, Ordering::SeqCst))?;
        let mut kept = (call.keep_bytes_max > 0).then(String::new);
        let mut text = String::new();
        while !decoder.is_cut() {
            match body.frame().await {
                Some(frame) => {
                    if let Some(bytes) = frame.map_err(broken)?.data_ref() {
                        decoder.push(bytes, &mut text)?;
                    }
                }
                None => {
                    decoder.finish(&mut text)?;
                    self.is_open.store(false, Ordering::SeqCst);
                    hand_over(&mut text, &mut kept, call.keep_bytes_max, observer).await?;
                    break;
                }
            }
            // A host that says a little at a time is shown as it speaks, and one that floods is held back.
            if !text.is_empty() {
                hand_over(&mut text, &mut kept, call.keep_bytes_max, observer).await?;
            }
        }
        out.text_bytes = decoder.given();
        out.is_cut = decoder.is_cut();
        out.text = kept.filter(|_| !out.is_cut);
        if out.is_cut {
            self.is_open.store(false, Ordering::SeqCst);
            let reason =
                format!("the answer is longer than {} bytes, and the rest was not read", call.body_bytes_max);
            observer.gap(&reason).await?;
        }
        Ok(out)
    }
}

async fn hand_over(
    text: &mut String,
    kept: &mut Option<String>,
    keep_bytes_max: usize,
    observer: &mut dyn Observer,
) -> Result<()> {
    match kept {
        Some(before) if before.len() + text.len() <= keep_bytes_max => before.push_str(text),
        _ => *kept = None,
    }
    match std::mem::take(text) {
        text if text.is_empty() => Ok(()),
        text => observer.output(Stream::Stdout, Bytes::from(text)).await,
    }
}

/// What stands in the first line of a request.
fn path(text: &str) -> Result<PathAndQuery> {
    PathAndQuery::try_from(text).map_err(|error| {
        let message = "the path is not one that can be requested: percent-encode what is no letter or digit";
        // hyper's own words say what kind of character is at fault, and not which.
        Error::new(ErrorKind::InvalidInput, message).with_source(error)
    })
}

/// A connection that broke with a request out, in words for people.
fn broken(error: hyper::Error) -> Error {
    let message = match error.is_parse() {
        true => "what answers does not speak HTTP; is this the right port, and is http_use_https right?",
        false => "the connection broke before the whole answer had come",
    };
    Error::transport(Layer::Protocol, message).with_retryable(true).with_source(error)
}

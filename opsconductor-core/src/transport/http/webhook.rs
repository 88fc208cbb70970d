//! Webhooks: signed requests to wherever a rule or a user says.
//!
//! Whoever may write a rule may name any host, so the guard is stricter than for targets: private addresses are refused too, unless
//! [`HttpSettings::allow`] lists them. No redirect is followed.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode, Uri,
    body::Incoming,
    header::{self, HeaderMap, HeaderValue},
    http::uri::PathAndQuery,
};
use tokio::time::timeout;

use super::{
    HttpSettings, Resolve, SystemResolver,
    dial::Ground,
    guard::NamedBy,
    site::{Site, default_port},
};
use crate::{
    Error, ErrorKind, Result,
    notify::{Channel, Delivered, Delivery, Means, Notifier, check_url, signature},
    transport::{
        timings::Timings,
        tls::{Trust, certificates},
    },
};

/// The longest until there is a connection, with TLS.
const CONNECT_MAX: Duration = Duration::from_secs(10);

/// The longest from the request to the head of the answer. Its body is not read.
const ANSWER_MAX: Duration = Duration::from_secs(15);

/// Delivers webhooks over HTTP and HTTPS.
#[derive(Debug)]
pub struct WebhookNotifier {
    ground: Ground,
    trust: Trust,
}

impl WebhookNotifier {
    /// With the addresses that may be reached; by default none but public ones.
    pub fn new(settings: HttpSettings) -> Self {
        let ground = Ground { settings, resolver: Arc::new(SystemResolver) };
        Self { ground, trust: Trust::Authorities(Vec::new()) }
    }

    /// With another way to look names up.
    #[must_use]
    pub fn with_resolver(mut self, resolver: impl Resolve + 'static) -> Self {
        self.ground.resolver = Arc::new(resolver);
        self
    }

    /// Trusts these authorities, in PEM form, beside the platform's.
    ///
    /// # Errors
    ///
    /// `InvalidInput` when it holds no certificate.
    pub fn with_authorities(mut self, pem: &str) -> Result<Self> {
        let own = certificates(pem.as_bytes()).map_err(|reason| {
            Error::new(ErrorKind::InvalidInput, "the authorities are no certificates in PEM form")
                .with("reason", reason)
        })?;
        self.trust = Trust::Authorities(own);
        Ok(self)
    }

    async fn attempt(&self, delivery: &Delivery) -> Result<Delivered> {
        let Means::Webhook(secrets) = &delivery.means else {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                "a webhook takes a secret that it is signed with",
            ));
        };
        let (site, path) = self.place(&delivery.dest)?;
        let body = delivery.message.json()?;
        let (id, at) = (delivery.message_id(), delivery.at.timestamp());
        let signature = signature::sign(secrets, &id, at, body.as_bytes())?;
        let request = request(
            &site,
            path,
            body,
            [("webhook-id", id), ("webhook-timestamp", at.to_string()), ("webhook-signature", signature)],
        )?;
        let mut line = self.ground.dial(&site, CONNECT_MAX, &mut Timings::default()).await?;
        let answer = timeout(ANSWER_MAX, line.sender.send_request(request)).await;
        Ok(match answer {
            Ok(Ok(answer)) => judge(&answer),
            Ok(Err(_)) => later("the connection broke before an answer came".to_owned()),
            Err(_) => later(format!("no answer came within {} s", ANSWER_MAX.as_secs())),
        })
    }

    /// Where a URL leads.
    fn place(&self, url: &str) -> Result<(Site, PathAndQuery)> {
        check_url("dest", url)?;
        let invalid = || Error::new(ErrorKind::InvalidInput, "the URL of the webhook cannot be read");
        let (https, rest) = match url.split_once("://") {
            Some(("https", rest)) => (true, rest),
            Some((_, rest)) => (false, rest),
            None => return Err(invalid()),
        };
        let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let (name, port) = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((name, port)) => (name, port.strip_prefix(':')),
            None => match authority.split_once(':') {
                Some((name, port)) => (name, Some(port)),
                None => (authority, None),
            },
        };
        let port = match port.filter(|port| !port.is_empty()) {
            Some(digits) => digits.parse().ok().filter(|port| *port > 0).ok_or_else(invalid)?,
            None => default_port(https),
        };
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        let site = Site {
            name: name.to_owned(),
            port,
            trust: https.then(|| self.trust.clone()),
            named_by: NamedBy::Answer,
            exposes_credential: false,
        };
        Ok((site, PathAndQuery::try_from(path).map_err(|_| invalid())?))
    }
}

#[async_trait]
impl Notifier for WebhookNotifier {
    fn channel(&self) -> Channel {
        Channel::Webhook
    }

    async fn deliver(&self, delivery: &Delivery) -> Delivered {
        self.attempt(delivery).await.unwrap_or_else(|error| {
            let reason = error.to_string();
            match error.kind() {
                // The same would come out of it every time.
                ErrorKind::InvalidInput | ErrorKind::Template => Delivered::Never { reason },
                _ => Delivered::Later { reason, after: None },
            }
        })
    }
}

fn request(
    site: &Site,
    path: PathAndQuery,
    body: String,
    signed: [(&'static str, String); 3],
) -> Result<Request<Full<Bytes>>> {
    let value = |text: &str| {
        HeaderValue::from_str(text)
            .map_err(|_| Error::new(ErrorKind::InvalidInput, "a header of the webhook cannot be written"))
    };
    let mut request = Request::new(Full::new(Bytes::from(body)));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = Uri::from(path);
    let headers = request.headers_mut();
    headers.insert(header::HOST, value(&site.authority())?);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(
        header::USER_AGENT,
        HeaderValue::from_static(concat!("opsconductor/", env!("CARGO_PKG_VERSION"))),
    );
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    for (name, text) in signed {
        headers.insert(name, value(&text)?);
    }
    Ok(request)
}

/// What an answer means. Its body is not read, however long it is.
fn judge(answer: &Response<Incoming>) -> Delivered {
    let status = answer.status();
    let reason = format!("the receiver answered {status}");
    match status {
        status if status.is_success() => Delivered::Sent,
        StatusCode::GONE => Delivered::Never { reason: format!("{reason}: it wants no more of these") },
        status if status.is_redirection() => {
            let reason = format!("{reason}: redirects are not followed; write the address that it leads to");
            Delivered::Later { reason, after: None }
        }
        _ => Delivered::Later { reason, after: retry_after(answer.headers()) },
    }
}

/// The seconds that a receiver asks to wait. A date is not looked at: the usual wait will do.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?;
    text.trim().parse().ok().map(Duration::from_secs)
}

fn later(reason: String) -> Delivered {
    Delivered::Later { reason, after: None }
}

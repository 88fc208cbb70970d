//! What is sent back over HTTP.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use hyper::{
    Response, StatusCode,
    body::{Body, Frame, SizeHint},
    header::{CONNECTION, CONTENT_TYPE, HeaderValue, SERVER, WWW_AUTHENTICATE},
};
use tokio::time::Sleep;

use crate::link::Network;

/// More than the head of an answer takes.
const HEAD_BYTES_MAX: usize = 1024;

/// The connection ends here, without an answer.
#[derive(Debug, thiserror::Error)]
#[error("the connection was dropped as planned")]
pub(crate) struct Dropped;

/// An answer: its status, its headers, its body.
pub(crate) struct Reply {
    status: StatusCode,
    content_type: &'static str,
    authenticate: Vec<String>,
    close: bool,
    body: Bytes,
    /// How long half of the body takes to get to the client before the connection breaks; without that it arrives whole.
    cut: Option<Pin<Box<Sleep>>>,
    state: Sending,
}

/// How far the body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sending {
    Start,
    /// Half of a body that is to be cut off is out and must first be flushed.
    Half,
    Break,
    End,
}

impl Reply {
    /// An answer without a body.
    pub(crate) fn status(status: StatusCode) -> Self {
        Self::envelope(status, "", Bytes::new())
    }

    /// An answer with an envelope.
    pub(crate) fn envelope(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Self {
        let body = body.into();
        let state = if body.is_empty() { Sending::End } else { Sending::Start };
        Self { status, content_type, authenticate: Vec::new(), close: false, body, cut: None, state }
    }

    /// With the token of a handshake.
    pub(crate) fn authenticating(mut self, token: Option<String>) -> Self {
        self.authenticate.extend(token.map(|token| format!("Negotiate {token}")));
        self
    }

    /// With this token of a handshake and no other.
    pub(crate) fn authenticating_only(mut self, token: String) -> Self {
        self.authenticate.clear();
        self.authenticating(Some(token))
    }

    /// With the mechanisms a client may use.
    pub(crate) fn offering(mut self, basic: bool) -> Self {
        self.authenticate.push("Negotiate".to_owned());
        if basic {
            self.authenticate.push("Basic realm=\"WSMAN\"".to_owned());
        }
        self
    }

    /// The connection is closed after it.
    pub(crate) fn closing(mut self) -> Self {
        self.close = true;
        self
    }

    /// The connection breaks in the middle of the body, when the first half has gone through the network. An answer without
    /// a body announces one.
    pub(crate) fn cut(mut self, network: Network) -> Self {
        if self.body.is_empty() {
            self.body = Bytes::from_static(&[b' '; 64]);
            self.state = Sending::Start;
        }
        let takes = network.latency / 2 + network.carries(self.body.len() / 2 + HEAD_BYTES_MAX);
        self.cut = Some(Box::pin(tokio::time::sleep(takes)));
        self
    }

    /// The answer as hyper sends it: the reply itself is the body.
    pub(crate) fn into_response(mut self) -> Response<Self> {
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(SERVER, HeaderValue::from_static("Microsoft-HTTPAPI/2.0"));
        if !self.content_type.is_empty() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        }
        for offer in self.authenticate.drain(..) {
            if let Ok(offer) = HeaderValue::try_from(offer) {
                headers.append(WWW_AUTHENTICATE, offer);
            }
        }
        if self.close {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response.map(|_| self)
    }
}

impl Body for Reply {
    type Data = Bytes;
    type Error = Dropped;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Dropped>>> {
        let body = self.body.clone();
        match self.state {
            Sending::Start if self.cut.is_some() => {
                self.state = Sending::Half;
                Poll::Ready(Some(Ok(Frame::data(body.slice(..body.len() / 2)))))
            }
            Sending::Start => {
                self.state = Sending::End;
                Poll::Ready(Some(Ok(Frame::data(body))))
            }
            Sending::Half => {
                if let Some(arrival) = &mut self.cut {
                    ready!(arrival.as_mut().poll(context));
                }
                self.state = Sending::Break;
                context.waker().wake_by_ref();
                Poll::Pending
            }
            Sending::Break => {
                self.state = Sending::End;
                Poll::Ready(Some(Err(Dropped)))
            }
            Sending::End => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.state == Sending::End
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.body.len() as u64)
    }
}

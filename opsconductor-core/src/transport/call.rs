//! One HTTP request and its answer, as they pass the seam.

use std::fmt;

use bytes::Bytes;

/// One HTTP request.
#[derive(Clone)]
pub struct HttpCall {
    /// The method, such as `GET`.
    pub method: String,
    /// Path and query, percent-encoded: empty, or beginning with `/` or `?`. The target's base path comes before it.
    pub path: String,
    /// Headers beside those that the transport sets itself. A credential is none of them.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Option<Bytes>,
    /// How many redirects are followed.
    pub redirects_max: u32,
    /// Whether sending it twice does no harm, so that a failure on the way leaves nothing in doubt.
    pub repeatable: bool,
    /// How many bytes of the answer's text are read; the rest is not.
    pub body_bytes_max: u64,
    /// How many bytes of the answer's text are also handed back; 0 for none.
    pub keep_bytes_max: usize,
}

impl HttpCall {
    /// Headers that the transport sets itself or that belong to the connection: no call has them.
    pub const RESERVED_HEADERS: [&str; 14] = [
        "accept-encoding",
        "connection",
        "content-length",
        "expect",
        "host",
        "http2-settings",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    ];

    /// A request without headers and body that follows no redirect and hands no text back.
    pub fn new(method: impl Into<String>, path: impl Into<String>) -> Self {
        Self {
            method: method.into(),
            path: path.into(),
            headers: Vec::new(),
            body: None,
            redirects_max: 0,
            repeatable: false,
            body_bytes_max: 16 * 1024 * 1024,
            keep_bytes_max: 0,
        }
    }
}

impl fmt::Debug for HttpCall {
    /// Without what a template put in: the path, the values of headers and the body.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpCall")
            .field("method", &self.method)
            .field("headers", &self.headers.iter().map(|(name, _)| name).collect::<Vec<_>>())
            .field("body_len", &self.body.as_ref().map(Bytes::len))
            .field("redirects_max", &self.redirects_max)
            .field("repeatable", &self.repeatable)
            .finish_non_exhaustive()
    }
}

/// What a host answered.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct HttpAnswer {
    /// The status code.
    pub status: u16,
    /// The headers, their names in lower case, in the order in which they came.
    pub headers: Vec<(String, String)>,
    /// The text of the body, when it was asked for and is no longer than was asked for.
    pub text: Option<String>,
    /// How many bytes of text the body has, as far as it was read.
    pub text_bytes: u64,
    /// Whether the body is longer than was to be read.
    pub is_cut: bool,
    /// How many redirects were followed.
    pub redirects: u32,
}

impl HttpAnswer {
    /// An answer without headers and body.
    pub fn new(status: u16) -> Self {
        Self { status, ..Self::default() }
    }

    /// The values of the header called `name`, in any case of letters.
    pub fn header<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let same = move |(each, _): &&(String, String)| each.eq_ignore_ascii_case(name);
        self.headers.iter().filter(same).map(|(_, value)| value.as_str())
    }
}

impl fmt::Debug for HttpAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpAnswer")
            .field("status", &self.status)
            .field("headers", &self.headers.iter().map(|(name, _)| name).collect::<Vec<_>>())
            .field("text_bytes", &self.text_bytes)
            .field("is_cut", &self.is_cut)
            .field("redirects", &self.redirects)
            .finish_non_exhaustive()
    }
}

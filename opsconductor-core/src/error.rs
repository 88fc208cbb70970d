//! The one error type of the library.
//!
//! Callers match on [`Error::kind`], never on text. Messages and context hold names, ids and hosts; what came
//! out of the vault never goes in.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

type BoxError = Box<dyn std::error::Error + Send + Sync + 'static>;

/// What went wrong, in terms a caller can act on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The thing does not exist, or belongs to another tenant. Not retried.
    NotFound,
    /// A name is taken, a thing is in use, or a repeat differs from the first. Not retried.
    Conflict,
    /// An argument is not acceptable. Not retried.
    InvalidInput,
    /// A job definition does not hold; [`Error::problems`] lists every fault. Not retried.
    InvalidJob,
    /// Run parameters are missing or wrong; [`Error::problems`] lists every fault. Not retried.
    InvalidParameters,
    /// A cron expression or a time zone does not hold, or the schedule never comes. Not retried.
    Schedule,
    /// A template does not parse, or a value may not go where it stands. Not retried.
    Template,
    /// A key is missing or wrong, a sealed record does not open, or a credential has expired that may then not be used. Not
    /// retried.
    Vault,
    /// The actor's role does not allow the action. Not retried.
    Forbidden,
    /// Who calls is not known: a login or a token is refused. It is not said why. Not retried.
    Unauthenticated,
    /// Too much is asked at once. [`Error::retry_after`] says when to try again. Retried.
    Busy,
    /// The caller tries too often. [`Error::retry_after`] says when to try again. Retried.
    Throttled,
    /// A remote host refused the credential. Never retried: a second try can lock the account.
    Auth,
    /// A remote host was not reached or did not answer as it should; [`Error::layer`] says where. Retried when
    /// [`Error::is_retryable`] says so.
    Transport,
    /// The store refused an operation for good: not our file, a newer schema, a broken row. Not retried.
    Store,
    /// The store is away, locked or busy. Retried.
    StoreUnavailable,
    /// A lease was lost: someone else holds the task now. Not retried, and nothing was written.
    LeaseLost,
    /// A limit in time was reached. Not retried.
    Timeout,
    /// The work was canceled. Not retried.
    Canceled,
    /// The library is used in a way it does not support, as without a connector for a protocol. Not retried.
    Unsupported,
    /// A fault in this library. Please report it.
    Internal,
}

/// The layer of a remote conversation that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Layer {
    /// The host name did not resolve.
    Name,
    /// No connection: refused, unreachable or timed out.
    Connect,
    /// The TLS handshake failed or the certificate was refused.
    Tls,
    /// The host's key is not known, is another one than it was, or was revoked.
    HostKey,
    /// The credential was refused.
    Authentication,
    /// The protocol itself: for WinRM a WS-Management fault or a malformed answer.
    Protocol,
    /// The remote shell could not be opened or broke.
    Shell,
    /// The remote script reported the failure.
    Script,
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Name => "name",
            Self::Connect => "connect",
            Self::Tls => "TLS",
            Self::HostKey => "host key",
            Self::Authentication => "authentication",
            Self::Protocol => "protocol",
            Self::Shell => "shell",
            Self::Script => "script",
        })
    }
}

/// One fault in a document, with the place (an RFC 6901 JSON pointer) and a plain sentence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// RFC 6901 pointer to the member at fault; empty for the whole document.
    pub pointer: String,
    /// What is wrong and how to mend it.
    pub message: String,
}

impl Problem {
    /// A problem at `pointer`.
    pub fn new(pointer: impl Into<String>, message: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), message: message.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.pointer.is_empty() {
            f.write_str(&self.message)
        } else {
            write!(f, "{}: {}", self.pointer, self.message)
        }
    }
}

/// The result of nearly every call in this library.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error: a [kind](ErrorKind), a sentence, where it happened, and what caused it.
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    message: String,
    context: Vec<(&'static str, String)>,
    problems: Vec<Problem>,
    layer: Option<Layer>,
    code: Option<u32>,
    retryable: bool,
    retry_after: Option<Duration>,
    outcome_unknown: bool,
    source: Option<BoxError>,
}

impl Error {
    /// An error of `kind`. The message is lower case, without a full stop, and holds no secret.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            message: message.into(),
            context: Vec::new(),
            problems: Vec::new(),
            layer: None,
            code: None,
            retryable: matches!(kind, ErrorKind::StoreUnavailable | ErrorKind::Busy | ErrorKind::Throttled),
            retry_after: None,
            outcome_unknown: false,
            source: None,
        }))
    }

    /// A failure of a remote conversation at `layer`. An authentication failure gets [`ErrorKind::Auth`] and is
    /// never retryable; name and connect failures are retryable, for nothing was sent.
    pub fn transport(layer: Layer, message: impl Into<String>) -> Self {
        let kind = match layer {
            Layer::Authentication => ErrorKind::Auth,
            _ => ErrorKind::Transport,
        };
        let mut error = Self::new(kind, message);
        error.0.layer = Some(layer);
        error.0.retryable = matches!(layer, Layer::Name | Layer::Connect);
        error
    }

    /// A document with `problems`. With a single problem the message is that problem.
    pub fn with_problems(kind: ErrorKind, what: &str, problems: Vec<Problem>) -> Self {
        let message = match problems.as_slice() {
            [one] => format!("{what}: {one}"),
            many => format!("{what}: {} problems, the first is {}", many.len(), many[0]),
        };
        let mut error = Self::new(kind, message);
        error.0.problems = problems;
        error
    }

    /// Adds what the error is about: a name, an id, a host. Never a secret.
    #[must_use]
    pub fn with(mut self, key: &'static str, value: impl fmt::Display) -> Self {
        self.0.context.push((key, value.to_string()));
        self
    }

    /// Adds the numeric code that the remote side gave, such as a `WSManFault` code.
    #[must_use]
    pub fn with_code(mut self, code: u32) -> Self {
        self.0.code = Some(code);
        self
    }

    /// Adds the cause.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<BoxError>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Overrides whether a retry can help.
    #[must_use]
    pub fn with_retryable(mut self, retryable: bool) -> Self {
        self.0.retryable = retryable;
        self
    }

    /// Says how long to wait before the same call is made again.
    #[must_use]
    pub fn with_retry_after(mut self, wait: Duration) -> Self {
        self.0.retry_after = Some(wait);
        self
    }

    /// Says that the remote side may have acted: what was sent must not be sent again unasked.
    #[must_use]
    pub fn with_outcome_unknown(mut self) -> Self {
        self.0.outcome_unknown = true;
        self
    }

    /// What went wrong.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Whether the same call may succeed later. An error whose outcome is unknown is never retryable.
    pub fn is_retryable(&self) -> bool {
        self.0.retryable && !self.0.outcome_unknown
    }

    /// How long to wait before the same call is made again, where that is known.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// Whether the remote side may have acted before the failure.
    pub fn is_outcome_unknown(&self) -> bool {
        self.0.outcome_unknown
    }

    /// Every fault of a document, in document order.
    pub fn problems(&self) -> &[Problem] {
        &self.0.problems
    }

    /// The layer of the remote conversation that failed.
    pub fn layer(&self) -> Option<Layer> {
        self.0.layer
    }

    /// The numeric code that the remote side gave.
    pub fn code(&self) -> Option<u32> {
        self.0.code
    }

    /// The error and its causes in one line, for a log or a terminal.
    pub fn report(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            let next = error.to_string();
            if !text.contains(&next) {
                text.push_str(": ");
                text.push_str(&next);
            }
            cause = error.source();
        }
        text
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        if !self.0.context.is_empty() {
            f.write_str(" (")?;
            for (index, (key, value)) in self.0.context.iter().enumerate() {
                if index > 0 {
                    f.write_str(", ")?;
                }
                write!(f, "{key} {value}")?;
            }
            f.write_str(")")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Error");
        out.field("kind", &self.0.kind).field("message", &self.to_string());
        if let Some(layer) = self.0.layer {
            out.field("layer", &layer);
        }
        if let Some(code) = self.0.code {
            out.field("code", &code);
        }
        if !self.0.problems.is_empty() {
            out.field("problems", &self.0.problems);
        }
        if let Some(source) = &self.0.source {
            // The source's Display, not its Debug: a foreign Debug may print what it holds.
            out.field("source", &source.to_string());
        }
        out.finish()
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_ref().map(|source| source.as_ref() as _)
    }
}

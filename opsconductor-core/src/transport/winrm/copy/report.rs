//! What the copy scripts report.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::super::host::Host;
use crate::{Error, ErrorKind, error::Layer};

/// One report.
#[derive(Debug, PartialEq, Eq)]
pub(in super::super) enum Report {
    /// The destination has the content already.
    Same,
    /// There is another content, which must not be replaced; where, for one of many files.
    Exists(Option<String>),
    /// So much of the content is there from before, with this hash.
    Part { length: u64, sha256: Option<String> },
    /// Which of many files are wanted.
    Need(Vec<bool>),
    /// Everything is in its place.
    Done,
    /// The length of a file that is about to come.
    Length(u64),
    /// The file is larger than was allowed.
    Large(u64),
    /// There is no such file.
    Missing,
    /// The file has come; its length and hash afterwards.
    End { length: u64, sha256: String },
    /// It did not work.
    Failed(Failed),
}

/// Why something on the host did not work.
#[derive(Debug, PartialEq, Eq)]
pub(in super::super) struct Failed {
    hresult: i32,
    exception: String,
    message: String,
    /// The file that it was about.
    pub(in super::super) path: String,
}

impl Report {
    /// Reads a line. `None` is a line that none of our scripts writes.
    pub(in super::super) fn read(line: &str) -> Option<Self> {
        let mut words = line.trim().split(' ');
        let report = match words.next()? {
            "same" => Self::Same,
            "exists" => Self::Exists(words.next().and_then(word)),
            "part" => {
                let length = words.next()?.parse().ok()?;
                Self::Part { length, sha256: words.next().filter(|hash| hash.len() == 64).map(str::to_owned) }
            }
            "need" => {
                Self::Need(words.next().unwrap_or_default().bytes().map(|state| state == b'+').collect())
            }
            "done" => Self::Done,
            "length" => Self::Length(words.next()?.parse().ok()?),
            "large" => Self::Large(words.next()?.parse().ok()?),
            "missing" => Self::Missing,
            "end" => Self::End { length: words.next()?.parse().ok()?, sha256: words.next()?.to_owned() },
            "fail" => Self::Failed(Failed {
                hresult: words.next()?.parse().ok()?,
                exception: words.next()?.to_owned(),
                message: words.next().and_then(word)?,
                path: words.next().and_then(word).unwrap_or_default(),
            }),
            _ => return None,
        };
        Some(report)
    }
}

/// The error for a report that does not belong where it came.
pub(in super::super) fn unexpected(host: &Host, line: &str) -> Error {
    let line: String = line.chars().take(100).collect();
    host.about(Error::transport(Layer::Script, format!("the script on the host reported nonsense: {line:?}")))
}

/// The error for a file that must not be replaced.
pub(super) fn exists(host: &Host) -> Error {
    let message = "the file exists with another content and overwrite is false; nothing was touched";
    host.about(Error::new(ErrorKind::Conflict, message))
}

impl Failed {
    /// The error for the caller; `what` says what did not happen.
    pub(in super::super) fn into_error(self, host: &Host, what: &str) -> Error {
        // The low half of an HRESULT of facility 7 is a Windows error number.
        let bits = self.hresult.cast_unsigned();
        let number = (bits >> 16 == 0x8007).then_some(bits & 0xffff);
        let plain = match (self.exception.as_str(), number) {
            (_, Some(112 | 39)) => Some("the disk of the host is full"),
            (_, Some(32 | 33)) => Some("another program has the file open"),
            ("System.UnauthorizedAccessException", _) => Some("the account may not write or read there"),
            ("System.IO.PathTooLongException", _) => Some("the path is too long for the host"),
            ("System.NotSupportedException" | "System.ArgumentException", _) => {
                Some("Windows allows no such name")
            }
            _ => None,
        };
        let said = self.message.split_whitespace().collect::<Vec<_>>().join(" ");
        let said = said.trim_end_matches('.');
        let message = match plain {
            Some(plain) => format!("{what}: {plain} ({said})"),
            None => format!("{what}: {said}"),
        };
        let mut error = host.about(Error::transport(Layer::Script, message));
        if let Some(number) = number {
            error = error.with_code(number);
        }
        error
    }
}

fn word(word: &str) -> Option<String> {
    String::from_utf8(STANDARD.decode(word).ok()?).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::Report;

    #[test]
    fn reports_are_read_and_nonsense_is_not() {
        assert_eq!(Report::read("done\r"), Some(Report::Done));
        assert_eq!(Report::read("part 0 -"), Some(Report::Part { length: 0, sha256: None }));
        assert_eq!(Report::read("need +=+"), Some(Report::Need(vec![true, false, true])));
        assert_eq!(Report::read("exists w6k="), Some(Report::Exists(Some("\u{e9}".to_owned()))));
        for nonsense in ["", "don", "part", "part x", "end 5", "fail 1 a", "fail x a b c"] {
            assert_eq!(Report::read(nonsense), None, "{nonsense:?}");
        }
    }
}

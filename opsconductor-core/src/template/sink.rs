//! Where a rendered text goes, and what a value must look like to go there.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};

/// The language that reads what a template renders. It is known when a job is saved, so quoting is decided by where
/// a placeholder stands and never by what was put there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Sink {
    /// Windows PowerShell and PowerShell 7.
    PowerShell,
    /// `cmd.exe`, which has no quoting that holds: what would need it is refused.
    Cmd,
    /// A POSIX shell.
    Sh,
    /// A JSON document.
    Json,
    /// A URL.
    Url,
    /// Text that nothing interprets, such as the contents of a file.
    Text,
}

impl Sink {
    /// Every sink.
    pub const ALL: [Self; 6] = [Self::PowerShell, Self::Cmd, Self::Sh, Self::Json, Self::Url, Self::Text];

    /// The name in job definitions: `powershell`, `cmd`, `sh`, `json`, `url` or `text`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PowerShell => "powershell",
            Self::Cmd => "cmd",
            Self::Sh => "sh",
            Self::Json => "json",
            Self::Url => "url",
            Self::Text => "text",
        }
    }

    /// The characters that are harmless here beside `A–Z a–z 0–9 _ . -`.
    fn extra(self) -> &'static [u8] {
        match self {
            Self::PowerShell => b"\\/:",
            Self::Cmd => b"\\/:",
            Self::Sh => b"/:@%+",
            Self::Json => b" /:@%+,=;!?#*()",
            Self::Url => b"~",
            Self::Text => b"",
        }
    }

    /// What may not stand first, because programs read it as the start of an option, a file of values or a job.
    fn option_marks(self) -> &'static [u8] {
        match self {
            Self::PowerShell | Self::Cmd => b"-/",
            Self::Sh => b"-+@%",
            Self::Json | Self::Url => b"-",
            Self::Text => b"",
        }
    }
}

impl fmt::Display for Sink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Sink {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|sink| sink.as_str() == text).ok_or_else(|| {
            Error::new(
                ErrorKind::InvalidInput,
                "a sink is one of \"powershell\", \"cmd\", \"sh\", \"json\", \"url\" and \"text\"",
            )
        })
    }
}

/// Whether `value` may stand unquoted in `sink` as one word: not empty, harmless characters only, and nothing first
/// that a program takes for an option. In [`Sink::Text`] everything is plain.
pub fn is_plain(value: &str, sink: Sink) -> bool {
    sink == Sink::Text || (!value.is_empty() && is_harmless(value, sink))
}

/// As [`is_plain`], for a value inside a quoted literal: there nothing is a value too, but a backslash at the end
/// would escape the closing quote for the Windows program that gets the literal.
pub(super) fn is_plain_inside(value: &str, sink: Sink) -> bool {
    let escapes = matches!(sink, Sink::PowerShell | Sink::Cmd) && value.ends_with('\\');
    sink == Sink::Text || (is_harmless(value, sink) && !escapes)
}

fn is_harmless(value: &str, sink: Sink) -> bool {
    let bytes = value.as_bytes();
    if bytes.first().is_some_and(|first| sink.option_marks().contains(first)) {
        return false;
    }
    if sink == Sink::Url && is_dots(value) {
        return false;
    }
    let extra = sink.extra();
    bytes.iter().all(|byte| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-') || extra.contains(byte)
    })
}

/// `.` and `..` climb in a URL's path, whether or not they are percent-encoded.
fn is_dots(value: &str) -> bool {
    !value.is_empty() && value.bytes().all(|byte| byte == b'.')
}

/// Quotes one value for `sink`, so that the sink's reader gets exactly that value back: one PowerShell or shell
/// literal, a JSON string with its quotation marks, a percent-encoded URL component. `text` is passed on as it is.
/// In `cmd` a plain value is passed on, another is put in double quotes if that is safe.
///
/// # Errors
/// [`ErrorKind::Template`] when the sink has no way to write the value: a NUL, a metacharacter of `cmd.exe`, a dot
/// segment of a URL. The message never holds the value.
pub fn quote(value: &str, sink: Sink) -> Result<String> {
    let mut out = String::with_capacity(value.len() + 2);
    quote_into(value, sink, &mut out)
        .map_err(|why| Error::new(ErrorKind::Template, format!("a value {why}")))?;
    Ok(out)
}

/// Appends the quoted value. The error completes the sentence "`svc` …".
pub(super) fn quote_into(value: &str, sink: Sink, out: &mut String) -> Result<(), &'static str> {
    match sink {
        Sink::PowerShell => quote_powershell(value, out),
        Sink::Cmd => quote_cmd(value, out),
        Sink::Sh => quote_sh(value, out),
        Sink::Json => {
            out.push_str(&serde_json::Value::from(value).to_string());
            Ok(())
        }
        Sink::Url => quote_url(value, out),
        Sink::Text => {
            out.push_str(value);
            Ok(())
        }
    }
}

/// PowerShell ends a single-quoted literal at any of these, and reads two of them in a row as one that is meant.
pub(super) fn is_powershell_single_quote(c: char) -> bool {
    matches!(c, '\'' | '\u{2018}'..='\u{201B}')
}

/// PowerShell's double quotes.
pub(super) fn is_powershell_double_quote(c: char) -> bool {
    matches!(c, '"' | '\u{201C}'..='\u{201E}')
}

fn quote_powershell(value: &str, out: &mut String) -> Result<(), &'static str> {
    out.push('\'');
    for c in value.chars() {
        if c == '\0' {
            return Err("holds a NUL character, which PowerShell cannot take: remove it");
        }
        out.push(c);
        if is_powershell_single_quote(c) {
            out.push(c);
        }
    }
    out.push('\'');
    Ok(())
}

fn quote_sh(value: &str, out: &mut String) -> Result<(), &'static str> {
    out.push('\'');
    for c in value.chars() {
        match c {
            '\0' => return Err("holds a NUL character, which a shell cannot take: remove it"),
            '\'' => out.push_str("'\\''"),
            c => out.push(c),
        }
    }
    out.push('\'');
    Ok(())
}

fn quote_cmd(value: &str, out: &mut String) -> Result<(), &'static str> {
    if is_plain(value, Sink::Cmd) {
        out.push_str(value);
        return Ok(());
    }
    for c in value.chars() {
        // Beyond ASCII only letters and digits pass, and no full-width forms: Windows maps look-alikes of the
        // quotation mark and of the backslash to the real ones when a program asks for its arguments in ANSI.
        let allowed = match c {
            '&' | '|' | '<' | '>' | '^' | '%' | '!' | '"' | '(' | ')' => false,
            ' '..='~' => true,
            '\u{FF00}'..='\u{FFEF}' => false,
            c => c > '\u{9F}' && c.is_alphanumeric(),
        };
        if !allowed {
            return Err(
                "holds a character that cmd.exe would interpret even inside quotes: change the value or \
                        use a PowerShell step",
            );
        }
    }
    if value.ends_with('\\') {
        return Err("ends in a backslash, which would escape the closing quote: remove it");
    }
    out.push('"');
    out.push_str(value);
    out.push('"');
    Ok(())
}

fn quote_url(value: &str, out: &mut String) -> Result<(), &'static str> {
    if is_dots(value) {
        return Err("consists of dots, which climb in a URL's path even when encoded: change the value");
    }
    percent_encode(value, b"-_.~", out);
    Ok(())
}

/// Percent-encodes every byte but ASCII letters, digits and `keep`.
pub(crate) fn percent_encode(value: &str, keep: &[u8], out: &mut String) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || keep.contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push(char::from(HEX[usize::from(byte >> 4)]));
            out.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
}

//! What stands inside `s:Body`, by operation.

use std::{borrow::Cow, collections::BTreeMap, fmt::Write as _, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::BytesMut;

use super::escape::escape;
use crate::{Error, ErrorKind, Result};

/// How a command is stopped or let go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum SignalCode {
    /// As if someone pressed Ctrl+C.
    CtrlC,
    /// Ends the command and frees what the host keeps of it; also the last word after a command that ended.
    Terminate,
}

/// The body that opens a text shell of that name. Whoever names a shell can delete it when the answer is lost; a host
/// that takes no names answers with the one it found itself.
pub(in super::super) fn create(
    shell_id: &str,
    environment: &BTreeMap<String, String>,
    working_directory: Option<&str>,
    idle_timeout: Duration,
) -> Result<String> {
    let mut out = format!("<rsp:Shell ShellId=\"{shell_id}\">");
    if !environment.is_empty() {
        out.push_str("<rsp:Environment>");
        for (name, value) in environment {
            // The value may be secret, so the message names the variable alone.
            let value =
                xml(value, "the value of an environment variable").map_err(|e| e.with("variable", name))?;
            let name = xml(name, "the name of an environment variable")?;
            let _ = write!(out, "<rsp:Variable Name=\"{name}\">{value}</rsp:Variable>");
        }
        out.push_str("</rsp:Environment>");
    }
    if let Some(directory) = working_directory {
        let directory = xml(directory, "the working directory")?;
        let _ = write!(out, "<rsp:WorkingDirectory>{directory}</rsp:WorkingDirectory>");
    }
    let _ = write!(out, "<rsp:IdleTimeOut>PT{}.000S</rsp:IdleTimeOut>", idle_timeout.as_secs());
    out.push_str("<rsp:InputStreams>stdin</rsp:InputStreams><rsp:OutputStreams>stdout stderr</rsp:OutputStreams></rsp:Shell>");
    Ok(out)
}

/// The body that starts a command.
pub(in super::super) fn command(program: &str, arguments: &[String]) -> Result<String> {
    let mut out = format!("<rsp:CommandLine><rsp:Command>{}</rsp:Command>", xml(program, "the command")?);
    for argument in arguments {
        let _ = write!(out, "<rsp:Arguments>{}</rsp:Arguments>", xml(argument, "the command")?);
    }
    out.push_str("</rsp:CommandLine>");
    Ok(out)
}

/// What stands inside `s:Body`. Ids are escaped already.
#[derive(Debug)]
pub(in super::super) enum Body<'a> {
    Empty,
    /// What [`create`] or [`command`] made.
    Made(String),
    /// Feeds standard input, and says whether that is all of it.
    Send {
        command_id: &'a str,
        bytes: &'a [u8],
        end: bool,
    },
    /// Feeds standard input with what is in base64 already.
    SendEncoded {
        command_id: &'a str,
        encoded: &'a str,
    },
    /// Asks for output.
    Receive {
        command_id: &'a str,
    },
    /// Signals a command.
    Signal {
        command_id: &'a str,
        code: SignalCode,
    },
}

impl Body<'_> {
    /// About how long it is; no shorter when it is long.
    pub(super) fn len_hint(&self) -> usize {
        const AROUND: usize = 256;
        AROUND
            + match self {
                Self::Made(text) => text.len(),
                Self::Send { bytes, .. } => base64_len(bytes),
                Self::SendEncoded { encoded, .. } => encoded.len(),
                Self::Empty | Self::Receive { .. } | Self::Signal { .. } => 0,
            }
    }

    pub(super) fn write(&self, out: &mut BytesMut) {
        match self {
            Self::Empty => {}
            Self::Made(text) => put(out, &[text]),
            Self::Send { command_id, bytes, end } => {
                let end = if *end { "\" End=\"true\">" } else { "\">" };
                put(out, &["<rsp:Send><rsp:Stream Name=\"stdin\" CommandId=\"", command_id, end]);
                let at = out.len();
                out.resize(at + base64_len(bytes), 0);
                // There is exactly as much room as it needs.
                let _ = STANDARD.encode_slice(bytes, &mut out[at..]);
                put(out, &["</rsp:Stream></rsp:Send>"]);
            }
            Self::SendEncoded { command_id, encoded } => put(
                out,
                &[
                    "<rsp:Send><rsp:Stream Name=\"stdin\" CommandId=\"",
                    command_id,
                    "\">",
                    encoded,
                    "</rsp:Stream></rsp:Send>",
                ],
            ),
            Self::Receive { command_id } => put(
                out,
                &[
                    "<rsp:Receive><rsp:DesiredStream CommandId=\"",
                    command_id,
                    "\">stdout stderr</rsp:DesiredStream></rsp:Receive>",
                ],
            ),
            Self::Signal { command_id, code } => {
                let code = match code {
                    SignalCode::CtrlC => "ctrl_c",
                    SignalCode::Terminate => "terminate",
                };
                let pieces = [
                    "<rsp:Signal CommandId=\"",
                    command_id,
                    "\"><rsp:Code>",
                    super::uri::SHELL,
                    "/signal/",
                    code,
                    "</rsp:Code></rsp:Signal>",
                ];
                put(out, &pieces);
            }
        }
    }
}

/// Appends text piece by piece.
pub(super) fn put(out: &mut BytesMut, pieces: &[&str]) {
    pieces.iter().for_each(|piece| out.extend_from_slice(piece.as_bytes()));
}

fn base64_len(bytes: &[u8]) -> usize {
    bytes.len().div_ceil(3) * 4
}

fn xml<'a>(text: &'a str, what: &str) -> Result<Cow<'a, str>> {
    escape(text).ok_or_else(|| {
        Error::new(
            ErrorKind::InvalidInput,
            format!("{what} holds a control character, which WinRM cannot carry: remove it"),
        )
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use std::{collections::BTreeMap, time::Duration};

    use bytes::BytesMut;

    use super::{super::tree, Body, SignalCode, command, create};
    use crate::ErrorKind;

    fn parsed(body: &str) -> tree::Element<'_> {
        tree::parse(body).unwrap()
    }

    fn written(body: &Body<'_>) -> String {
        let mut out = BytesMut::new();
        body.write(&mut out);
        assert!(out.len() <= body.len_hint());
        String::from_utf8(out.to_vec()).unwrap()
    }

    #[test]
    fn a_shell_carries_its_environment_and_directory() {
        let environment = BTreeMap::from([("A&B".to_owned(), "x <y>\n".to_owned())]);
        let body = create("A-1", &environment, Some("C:\\t & u"), Duration::from_secs(900)).unwrap();
        let root = parsed(&body);
        let variable = root.find("Variable").unwrap();
        assert_eq!(
            (variable.attribute("Name").unwrap().as_deref(), &*variable.text),
            (Some("A&B"), "x <y>\n")
        );
        assert_eq!(root.child("WorkingDirectory").unwrap().text, "C:\\t & u");
        assert_eq!(root.child("IdleTimeOut").unwrap().text, "PT900.000S");
    }

    #[test]
    fn a_command_is_escaped_and_a_control_character_refused() {
        let body = command("echo \"a\" && dir <nul", &["é".to_owned()]).unwrap();
        let root = parsed(&body);
        assert_eq!(root.child("Command").unwrap().text, "echo \"a\" && dir <nul");
        assert_eq!(root.child("Arguments").unwrap().text, "é");
        assert_eq!(command("a\0", &[]).unwrap_err().kind(), ErrorKind::InvalidInput);
    }

    #[test]
    fn a_secret_value_stays_out_of_the_error() {
        let environment = BTreeMap::from([("TOKEN".to_owned(), "hunter2\u{1}".to_owned())]);
        let error = create("A-1", &environment, None, Duration::from_secs(60)).unwrap_err();
        assert!(error.to_string().contains("TOKEN"));
        assert!(!format!("{error:?}").contains("hunter2"));
    }

    #[test]
    fn input_ends_only_when_told() {
        let send = |bytes, end| written(&Body::Send { command_id: "C-1", bytes, end });
        let part = send(b"abcd", false);
        let stream = parsed(&part);
        let stream = stream.child("Stream").unwrap();
        assert_eq!((&*stream.text, stream.attribute("End").unwrap()), ("YWJjZA==", None));
        assert_eq!(stream.attribute("CommandId").unwrap().as_deref(), Some("C-1"));
        assert_eq!(written(&Body::SendEncoded { command_id: "C-1", encoded: "YWJjZA==" }), part);
        let last = send(b"", true);
        let last = parsed(&last);
        assert_eq!(last.child("Stream").unwrap().attribute("End").unwrap().as_deref(), Some("true"));
    }

    #[test]
    fn signals_name_their_code() {
        let body = written(&Body::Signal { command_id: "C-1", code: SignalCode::CtrlC });
        let root = parsed(&body);
        assert_eq!(
            root.child("Code").unwrap().text,
            "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/signal/ctrl_c"
        );
    }
}

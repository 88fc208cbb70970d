//! What stands inside `s:Body`, by operation.

use std::{collections::BTreeMap, fmt::Write as _, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};

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

/// The body that feeds standard input.
pub(in super::super) fn send(command_id: &str, bytes: &[u8], end: bool) -> String {
    let end = if end { " End=\"true\"" } else { "" };
    let mut out = String::with_capacity(bytes.len() / 3 * 4 + 160);
    let _ = write!(out, "<rsp:Send><rsp:Stream Name=\"stdin\" CommandId=\"{command_id}\"{end}>");
    STANDARD.encode_string(bytes, &mut out);
    out.push_str("</rsp:Stream></rsp:Send>");
    out
}

/// The body that feeds standard input with what is in base64 already.
pub(in super::super) fn send_encoded(command_id: &str, encoded: &str) -> String {
    format!(
        "<rsp:Send><rsp:Stream Name=\"stdin\" CommandId=\"{command_id}\">{encoded}</rsp:Stream></rsp:Send>"
    )
}

/// The body that asks for output.
pub(in super::super) fn receive(command_id: &str) -> String {
    format!(
        "<rsp:Receive><rsp:DesiredStream CommandId=\"{command_id}\">stdout stderr</rsp:DesiredStream></rsp:Receive>"
    )
}

/// The body that signals a command.
pub(in super::super) fn signal(command_id: &str, code: SignalCode) -> String {
    let code = match code {
        SignalCode::CtrlC => "ctrl_c",
        SignalCode::Terminate => "terminate",
    };
    format!(
        "<rsp:Signal CommandId=\"{command_id}\"><rsp:Code>{}/signal/{code}</rsp:Code></rsp:Signal>",
        super::uri::SHELL
    )
}

fn xml(text: &str, what: &str) -> Result<String> {
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

    use super::{super::tree, SignalCode, command, create, send, send_encoded, signal};
    use crate::ErrorKind;

    fn parsed(body: &str) -> tree::Element {
        tree::parse(&body.replace("rsp:", "")).unwrap()
    }

    #[test]
    fn a_shell_carries_its_environment_and_directory() {
        let environment = BTreeMap::from([("A&B".to_owned(), "x <y>\n".to_owned())]);
        let root = parsed(&create("A-1", &environment, Some("C:\\t & u"), Duration::from_secs(900)).unwrap());
        let variable = root.find("Variable").unwrap();
        assert_eq!((variable.attribute("Name"), variable.text.as_str()), (Some("A&B"), "x <y>\n"));
        assert_eq!(root.child("WorkingDirectory").unwrap().text, "C:\\t & u");
        assert_eq!(root.child("IdleTimeOut").unwrap().text, "PT900.000S");
    }

    #[test]
    fn a_command_is_escaped_and_a_control_character_refused() {
        let root = parsed(&command("echo \"a\" && dir <nul", &["é".to_owned()]).unwrap());
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
        let part = parsed(&send("C-1", b"abc", false));
        let stream = part.child("Stream").unwrap();
        assert_eq!((stream.text.as_str(), stream.attribute("End")), ("YWJj", None));
        assert_eq!(send_encoded("C-1", "YWJj"), send("C-1", b"abc", false));
        let last = parsed(&send("C-1", b"", true));
        assert_eq!(last.child("Stream").unwrap().attribute("End"), Some("true"));
    }

    #[test]
    fn signals_name_their_code() {
        let root = parsed(&signal("C-1", SignalCode::CtrlC));
        assert_eq!(
            root.child("Code").unwrap().text,
            "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/signal/ctrl_c"
        );
    }
}

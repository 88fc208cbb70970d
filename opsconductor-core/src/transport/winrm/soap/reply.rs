//! Answers: what a host says when it did what it was asked.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;

use super::tree::{Element, TreeError};
use crate::transport::Stream;

/// Why an answer cannot be used.
#[derive(Debug, thiserror::Error)]
pub(in super::super) enum ReplyError {
    #[error("the answer has no {0}")]
    Missing(&'static str),
    #[error("the answer holds output that is not base64")]
    Base64(#[from] base64::DecodeError),
    #[error("the answer gives {0:?} as exit code")]
    ExitCode(String),
    #[error(transparent)]
    Attribute(#[from] TreeError),
}

/// What the host says of itself.
#[derive(Debug, PartialEq, Eq)]
pub(in super::super) struct Identity {
    pub(in super::super) vendor: String,
    pub(in super::super) version: String,
}

/// One answer to a request for output.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in super::super) struct Output {
    /// Pieces in the order in which the host gave them.
    pub(in super::super) pieces: Vec<(Stream, Bytes)>,
    /// Set once, when the command has ended.
    pub(in super::super) ended: Option<Ended>,
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct Ended {
    /// Absent when the host ended the command itself.
    pub(in super::super) exit_code: Option<i64>,
}

/// Reads the answer to `Identify`.
pub(in super::super) fn identity(root: &Element<'_>) -> Result<Identity, ReplyError> {
    let response = root.find("IdentifyResponse").ok_or(ReplyError::Missing("IdentifyResponse"))?;
    let text = |name| response.child(name).map(|e| e.text.trim().to_owned()).unwrap_or_default();
    Ok(Identity { vendor: text("ProductVendor"), version: text("ProductVersion") })
}

/// Reads the id of a new shell: from the shell itself, or else from the reference to it.
pub(in super::super) fn shell_id(root: &Element<'_>) -> Result<String, ReplyError> {
    let body = root.child("Body").ok_or(ReplyError::Missing("Body"))?;
    let shell = body.find("Shell").and_then(|shell| shell.child("ShellId")).map(|id| id.text.trim());
    let selector = || {
        let set = body.find("SelectorSet")?;
        let mut all = set.children.iter();
        let named =
            |e: &&Element<'_>| e.attribute("Name").is_ok_and(|name| name.as_deref() == Some("ShellId"));
        all.find(named).map(|e| e.text.trim())
    };
    let id = shell.or_else(selector).filter(|id| !id.is_empty());
    id.map(str::to_owned).ok_or(ReplyError::Missing("ShellId"))
}

/// Reads the id of a started command.
pub(in super::super) fn command_id(root: &Element<'_>) -> Result<String, ReplyError> {
    let id = root.find("CommandResponse").and_then(|response| response.child("CommandId"));
    let id = id.map(|id| id.text.trim().to_owned()).filter(|id| !id.is_empty());
    id.ok_or(ReplyError::Missing("CommandId"))
}

/// Reads an answer to a request for output.
pub(in super::super) fn output(root: &Element<'_>) -> Result<Output, ReplyError> {
    let response = root.find("ReceiveResponse").ok_or(ReplyError::Missing("ReceiveResponse"))?;
    let mut out = Output::default();
    for element in &response.children {
        if element.is("Stream") {
            let stream = match element.attribute("Name")?.as_deref() {
                Some("stdout") => Stream::Stdout,
                Some("stderr") => Stream::Stderr,
                _ => continue,
            };
            let bytes = decode(&element.text)?;
            if !bytes.is_empty() {
                out.pieces.push((stream, bytes.into()));
            }
        } else if element.is("CommandState")
            && element.attribute("State")?.is_some_and(|state| state.ends_with("/Done"))
        {
            let exit_code = element.child("ExitCode").map(|code| code.text.trim());
            let exit_code = exit_code
                .map(|code| code.parse().map_err(|_| ReplyError::ExitCode(code.chars().take(40).collect())))
                .transpose()?;
            out.ended = Some(Ended { exit_code });
        }
    }
    Ok(out)
}

fn decode(text: &str) -> Result<Vec<u8>, base64::DecodeError> {
    if text.bytes().any(|byte| byte.is_ascii_whitespace()) {
        let text: String = text.split_ascii_whitespace().collect();
        return STANDARD.decode(text);
    }
    STANDARD.decode(text)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::{super::tree, Ended, ReplyError, Stream, command_id, output, shell_id};

    const DONE: &str = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/CommandState/Done";

    fn received(inner: &str) -> Result<super::Output, ReplyError> {
        let document = format!(
            "<s:Envelope xmlns:s='s'><s:Body><r:ReceiveResponse xmlns:r='r'>{inner}</r:ReceiveResponse></s:Body></s:Envelope>"
        );
        output(&tree::parse(&document).unwrap())
    }

    #[test]
    fn output_keeps_its_order_and_ends_with_a_code() {
        let answer = received(&format!(
            "<r:Stream Name='stdout' CommandId='c'>YQ==</r:Stream><r:Stream Name='stderr' CommandId='c'>Yg\n==</r:Stream>\
             <r:Stream Name='stdout' CommandId='c' End='true'></r:Stream><r:Stream Name='stderr' CommandId='c' End='true'/>\
             <r:CommandState CommandId='c' State='{DONE}'><r:ExitCode>4294967295</r:ExitCode></r:CommandState>"
        ))
        .unwrap();
        assert_eq!(answer.pieces, [(Stream::Stdout, "a".into()), (Stream::Stderr, "b".into())]);
        assert_eq!(answer.ended, Some(Ended { exit_code: Some(4_294_967_295) }));
    }

    #[test]
    fn a_running_command_has_not_ended() {
        let state = DONE.replace("Done", "Running");
        let answer = received(&format!("<r:CommandState CommandId='c' State='{state}'/>")).unwrap();
        assert_eq!(answer, super::Output::default());
    }

    #[test]
    fn nonsense_is_an_error() {
        assert!(matches!(received("<r:Stream Name='stdout'>!</r:Stream>"), Err(ReplyError::Base64(_))));
        let code = format!("<r:CommandState State='{DONE}'><r:ExitCode>x</r:ExitCode></r:CommandState>");
        assert!(matches!(received(&code), Err(ReplyError::ExitCode(_))));
    }

    #[test]
    fn ids_are_found_in_both_forms() {
        let shell = "<E><Body><Shell><ShellId> A-1 </ShellId></Shell></Body></E>";
        let reference = "<E><Body><ResourceCreated><ReferenceParameters><SelectorSet>\
                         <Selector Name='ShellId'>A-2</Selector></SelectorSet></ReferenceParameters></ResourceCreated></Body></E>";
        let command = "<E><Body><CommandResponse><CommandId>C-1</CommandId></CommandResponse></Body></E>";
        assert_eq!(shell_id(&tree::parse(shell).unwrap()).unwrap(), "A-1");
        assert_eq!(shell_id(&tree::parse(reference).unwrap()).unwrap(), "A-2");
        assert_eq!(command_id(&tree::parse(command).unwrap()).unwrap(), "C-1");
        assert!(command_id(&tree::parse(shell).unwrap()).is_err());
    }
}

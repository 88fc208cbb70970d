//! What is started for a request, checked before anything is sent.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::bootstrap;
use crate::{
    Error, ErrorKind, Result,
    transport::{ExecRequest, Shell},
};

/// cmd.exe takes no longer line than this, in UTF-16 units.
const CMD_LINE_MAX: usize = 8191;

/// Input up to this length fits the pipe to the command.
pub(super) const INLINE_INPUT_BYTES: usize = 32 * 1024;

/// The largest script, in bytes.
const SCRIPT_BYTES_MAX: usize = 2 * 1024 * 1024;

/// A program, its arguments and its input.
pub(super) struct Launch {
    pub(super) interpreter: Shell,
    pub(super) program: String,
    pub(super) arguments: Vec<String>,
    /// Sent in order, then the end of input is said.
    pub(super) input: Vec<Bytes>,
    pub(super) environment: BTreeMap<String, String>,
    pub(super) working_directory: Option<String>,
    /// The exit code of a PowerShell that did not get its whole script.
    pub(super) unrun_code: Option<i64>,
}

impl Launch {
    /// For a command or script.
    pub(super) fn new(request: ExecRequest) -> Result<Self> {
        if request.sudo.is_some() {
            return Err(invalid("a Windows host has no sudo; leave it out"));
        }
        let stdin = request.stdin.into_iter();
        let launch = match request.shell {
            Shell::Powershell => {
                Self::powershell(&request.script, stdin.collect(), request.env, request.working_directory)?
            }
            Shell::Cmd => Self {
                interpreter: Shell::Cmd,
                program: cmd_line(&request.script)?,
                arguments: Vec::new(),
                input: stdin.collect(),
                environment: request.env,
                working_directory: request.working_directory,
                unrun_code: None,
            },
            Shell::Sh => return Err(invalid("WinRM runs no sh; write the command for powershell or cmd")),
        };
        if let Some(name) = launch.environment.keys().find(|name| name.is_empty() || name.contains('=')) {
            return Err(
                invalid("the name of an environment variable is empty or holds =").with("variable", name)
            );
        }
        Ok(launch)
    }

    /// For a PowerShell script and what it reads from standard input.
    pub(super) fn powershell(
        script: &str,
        rest: Vec<Bytes>,
        environment: BTreeMap<String, String>,
        working_directory: Option<String>,
    ) -> Result<Self> {
        if script.trim().is_empty() {
            return Err(invalid("the PowerShell script is empty"));
        }
        if script.len() > SCRIPT_BYTES_MAX {
            return Err(invalid("the PowerShell script is larger than 2 MiB").with("bytes", script.len()));
        }
        let mut input = vec![bootstrap::first_line(script)];
        input.extend(rest);
        let unrun_code = bootstrap::unrun_code();
        Ok(Self {
            interpreter: Shell::Powershell,
            program: bootstrap::PROGRAM.to_owned(),
            arguments: bootstrap::arguments(unrun_code),
            input,
            environment,
            working_directory,
            unrun_code: Some(unrun_code),
        })
    }

    /// Whether part of the input is the command's own, so that a command that gets only some of it would act on that.
    pub(super) fn has_own_input(&self) -> bool {
        let scripts = usize::from(self.unrun_code.is_some());
        self.input.iter().skip(scripts).any(|bytes| !bytes.is_empty())
    }

    /// Whether all input fits the pipe to the command, so that it can be sent in one piece.
    pub(super) fn is_inline(&self) -> bool {
        self.input.iter().map(Bytes::len).sum::<usize>() <= INLINE_INPUT_BYTES
    }
}

fn cmd_line(script: &str) -> Result<String> {
    let line = script.trim_end_matches(['\r', '\n']);
    if line.trim().is_empty() {
        return Err(invalid("the cmd command is empty"));
    }
    if line.contains(['\r', '\n']) {
        return Err(invalid("a cmd command is one line: join its parts with && or &, or use powershell"));
    }
    let length = line.encode_utf16().count();
    if length > CMD_LINE_MAX {
        let message =
            "the cmd command is longer than the 8,191 characters that cmd.exe takes; use powershell";
        return Err(invalid(message).with("characters", length));
    }
    Ok(line.to_owned())
}

fn invalid(message: &str) -> Error {
    Error::new(ErrorKind::InvalidInput, message)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::Launch;
    use crate::{
        ErrorKind,
        transport::{ExecRequest, Shell},
    };

    fn refused(request: ExecRequest) -> String {
        let error = Launch::new(request).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        error.to_string()
    }

    #[test]
    fn cmd_takes_one_line_of_bounded_length() {
        assert_eq!(Launch::new(ExecRequest::new(Shell::Cmd, "dir\r\n")).unwrap().program, "dir");
        assert!(Launch::new(ExecRequest::new(Shell::Cmd, "x".repeat(8191))).is_ok());
        assert!(refused(ExecRequest::new(Shell::Cmd, "x".repeat(8192))).contains("8,191"));
        assert!(refused(ExecRequest::new(Shell::Cmd, "dir\ndir")).contains("one line"));
        assert!(refused(ExecRequest::new(Shell::Cmd, " ")).contains("empty"));
    }

    #[test]
    fn a_script_comes_first_and_the_input_after_it() {
        let mut request = ExecRequest::new(Shell::Powershell, "x".repeat(100_000));
        request.stdin = Some("user".into());
        let launch = Launch::new(request).unwrap();
        assert_eq!(launch.input.len(), 2);
        assert_eq!(launch.input[1], "user");
        assert!(launch.arguments.iter().map(String::len).sum::<usize>() < 3000);
        assert!(
            refused(ExecRequest::new(Shell::Powershell, "x".repeat(2 * 1024 * 1024 + 1))).contains("2 MiB")
        );
    }

    #[test]
    fn a_variable_needs_a_name() {
        let mut request = ExecRequest::new(Shell::Cmd, "set");
        request.env.insert("A=B".into(), "secret".into());
        assert!(!refused(request).contains("secret"));
    }
}

//! The name of a remote command: what one worker writes down, and another goes on with.

use crate::{
    Error, ErrorKind, Result,
    transport::{RemoteHandle, Shell},
};

const SHELL_ID: &str = "shell_id";
const COMMAND_ID: &str = "command_id";
const INTERPRETER: &str = "interpreter";
const UNRUN_CODE: &str = "unrun_code";
const INPUT: &str = "input";
const OPEN: &str = "open";

/// A command that was started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Remote {
    pub(super) shell_id: String,
    pub(super) command_id: String,
    pub(super) interpreter: Shell,
    /// The exit code with which PowerShell says that it did not get its whole script.
    pub(super) unrun_code: Option<i64>,
    /// Input of the command's own is on its way, or was when this was written down. Without its end the command would act
    /// on a part of it.
    pub(super) feeding: bool,
}

/// What a handle names.
#[derive(Debug)]
pub(super) enum Named {
    /// A command.
    Command(Remote),
    /// A shell, in which a command may have been started.
    Shell(String),
}

impl Remote {
    pub(super) fn handle(&self) -> RemoteHandle {
        let mut handle = shell_handle(&self.shell_id);
        let mut put = |name: &str, value: String| handle.0.insert(name.to_owned(), value);
        put(COMMAND_ID, self.command_id.clone());
        put(INTERPRETER, self.interpreter.as_str().to_owned());
        if let Some(code) = self.unrun_code {
            put(UNRUN_CODE, code.to_string());
        }
        if self.feeding {
            put(INPUT, OPEN.to_owned());
        }
        handle
    }

    /// Whether an exit code says that the script was not executed.
    pub(super) fn is_unrun(&self, exit_code: Option<i64>) -> bool {
        exit_code.is_some() && exit_code == self.unrun_code
    }
}

/// The name of a shell in which a command is about to be started.
pub(super) fn shell_handle(shell_id: &str) -> RemoteHandle {
    RemoteHandle([(SHELL_ID.to_owned(), shell_id.to_owned())].into())
}

/// The shell that a handle names.
pub(super) fn shell_id(handle: &RemoteHandle) -> Option<&str> {
    handle.0.get(SHELL_ID).map(String::as_str)
}

/// Reads a handle.
///
/// # Errors
///
/// `NotFound` when it names nothing on a Windows host.
pub(super) fn read(handle: &RemoteHandle) -> Result<Named> {
    let text = |name: &str| handle.0.get(name).map(String::as_str);
    let nothing = || Error::new(ErrorKind::NotFound, "the handle names no command on a Windows host");
    let shell_id = text(SHELL_ID).ok_or_else(nothing)?.to_owned();
    let Some(command_id) = text(COMMAND_ID) else { return Ok(Named::Shell(shell_id)) };
    let interpreter = match text(INTERPRETER) {
        Some("powershell") => Shell::Powershell,
        Some("cmd") => Shell::Cmd,
        _ => return Err(nothing()),
    };
    Ok(Named::Command(Remote {
        shell_id,
        command_id: command_id.to_owned(),
        interpreter,
        unrun_code: text(UNRUN_CODE).and_then(|code| code.parse().ok()),
        feeding: text(INPUT) == Some(OPEN),
    }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::{Named, Remote, read, shell_handle};
    use crate::transport::{RemoteHandle, Shell};

    #[test]
    fn what_was_written_down_is_read() {
        for feeding in [true, false] {
            let remote = Remote {
                shell_id: "S".into(),
                command_id: "C".into(),
                interpreter: Shell::Powershell,
                unrun_code: Some(1_234_567_890),
                feeding,
            };
            let Named::Command(again) = read(&remote.handle()).unwrap() else { panic!("it names a command") };
            assert_eq!(again, remote);
        }
        assert!(matches!(read(&shell_handle("S")).unwrap(), Named::Shell(id) if id == "S"));
        assert!(read(&RemoteHandle::default()).is_err());
    }
}

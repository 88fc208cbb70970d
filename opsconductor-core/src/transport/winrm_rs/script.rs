//! What is started for a request.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;

use super::error::invalid;
use crate::{
    Result,
    transport::{ExecRequest, Shell},
};

/// cmd.exe takes no longer line than this, in UTF-16 units.
const CMD_LINE_MAX: usize = 8191;

/// The largest script, in bytes.
const SCRIPT_BYTES_MAX: usize = 2 * 1024 * 1024;

const POWERSHELL: &str = "powershell.exe";

/// The script comes as the first line of standard input, so a command line's length is no limit to it, and PowerShell can
/// be started before anything acts.
const READER: &str = "\
$ProgressPreference='SilentlyContinue'
$OutputEncoding=[Text.UTF8Encoding]::new($false)
try{[Console]::OutputEncoding=$OutputEncoding;[Console]::InputEncoding=$OutputEncoding}catch{}
$Line=[Console]::In.ReadLine()
if(-not $Line){exit 1}
try{. ([ScriptBlock]::Create($OutputEncoding.GetString([Convert]::FromBase64String($Line))));exit 0}
catch{[Console]::Error.WriteLine(($_|Out-String).TrimEnd());exit 1}
";

/// Makes cmd.exe print UTF-8.
const UTF8: &str = "chcp 65001>nul&";

/// A command line and its input.
pub(super) struct Start {
    pub(super) program: String,
    pub(super) arguments: Vec<String>,
    pub(super) input: Vec<Bytes>,
    /// It acts as soon as it is started, not only when its input comes.
    pub(super) acts_at_once: bool,
}

impl Start {
    pub(super) fn new(request: &ExecRequest) -> Result<Self> {
        if request.script.trim().is_empty() {
            return Err(invalid("the command is empty"));
        }
        if let Some(name) = request.env.keys().find(|name| name.is_empty() || name.contains('=')) {
            return Err(
                invalid("the name of an environment variable is empty or holds =").with("variable", name)
            );
        }
        if request.sudo.is_some() {
            return Err(invalid("a Windows host has no sudo; leave it out"));
        }
        let stdin = request.stdin.iter().cloned();
        match request.shell {
            Shell::Powershell => {
                if request.script.len() > SCRIPT_BYTES_MAX {
                    return Err(invalid("the PowerShell script is larger than 2 MiB"));
                }
                let line = Bytes::from(format!("{}\n", STANDARD.encode(&request.script)));
                let utf16: Vec<u8> = READER.encode_utf16().flat_map(u16::to_le_bytes).collect();
                let flags =
                    ["-NoProfile", "-NonInteractive", "-ExecutionPolicy", "Bypass", "-InputFormat", "None"];
                let encoded = ["-EncodedCommand".to_owned(), STANDARD.encode(utf16)];
                Ok(Self {
                    program: POWERSHELL.to_owned(),
                    arguments: flags.map(str::to_owned).into_iter().chain(encoded).collect(),
                    input: std::iter::once(line).chain(stdin).collect(),
                    acts_at_once: false,
                })
            }
            Shell::Sh => Err(invalid("WinRM runs no sh; write the command for powershell or cmd")),
            Shell::Cmd => {
                let line = request.script.trim_end_matches(['\r', '\n']);
                if line.contains(['\r', '\n']) {
                    return Err(invalid("a cmd command is one line: join its parts with && or &"));
                }
                let program = format!("{UTF8}{line}");
                if program.encode_utf16().count() > CMD_LINE_MAX {
                    return Err(invalid("the cmd command is longer than cmd.exe takes; use powershell"));
                }
                let input = stdin.collect();
                Ok(Self { program, arguments: Vec::new(), input, acts_at_once: true })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::Start;
    use crate::transport::{ExecRequest, Shell};

    #[test]
    fn what_does_not_fit_is_refused() {
        let start = |shell, script: &str| Start::new(&ExecRequest::new(shell, script));
        assert!(start(Shell::Cmd, &"x".repeat(8191)).is_err());
        assert!(start(Shell::Cmd, "a\nb").is_err());
        assert!(start(Shell::Powershell, " ").is_err());
        let started = start(Shell::Powershell, &"x".repeat(100_000)).unwrap();
        assert!(started.arguments.iter().map(String::len).sum::<usize>() < 3000);
        assert!(!started.acts_at_once && started.input.len() == 1);
    }
}

//! How PowerShell is started: a short command that reads the real script from standard input.
//!
//! A command line holds 8,191 characters; standard input has no limit. It also lets a command be named
//! (its id is known) before anything that acts is sent.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::{BufMut as _, Bytes, BytesMut};
use uuid::Uuid;

/// The program.
pub(super) const PROGRAM: &str = "powershell.exe";

/// What PowerShell runs at first. The console may be missing, so its encodings are set where it is there. The first
/// line of standard input is the script with its length before it; what follows stays for the script to read. Input that
/// ends before the script has come whole ends with the exit code that stands for "not executed": the script is never run
/// in part.
const BOOTSTRAP: &str = "\
$ProgressPreference='SilentlyContinue'
$OutputEncoding=New-Object Text.UTF8Encoding $false
try{[Console]::OutputEncoding=$OutputEncoding;[Console]::InputEncoding=$OutputEncoding}catch{}
$OcLine=([string][Console]::In.ReadLine()).Split(' ')
if($OcLine.Length -ne 2 -or [string]$OcLine[1].Length -ne $OcLine[0]){exit UNRUN}
try{. ([ScriptBlock]::Create($OutputEncoding.GetString([Convert]::FromBase64String($OcLine[1]))));exit 0}
catch{[Console]::Error.WriteLine(($_|Out-String).TrimEnd());exit 1}
";

/// The arguments. `-InputFormat None` keeps PowerShell itself from reading standard input, which is ours. `unrun_code` is
/// the exit code of a bootstrap that did not get its whole script.
pub(super) fn arguments(unrun_code: i64) -> Vec<String> {
    let script = BOOTSTRAP.replace("UNRUN", &unrun_code.to_string());
    let utf16: Vec<u8> = script.encode_utf16().flat_map(u16::to_le_bytes).collect();
    [
        "-NoProfile",
        "-NonInteractive",
        "-ExecutionPolicy",
        "Bypass",
        "-InputFormat",
        "None",
        "-EncodedCommand",
        &STANDARD.encode(utf16),
    ]
    .map(str::to_owned)
    .to_vec()
}

/// An exit code for "not executed". It is drawn for each command, so that no script says it by chance.
pub(super) fn unrun_code() -> i64 {
    // The lower bits of such an id are random.
    let drawn = (Uuid::now_v7().as_u128() & u128::from(u32::MAX)) as i64;
    1_000_000_000 + drawn % 1_000_000_000
}

/// The first line of standard input: the script.
pub(super) fn first_line(script: &str) -> Bytes {
    let length = script.len().div_ceil(3) * 4;
    let mut out = BytesMut::with_capacity(length + 16);
    out.put_slice(format!("{length} {}\n", STANDARD.encode(script)).as_bytes());
    out.freeze()
}

#[cfg(test)]
mod tests {
    use super::{PROGRAM, arguments, first_line, unrun_code};

    #[test]
    fn the_command_line_is_short() {
        let line = arguments(unrun_code()).join(" ").len() + PROGRAM.len() + 1;
        assert!(line < 3000, "{line}");
    }

    #[test]
    fn a_script_is_one_line_whatever_it_holds() {
        let line = first_line("'a'\r\n'é'\n");
        assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1);
        assert!(line.is_ascii() && line.ends_with(b"\n"));
        let text = std::str::from_utf8(&line).unwrap_or_default().trim_end();
        let (length, script) = text.split_once(' ').unwrap_or_default();
        assert_eq!(length, script.len().to_string(), "a script that was cut shows");
    }

    #[test]
    fn the_code_for_not_executed_is_an_exit_code_of_32_bits() {
        let codes: std::collections::HashSet<_> = (0..100).map(|_| unrun_code()).collect();
        assert!(codes.len() > 90);
        assert!(codes.iter().all(|code| (1_000_000_000..2_000_000_000).contains(code)));
    }
}

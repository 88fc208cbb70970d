//! How PowerShell is started: a short command that reads the real script from standard input.
//!
//! A command line holds 8,191 characters; standard input has no limit. It also lets a command be named
//! (its id is known) before anything that acts is sent.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::{BufMut as _, Bytes, BytesMut};

/// The program.
pub(super) const PROGRAM: &str = "powershell.exe";

/// What PowerShell runs at first. The console may be missing, so its encodings are set where it is there. The first
/// line of standard input is the script; what follows stays for the script to read.
const BOOTSTRAP: &str = "\
$ProgressPreference='SilentlyContinue'
$OutputEncoding=New-Object Text.UTF8Encoding $false
try{[Console]::OutputEncoding=$OutputEncoding;[Console]::InputEncoding=$OutputEncoding}catch{}
$OcLine=[Console]::In.ReadLine()
if(-not $OcLine){[Console]::Error.WriteLine('no script arrived');exit 1}
try{. ([ScriptBlock]::Create($OutputEncoding.GetString([Convert]::FromBase64String($OcLine))));exit 0}
catch{[Console]::Error.WriteLine(($_|Out-String).TrimEnd());exit 1}
";

/// The arguments. `-InputFormat None` keeps PowerShell itself from reading standard input, which is ours.
pub(super) fn arguments() -> Vec<String> {
    let utf16: Vec<u8> = BOOTSTRAP.encode_utf16().flat_map(u16::to_le_bytes).collect();
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

/// The first line of standard input: the script.
pub(super) fn first_line(script: &str) -> Bytes {
    let mut out = BytesMut::with_capacity(script.len() / 3 * 4 + 8);
    out.put_slice(STANDARD.encode(script).as_bytes());
    out.put_u8(b'\n');
    out.freeze()
}

#[cfg(test)]
mod tests {
    use super::{PROGRAM, arguments, first_line};

    #[test]
    fn the_command_line_is_short() {
        let line = arguments().join(" ").len() + PROGRAM.len() + 1;
        assert!(line < 3000, "{line}");
    }

    #[test]
    fn a_script_is_one_line_whatever_it_holds() {
        let line = first_line("'a'\r\n'é'\n");
        assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1);
        assert!(line.is_ascii() && line.ends_with(b"\n"));
    }
}

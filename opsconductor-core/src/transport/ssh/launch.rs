//! What is sent to start a command: a short line for the login shell, and the script on standard input.
//!
//! The line is always the same but for a few plain characters, and it means the same to every login shell. The script
//! goes behind it, so that neither a command nor a variable is ever in the host's list of processes, and a script may be as
//! large as it likes. The shell on the host takes it whole, by its last line, or does not run it at all.

use bytes::Bytes;
use getrandom::fill;

use super::host::Host;
use crate::{
    Error, ErrorKind, Result, Secret,
    template::{Sink, quote},
    transport::{ExecRequest, Shell, Sudo},
};

/// The largest script.
const SCRIPT_BYTES_MAX: usize = 2 * 1024 * 1024;

/// The exit code of a shell that did not run the script.
const UNRUN: u8 = 254;

/// A command that is ready to be sent.
pub(super) struct Launch {
    /// Marks our own words among what the host says: random, so that no command says it by chance.
    pub(super) token: String,
    /// What the login shell is given.
    pub(super) line: String,
    pub(super) script: Bytes,
    /// Standard input of the command, behind the script.
    pub(super) stdin: Option<Bytes>,
    /// The password that `sudo` may ask for; `None` without `sudo`.
    pub(super) sudo: Option<Option<Secret<String>>>,
}

impl Launch {
    pub(super) fn new(request: ExecRequest, host: &Host) -> Result<Self> {
        if request.shell != Shell::Sh {
            let message = format!("SSH runs commands in sh, not in {}", request.shell.as_str());
            return Err(invalid(&message));
        }
        if request.script.trim().is_empty() {
            return Err(invalid("the command is empty"));
        }
        if request.script.len() > SCRIPT_BYTES_MAX {
            return Err(invalid("the script is larger than 2 MiB").with("bytes", request.script.len()));
        }
        let token = token()?;
        let body = script(&request, &token)?;
        let mut run = format!(
            "s=$(head -c {}); case \"$s\" in *\"#{token}\") eval \"$s\";; *) exit {UNRUN};; esac",
            body.len()
        );
        if request.sudo.is_some() {
            run.insert_str(0, &format!("echo {token} go >&2; "));
        }
        let mut line = format!("exec /bin/sh -c '{run}'");
        if let Some(sudo) = &request.sudo {
            line = format!("exec {} {}", sudo_command(sudo, &token)?, line.trim_start_matches("exec "));
        }
        let sudo = request.sudo.is_some().then(|| host.account.password.clone());
        Ok(Self { token, line, script: body.into(), stdin: request.stdin, sudo })
    }
}

/// What asks for the password on standard error, by a name of its own, and reads it from standard input.
pub(super) fn sudo_command(sudo: &Sudo, token: &str) -> Result<String> {
    let user = sudo.user.as_deref().unwrap_or("root");
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    if user.is_empty() || user.starts_with('-') || !user.bytes().all(plain) {
        return Err(invalid("the user for sudo is not a plain user name").with("user", user));
    }
    Ok(format!("sudo -S -p {token}-password: -u {user} --"))
}

/// Letters and digits that nobody can guess.
pub(super) fn token() -> Result<String> {
    let mut random = [0; 16];
    fill(&mut random).map_err(|error| {
        Error::new(ErrorKind::Internal, "the machine gives no random bytes").with_source(error)
    })?;
    Ok(format!("oc{}", crate::transport::source::hex(&random)))
}

/// Directory and variables, the word that the command begins, the command, and the word that it was whole.
fn script(request: &ExecRequest, token: &str) -> Result<String> {
    let quoted = |text: &str, what: &str| {
        quote(text, Sink::Sh).map_err(|_| invalid(&format!("{what} holds a NUL character")))
    };
    if request.script.contains('\0') {
        return Err(invalid("the command holds a NUL character"));
    }
    let mut out = String::with_capacity(request.script.len() + 1024);
    if let Some(directory) = &request.working_directory {
        let directory = quoted(directory, "the working directory")?;
        out.push_str(&format!("CDPATH= cd -- {directory} >&2 || exit {UNRUN}\n"));
    }
    for (name, value) in &request.env {
        let first = |c: char| c.is_ascii_alphabetic() || c == '_';
        let well_formed =
            name.starts_with(first) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if !well_formed {
            let message = "an environment variable is named with letters, digits and _, and does not start with a digit";
            return Err(invalid(message).with("variable", name));
        }
        out.push_str(&format!("{name}={}; export {name}\n", quoted(value, "an environment variable")?));
    }
    out.push_str(&format!("unset s; echo {token} $$ >&2\n"));
    out.push_str(&request.script);
    out.push_str(&format!("\n#{token}"));
    Ok(out)
}

fn invalid(message: &str) -> Error {
    Error::new(ErrorKind::InvalidInput, message)
}

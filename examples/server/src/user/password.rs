//! Passwords from the terminal or from standard input, never from the arguments, which everyone on the machine can read.

use std::io::{self, BufRead, IsTerminal};

use opsconductor_core::{Error, ErrorKind, Secret, auth::password::PASSWORD_BYTES_MAX};

/// Asks for a new password twice without showing it, or reads a line when standard input is no terminal.
pub(super) fn ask() -> Result<Secret<String>, Error> {
    if !io::stdin().is_terminal() {
        return line(io::stdin().lock());
    }
    let prompt = |text: &str| rpassword::prompt_password(text).map(Secret::new).map_err(unreadable);
    let (first, second) = (prompt("New password: ")?, prompt("Once more: ")?);
    if first.expose() != second.expose() {
        return Err(Error::new(ErrorKind::InvalidInput, "the two passwords are not the same"));
    }
    Ok(first)
}

/// The first line, without its end.
fn line(input: impl BufRead) -> Result<Secret<String>, Error> {
    // A little more than the longest, so that what is too long is refused and not cut.
    let mut text = String::with_capacity(PASSWORD_BYTES_MAX + 8);
    input.take(PASSWORD_BYTES_MAX as u64 + 4).read_line(&mut text).map_err(unreadable)?;
    let text = Secret::new(text);
    let line = text.expose().strip_suffix('\n').unwrap_or(text.expose());
    match line.strip_suffix('\r').unwrap_or(line) {
        "" => {
            let message = "no password is given; write it as a line to standard input, or run the command at a terminal";
            Err(Error::new(ErrorKind::InvalidInput, message))
        }
        line => Ok(Secret::from(line)),
    }
}

fn unreadable(source: io::Error) -> Error {
    Error::new(ErrorKind::InvalidInput, "the password cannot be read").with_source(source)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    #[test]
    fn a_line_is_a_password_with_its_spaces_and_without_its_end() {
        for (given, expected) in
            [("a b c\n", "a b c"), (" a \r\n", " a "), ("a", "a"), ("a\nb\n", "a"), ("a\r\r\n", "a\r")]
        {
            assert_eq!(line(given.as_bytes()).unwrap().expose(), expected);
        }
        for given in ["", "\n", "\r\nx"] {
            assert_eq!(line(given.as_bytes()).unwrap_err().kind(), ErrorKind::InvalidInput, "{given:?}");
        }
        let long = "x".repeat(5_000);
        assert!(
            line(long.as_bytes()).unwrap().expose().len() > PASSWORD_BYTES_MAX,
            "too long stays too long"
        );
        assert!(line(&b"\xff\n"[..]).is_err());
    }
}

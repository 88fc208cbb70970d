//! Passwords: what is accepted, how they are kept, and who may compute hashes when.
//!
//! A password is the bytes of its UTF-8 text as it was typed. It is not normalized: what a keyboard sends as a composed letter
//! is another password than the same letter with a combining mark, here as in the Python system, whose hashes go on holding.
//!
//! New hashes are Argon2id, kept as PHC strings that carry their [`Work`]. Hashes of less work, and the bcrypt hashes of the
//! Python system, are accepted at a login and replaced there. bcrypt reads 72 bytes of a password; the hash that takes its
//! place reads all of them.

mod hasher;
mod stored;

pub use hasher::{Hasher, Place, Verdict};
pub use stored::Work;

use crate::{Error, ErrorKind, Result, Secret};

/// The longest password, in bytes. A login with a longer one is a login with a wrong one.
pub const PASSWORD_BYTES_MAX: usize = 1024;

/// The fewest characters that a host may ask for.
pub const PASSWORD_CHARS_MIN_LEAST: usize = 6;

/// Refuses a new password that is too short or too long.
///
/// # Errors
///
/// `InvalidInput`, which does not repeat the password.
pub fn check(password: &Secret<String>, chars_min: usize) -> Result<()> {
    let text = password.expose();
    if text.chars().count() < chars_min {
        let message = format!("a password has at least {chars_min} characters");
        return Err(Error::new(ErrorKind::InvalidInput, message));
    }
    if text.len() > PASSWORD_BYTES_MAX {
        let message = format!("a password has at most {PASSWORD_BYTES_MAX} bytes");
        return Err(Error::new(ErrorKind::InvalidInput, message));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_has_a_shortest_and_a_longest_form() {
        for (text, holds) in [
            ("", false),
            ("elevenchars", false),
            ("twelve chars", true),
            // Twelve characters, of two bytes each.
            ("üüüüüüüüüüüü", true),
        ] {
            assert_eq!(check(&Secret::from(text), 12).is_ok(), holds, "{text}");
        }
        assert!(check(&Secret::from("x".repeat(PASSWORD_BYTES_MAX)), 12).is_ok());
        let long = check(&Secret::from("hunter2".repeat(200)), 12);
        assert!(long.is_err_and(|error| !error.to_string().contains("hunter2")));
    }
}

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

use zxcvbn::zxcvbn;

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

/// Refuses a new password that is guessed in fewer than `guesses_min` tries, by the estimate of zxcvbn: it knows common passwords,
/// names, words, dates, keyboard walks and repetitions. `known` is what a guesser knows of the account, such as its name.
/// 0 accepts all.
///
/// # Errors
///
/// `InvalidInput`, which does not repeat the password.
pub fn check_guessable(password: &Secret<String>, guesses_min: u64, known: &[&str]) -> Result<()> {
    let text = password.expose();
    // What stands after that makes a password no worse; the estimate takes more than linear time.
    let end = text.char_indices().nth(ESTIMATED_CHARS_MAX).map_or(text.len(), |(end, _)| end);
    // It knows words as wholes: an address is one of its parts too.
    let words: Vec<&str> =
        known.iter().flat_map(|word| [*word].into_iter().chain(word.split(['@', '.', '-', '_']))).collect();
    if guesses_min == 0 || zxcvbn(text.get(..end).unwrap_or(text), &words).guesses() >= guesses_min {
        return Ok(());
    }
    let message = "the password is too easy to guess; take several words that do not belong together, and nothing of the \
                   account's name";
    Err(Error::new(ErrorKind::InvalidInput, message))
}

/// The most characters whose strength is estimated.
const ESTIMATED_CHARS_MAX: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_that_is_guessed_soon_is_refused_without_being_repeated() {
        let known = ["ann.smith", "ann.smith@example.com"];
        for weak in [
            "password1234",
            "Password1234",
            "qwertyuiop123",
            "aaaaaaaaaaaaaaaa",
            "ann.smith@example.com",
            "123456789012",
        ] {
            let error = check_guessable(&Secret::from(weak), 1_000_000, &known);
            assert!(error.is_err_and(|error| !error.report().contains(weak)), "{weak}");
            assert!(check_guessable(&Secret::from(weak), 0, &known).is_ok(), "{weak}");
        }
        for strong in [
            "correct horse battery staple",
            "a password of some length",
            "üb3rw1nd!ich",
            "0123456789".repeat(100).as_str(),
        ] {
            let judged = check_guessable(&Secret::from(strong), 1_000_000, &known);
            assert_eq!(judged.is_ok(), !strong.starts_with('0'), "{strong}");
        }
    }

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

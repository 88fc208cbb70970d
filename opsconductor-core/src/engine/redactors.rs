//! Redactors in use, shared by the tasks that have the same secrets: a search structure takes longer to build than a
//! short command takes to run, and a run over many hosts has as many tasks with one credential.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::{
    Error, ErrorKind, Result, Secret,
    run::redact::{Redactor, WeakRedactor},
};

/// Redactors that some task holds. They go with the last of their tasks, and with them what they know of the secrets.
pub(crate) struct Redactors {
    salt: Zeroizing<[u8; 32]>,
    held: Mutex<HashMap<[u8; 32], WeakRedactor>>,
}

impl Redactors {
    /// None yet.
    pub(super) fn new() -> Result<Self> {
        let mut salt = Zeroizing::new([0; 32]);
        getrandom::fill(salt.as_mut_slice()).map_err(|error| {
            Error::new(ErrorKind::Internal, "the system gives no random bytes").with_source(error)
        })?;
        Ok(Self { salt, held: Mutex::default() })
    }

    /// The redactor for these secrets. Whoever asks while it is being built waits for it.
    pub(super) fn get(&self, secrets: &[&Secret<String>]) -> Result<Redactor> {
        let key = self.key(secrets);
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(redactor) = held.get(&key).and_then(WeakRedactor::upgrade) {
            return Ok(redactor);
        }
        let redactor = Redactor::new(secrets.iter().copied())?;
        held.retain(|_, weak| weak.is_held());
        held.insert(key, redactor.downgrade());
        Ok(redactor)
    }

    /// What the secrets are told apart by. The salt makes it useless outside this process.
    fn key(&self, secrets: &[&Secret<String>]) -> [u8; 32] {
        let mut hash = Sha256::new_with_prefix(self.salt.as_slice());
        for secret in secrets {
            let secret = secret.expose();
            hash.update((secret.len() as u64).to_le_bytes());
            hash.update(secret.as_bytes());
        }
        hash.finalize().into()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::Redactors;
    use crate::Secret;

    #[test]
    fn tasks_share_a_redactor_only_when_they_share_all_secrets() {
        let redactors = Redactors::new().unwrap();
        let (a, b, ab) = (Secret::from("first-1"), Secret::from("second2"), Secret::from("first-1second2"));
        let both = redactors.get(&[&a, &b]).unwrap();
        let same = redactors.get(&[&a, &b]).unwrap();
        let joined = redactors.get(&[&ab]).unwrap();
        assert_eq!(both.redact_str("x first-1 second2"), "x [redacted] [redacted]");
        assert_eq!(same.redact_str("second2"), "[redacted]");
        assert_eq!(joined.redact_str("first-1 first-1second2"), "first-1 [redacted]");
    }

    #[test]
    fn a_redactor_goes_with_the_last_task_that_holds_it() {
        let redactors = Redactors::new().unwrap();
        let (a, b) = (Secret::from("first-1"), Secret::from("second2"));
        let count = |redactors: &Redactors| redactors.held.lock().unwrap().len();
        drop(redactors.get(&[&a]).unwrap());
        let _held = redactors.get(&[&b]).unwrap();
        assert_eq!(count(&redactors), 1);
    }
}

//! The forms in which a password's hash is kept, and the hashing itself.

use argon2::{Algorithm, Argon2, Params, Version};
use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use subtle::ConstantTimeEq as _;

use crate::{Error, ErrorKind, Result, Secret};

/// How much work a hash is: what Argon2id is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Work {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

impl Work {
    /// 64 MiB, three passes, one lane: about an eighth of a second on a core.
    pub const STANDARD: Self = Self { memory_kib: 64 * 1024, passes: 3, lanes: 1 };

    /// The least that OWASP recommends, 19 MiB in two passes.
    pub const LEAST: Self = Self { memory_kib: 19 * 1024, passes: 2, lanes: 1 };

    /// So many KiB of memory, passes over it, and lanes. Less memory takes more passes.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for less than OWASP's minimum (46 MiB once, 19 MiB twice, 12 MiB three times, 9 MiB four times or 7 MiB
    /// five times), more than 1 GiB, 64 passes or 16 lanes, or less than 8 KiB a lane.
    pub fn new(memory_kib: u32, passes: u32, lanes: u32) -> Result<Self> {
        let work = Self { memory_kib, passes, lanes };
        let enough = FLOOR.iter().any(|(memory, times)| memory_kib >= *memory && passes >= *times);
        if enough && work.is_bearable() {
            return Ok(work);
        }
        let message = "this much work for a password hash is below OWASP's minimum (as 19456 KiB in 2 passes), or is more \
                       than 1 GiB, 64 passes or 16 lanes";
        Err(Error::new(ErrorKind::InvalidInput, message)
            .with("memory in KiB", memory_kib)
            .with("passes", passes)
            .with("lanes", lanes))
    }

    /// Whether a hash of this work is to be replaced where `wanted` is asked for.
    fn is_weaker_than(self, wanted: Self) -> bool {
        self.memory_kib < wanted.memory_kib || self.passes < wanted.passes
    }

    /// Whether it may be done at all: what stands in a store must not stop the process.
    fn is_bearable(self) -> bool {
        self.memory_kib <= MEMORY_KIB_MAX
            && (1..=PASSES_MAX).contains(&self.passes)
            && (1..=LANES_MAX).contains(&self.lanes)
            && self.memory_kib >= 8 * self.lanes
    }
}

impl Default for Work {
    fn default() -> Self {
        Self::STANDARD
    }
}

/// OWASP's minimum: KiB of memory and passes.
const FLOOR: [(u32, u32); 5] = [(46 * 1024, 1), (19 * 1024, 2), (12 * 1024, 3), (9 * 1024, 4), (7 * 1024, 5)];

const MEMORY_KIB_MAX: u32 = 1024 * 1024;
const PASSES_MAX: u32 = 64;
const LANES_MAX: u32 = 16;

/// Each step doubles the time; 16 takes seconds.
const BCRYPT_COST_MAX: u32 = 16;

/// How long every bcrypt hash is.
const BCRYPT_LEN: usize = 60;

const SALT_LEN: usize = 16;
const HASH_LEN: usize = 32;

/// Bounds of what is read from a store.
const SALT_LENGTHS: std::ops::RangeInclusive<usize> = 8..=64;
const HASH_LENGTHS: std::ops::RangeInclusive<usize> = 16..=64;

/// A hash as it was read.
#[derive(Clone)]
pub(super) enum Stored {
    /// Ours.
    Argon2id { work: Work, salt: Vec<u8>, hash: Vec<u8> },
    /// The Python system's, whole.
    Bcrypt(Secret<String>),
}

impl Stored {
    /// Reads a hash; none when it is in no form that is known here, or asks for more work than is bearable.
    pub(super) fn read(text: &str) -> Option<Self> {
        let mut parts = text.strip_prefix('$')?.split('$');
        match parts.next()? {
            "argon2id" => {
                let (version, work, salt, hash) =
                    (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
                if version != "v=19" || parts.next().is_some() {
                    return None;
                }
                let (salt, hash) = (STANDARD_NO_PAD.decode(salt).ok()?, STANDARD_NO_PAD.decode(hash).ok()?);
                let fits = SALT_LENGTHS.contains(&salt.len()) && HASH_LENGTHS.contains(&hash.len());
                fits.then_some(Self::Argon2id { work: read_work(work)?, salt, hash })
            }
            "2a" | "2b" | "2y" => {
                let cost: u32 = parts.next()?.parse().ok()?;
                let fits = text.len() == BCRYPT_LEN && (4..=BCRYPT_COST_MAX).contains(&cost);
                fits.then(|| Self::Bcrypt(Secret::from(text)))
            }
            _ => None,
        }
    }

    /// Whether the hash is to be replaced by one of `wanted`.
    pub(super) fn is_weaker_than(&self, wanted: Work) -> bool {
        match self {
            Self::Argon2id { work, .. } => work.is_weaker_than(wanted),
            Self::Bcrypt(_) => true,
        }
    }

    /// Whether it is the hash of `password`. One hash.
    pub(super) fn is_of(&self, password: &[u8]) -> Result<bool> {
        match self {
            Self::Argon2id { work, salt, hash } => {
                let mut own = vec![0; hash.len()];
                argon2id(*work, password, salt, &mut own)?;
                Ok(own.ct_eq(hash).into())
            }
            // A form that passed `read` and does not hold all the same is the hash of nothing.
            Self::Bcrypt(text) => Ok(bcrypt::verify(password, text.expose()).unwrap_or(false)),
        }
    }
}

fn read_work(text: &str) -> Option<Work> {
    let mut values = text.split(',');
    let mut value = |name: &str| -> Option<u32> { values.next()?.strip_prefix(name)?.parse().ok() };
    let work = Work { memory_kib: value("m=")?, passes: value("t=")?, lanes: value("p=")? };
    (values.next().is_none() && work.is_bearable()).then_some(work)
}

/// The PHC string of a new hash of `password` under a fresh salt. One hash.
pub(super) fn make(work: Work, password: &[u8]) -> Result<Secret<String>> {
    let (mut salt, mut hash) = ([0; SALT_LEN], [0; HASH_LEN]);
    getrandom::fill(&mut salt).map_err(|error| {
        Error::new(ErrorKind::Internal, "the system gives no random bytes").with_source(error)
    })?;
    argon2id(work, password, &salt, &mut hash)?;
    let Work { memory_kib, passes, lanes } = work;
    let (salt, hash) = (STANDARD_NO_PAD.encode(salt), STANDARD_NO_PAD.encode(hash));
    Ok(Secret::new(format!("$argon2id$v=19$m={memory_kib},t={passes},p={lanes}${salt}${hash}")))
}

/// The work of a hash, for nothing: so that a name that nobody has costs as much as one that somebody has.
pub(super) fn spend(work: Work, password: &[u8]) -> Result<()> {
    argon2id(work, password, &[0; SALT_LEN], &mut [0; HASH_LEN])
}

fn argon2id(work: Work, password: &[u8], salt: &[u8], hash: &mut [u8]) -> Result<()> {
    let params = Params::new(work.memory_kib, work.passes, work.lanes, Some(hash.len()));
    let done = params.and_then(|params| {
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params).hash_password_into(password, salt, hash)
    });
    done.map_err(|error| {
        // What it says speaks of lengths and limits, never of the password.
        let message = format!("a password could not be hashed: {error}");
        Error::new(ErrorKind::Internal, message)
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    /// Of the reference implementation's own tests.
    const REFERENCE: &str =
        "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";

    /// Of crypt_blowfish's own tests, for `U*U`.
    const BCRYPT: &str = "05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";

    #[test]
    fn a_hash_of_the_reference_implementation_holds() {
        let stored = Stored::read(REFERENCE).unwrap();
        assert!(stored.is_of(b"password").unwrap());
        assert!(!stored.is_of(b"differentpassword").unwrap());
        assert!(stored.is_weaker_than(Work::STANDARD) && !stored.is_weaker_than(Work::LEAST));
    }

    #[test]
    fn a_new_hash_is_of_its_password_alone_and_never_the_same() {
        let made = [make(Work::LEAST, b"hunter2").unwrap(), make(Work::LEAST, b"hunter2").unwrap()];
        assert_ne!(made[0].expose(), made[1].expose());
        assert!(made[0].expose().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        for text in made {
            let stored = Stored::read(text.expose()).unwrap();
            assert!(stored.is_of(b"hunter2").unwrap() && !stored.is_of(b"hunter3").unwrap());
            assert!(!stored.is_weaker_than(Work::LEAST) && stored.is_weaker_than(Work::STANDARD));
        }
    }

    #[test]
    fn the_hashes_of_the_python_system_hold_and_are_weak() {
        for form in ["2a", "2b", "2y"] {
            let stored = Stored::read(&format!("${form}${BCRYPT}")).unwrap();
            assert!(stored.is_of(b"U*U").unwrap(), "{form}");
            assert!(!stored.is_of(b"U*V").unwrap(), "{form}");
            assert!(stored.is_weaker_than(Work::LEAST));
        }
    }

    #[test]
    fn what_is_no_hash_or_would_stop_the_process_is_not_read() {
        for text in [
            "",
            "$",
            "hunter2",
            "$argon2id$",
            "$argon2i$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
            "$argon2id$v=16$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
            "$argon2id$v=19$m=4194304,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
            "$argon2id$v=19$m=65536,t=4000000000,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
            "$argon2id$v=19$t=2,m=65536,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
            "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$",
            "$argon2id$v=19$m=65536,t=2,p=1$$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
            "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc$more",
            "$2b$31$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
            "$2b$05$short",
            "$2x$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
        ] {
            assert!(Stored::read(text).is_none(), "{text}");
        }
        // Read, and the hash of nothing.
        let odd = format!("$2b$05${}", "!".repeat(53));
        assert!(!Stored::read(&odd).unwrap().is_of(b"").unwrap());
    }

    #[test]
    fn work_has_a_floor_and_a_ceiling() {
        for (memory, passes, lanes) in [(47_104, 1, 1), (19_456, 2, 1), (7_168, 5, 1), (65_536, 3, 4)] {
            assert!(Work::new(memory, passes, lanes).is_ok(), "{memory} {passes} {lanes}");
        }
        for (memory, passes, lanes) in [
            (19_455, 2, 1),
            (19_456, 1, 1),
            (65_536, 0, 1),
            (65_536, 3, 0),
            (2_000_000, 3, 1),
            (65_536, 65, 1),
        ] {
            assert!(Work::new(memory, passes, lanes).is_err(), "{memory} {passes} {lanes}");
        }
    }
}

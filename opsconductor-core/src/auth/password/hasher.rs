//! [`Hasher`]: the one place where passwords are hashed, a few at once.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::sync::{Semaphore, SemaphorePermit};

use super::{
    PASSWORD_BYTES_MAX,
    stored::{self, Stored, Work},
};
use crate::{Error, ErrorKind, Result, Secret};

/// How many hashes are computed at once. Each takes a core and its memory.
const AT_ONCE: usize = 2;

/// When to come again where no place is free: a hash takes an eighth of a second.
const COME_AGAIN: Duration = Duration::from_secs(2);

/// Computes the hashes of passwords on threads of their own, at most two at once, for callers that wait in a bounded queue.
///
/// ```
/// use opsconductor_core::{Secret, auth::password::{Hasher, Verdict, Work}};
///
/// # async fn example() -> opsconductor_core::Result<()> {
/// let hasher = Hasher::new(Work::LEAST, 32);
/// let place = hasher.place()?;
/// let hash = place.hash(&Secret::from("correct horse")).await?;
/// assert_eq!(place.verify(&Secret::from("correct horse"), Some(&hash)).await?, Verdict::Right);
/// assert_eq!(place.verify(&Secret::from("battery staple"), Some(&hash)).await?, Verdict::Wrong);
/// assert_eq!(place.verify(&Secret::from("correct horse"), None).await?, Verdict::Wrong);
/// assert_eq!(hasher.hashes(), 4);
/// # Ok(())
/// # }
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(example()).unwrap();
/// ```
#[derive(Debug)]
pub struct Hasher {
    work: Work,
    /// Those who hash and those who wait.
    places: Semaphore,
    running: Arc<Semaphore>,
    done: Arc<AtomicU64>,
}

/// A place among those who may hash. It is given back when it is dropped.
#[derive(Debug)]
pub struct Place<'a> {
    hasher: &'a Hasher,
    _place: SemaphorePermit<'a>,
}

/// What came of a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// It is the one that was hashed.
    Right,
    /// It is, and the hash is of less work than new ones are: it should be replaced.
    RightButWeak,
    /// It is not.
    Wrong,
}

impl Hasher {
    /// A hasher whose hashes are of `work`, with room for `waiting` callers beside those that are served.
    pub fn new(work: Work, waiting: usize) -> Self {
        let places = waiting.saturating_add(AT_ONCE).min(Semaphore::MAX_PERMITS);
        Self {
            work,
            places: Semaphore::new(places),
            running: Arc::new(Semaphore::new(AT_ONCE)),
            done: Arc::default(),
        }
    }

    /// A place, if one is free.
    ///
    /// # Errors
    ///
    /// `Busy`, with the time after which to come again, when as many wait as may.
    pub fn place(&self) -> Result<Place<'_>> {
        let busy = |_| {
            Error::new(ErrorKind::Busy, "too many passwords are being checked at once; try again soon")
                .with_retry_after(COME_AGAIN)
        };
        Ok(Place { hasher: self, _place: self.places.try_acquire().map_err(busy)? })
    }

    /// How many hashes were computed since the beginning, those for nothing included.
    pub fn hashes(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    /// Does `work` on a thread that may block, when it is its turn. A caller that goes away does not stop it, and it keeps its
    /// turn until it is done: never do more than two work at once.
    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
        let ended =
            |what: String| Error::new(ErrorKind::Internal, "a password was not hashed").with("why", what);
        let turn = Arc::clone(&self.running).acquire_owned().await;
        let turn = turn.map_err(|error| ended(error.to_string()))?;
        let done = Arc::clone(&self.done);
        let task = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            done.fetch_add(1, Ordering::Relaxed);
            work()
        });
        // What a panic says is not passed on: it may hold what was hashed.
        task.await.map_err(|error| {
            ended(if error.is_panic() { "a panic" } else { "the end of the program" }.to_owned())
        })?
    }
}

impl Place<'_> {
    /// The hash of a new password, to be stored. One hash.
    ///
    /// # Errors
    ///
    /// `Internal` when the system has no memory or no random bytes.
    pub async fn hash(&self, password: &Secret<String>) -> Result<Secret<String>> {
        let (work, password) = (self.hasher.work, password.clone());
        self.hasher.run(move || stored::make(work, password.expose().as_bytes())).await
    }

    /// Whether `password` is the one whose hash is `stored`. One hash, also where nothing is stored, what is stored is no
    /// hash, or the password is longer than any.
    ///
    /// # Errors
    ///
    /// `Internal` when the system has no memory.
    pub async fn verify(
        &self,
        password: &Secret<String>,
        stored: Option<&Secret<String>>,
    ) -> Result<Verdict> {
        let (work, password) = (self.hasher.work, password.clone());
        let known = stored.and_then(|text| Stored::read(text.expose()));
        if known.is_none() && stored.is_some() {
            tracing::warn!(
                "a stored password hash cannot be read; nobody can log in with it until it is set anew"
            );
        }
        self.hasher
            .run(move || {
                let bytes = password.expose().as_bytes();
                let too_long = bytes.len() > PASSWORD_BYTES_MAX;
                let bytes = if too_long { &[][..] } else { bytes };
                match known.filter(|_| !too_long) {
                    Some(known) if known.is_of(bytes)? => Ok(match known.is_weaker_than(work) {
                        true => Verdict::RightButWeak,
                        false => Verdict::Right,
                    }),
                    Some(_) => Ok(Verdict::Wrong),
                    None => stored::spend(work, bytes).map(|()| Verdict::Wrong),
                }
            })
            .await
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    const BCRYPT: &str = "$2y$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";

    #[tokio::test]
    async fn whatever_is_known_a_check_is_one_hash() {
        let hasher = Hasher::new(Work::LEAST, 0);
        let place = hasher.place().unwrap();
        let own = place.hash(&Secret::from("right")).await.unwrap();
        let (long, bcrypt, broken) =
            ("x".repeat(PASSWORD_BYTES_MAX + 1), Secret::from(BCRYPT), Secret::from("hunter2"));
        for (password, stored, expected) in [
            ("right", Some(&own), Verdict::Right),
            ("wrong", Some(&own), Verdict::Wrong),
            ("right", None, Verdict::Wrong),
            ("hunter2", Some(&broken), Verdict::Wrong),
            (long.as_str(), Some(&own), Verdict::Wrong),
            ("U*U", Some(&bcrypt), Verdict::RightButWeak),
            ("U*V", Some(&bcrypt), Verdict::Wrong),
        ] {
            let before = hasher.hashes();
            assert_eq!(place.verify(&Secret::from(password), stored).await.unwrap(), expected, "{stored:?}");
            assert_eq!(hasher.hashes() - before, 1);
        }
    }

    #[tokio::test]
    async fn a_hash_of_less_work_than_is_wanted_is_weak() {
        let hash = Hasher::new(Work::LEAST, 0).place().unwrap().hash(&Secret::from("right")).await.unwrap();
        let stronger = Hasher::new(Work::new(20 * 1024, 2, 1).unwrap(), 0);
        let verdict = stronger.place().unwrap().verify(&Secret::from("right"), Some(&hash)).await.unwrap();
        assert_eq!(verdict, Verdict::RightButWeak);
    }

    #[test]
    fn who_finds_no_place_is_told_when_to_come_again() {
        let hasher = Hasher::new(Work::LEAST, 1);
        let places: Vec<_> = (0..AT_ONCE + 1).map(|_| hasher.place().unwrap()).collect();
        let error = hasher.place().unwrap_err();
        assert_eq!((error.kind(), error.retry_after()), (ErrorKind::Busy, Some(COME_AGAIN)));
        assert!(error.is_retryable());
        drop(places);
        assert!(hasher.place().is_ok());
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn never_are_more_than_two_at_work() {
        let hasher = Arc::new(Hasher::new(Work::LEAST, 64));
        let (now, most) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let all: Vec<_> = (0..64)
            .map(|_| {
                let (hasher, now, most) = (Arc::clone(&hasher), Arc::clone(&now), Arc::clone(&most));
                tokio::spawn(async move {
                    let _place = hasher.place().unwrap();
                    let work = move || {
                        most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        std::thread::yield_now();
                        now.fetch_sub(1, Ordering::SeqCst);
                        Ok(())
                    };
                    hasher.run(work).await.unwrap();
                })
            })
            .collect();
        for one in all {
            one.await.unwrap();
        }
        assert!((1..=AT_ONCE as u64).contains(&most.load(Ordering::SeqCst)), "{most:?}");
    }
}

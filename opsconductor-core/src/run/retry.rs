//! Whether and when a task that failed is tried again: pure arithmetic.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How long the second attempt waits when the step does not say.
pub const BACKOFF_SEC_DEFAULT: u32 = 1;
/// The longest an attempt waits when the step does not say.
pub const BACKOFF_SEC_MAX_DEFAULT: u32 = 300;

/// How often a step is tried again, and after what.
///
/// Only a failure of which it is known that it is one counts here; what becomes of a step whose outcome is unknown is for
/// [`OnLost`](super::plan::OnLost) to say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retry {
    /// How many attempts there are in all, those among them that ended because a worker was shut down or died.
    pub max_attempts: u32,
    /// How long the second attempt waits; each further one waits twice as long.
    pub backoff_sec: u32,
    /// The longest that one waits.
    pub max_backoff_sec: u32,
    /// The failures after which it is tried again.
    pub on: Vec<RetryOn>,
}

/// A kind of failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum RetryOn {
    /// It ran and failed: an exit code, a status that was not expected.
    Failure,
    /// Its target could not be reached, and nothing was sent.
    Connection,
    /// It was stopped at its time-out, and is known to have stopped.
    Timeout,
}

impl RetryOn {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Failure, Self::Connection, Self::Timeout];

    /// The name in job definitions.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Failure => "failure",
            Self::Connection => "connection",
            Self::Timeout => "timeout",
        }
    }
}

impl Retry {
    /// How long to wait before the attempt after number `attempt`, if there is one after this failure. `chance` spreads
    /// tasks that failed together: each waits between half of the time and all of it.
    pub fn delay(&self, failure: RetryOn, attempt: u32, chance: u64) -> Option<Duration> {
        if attempt >= self.max_attempts || !self.on.contains(&failure) {
            return None;
        }
        let doublings = attempt.saturating_sub(1).min(32);
        let longest = u64::from(self.max_backoff_sec) * 1_000;
        let whole = (u64::from(self.backoff_sec) * 1_000).saturating_mul(1 << doublings).min(longest);
        let less = if whole > 1 { mixed(chance ^ u64::from(attempt)) % (whole / 2 + 1) } else { 0 };
        Some(Duration::from_millis(whole - less))
    }
}

/// A number that looks as if by chance and is the same for the same input: the finalizer of SplitMix64.
fn mixed(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn retry(on: &[RetryOn]) -> Retry {
        Retry { max_attempts: 5, backoff_sec: 2, max_backoff_sec: 9, on: on.to_vec() }
    }

    #[test]
    fn the_wait_doubles_up_to_its_bound_and_is_cut_by_half_at_most() {
        let retry = retry(&[RetryOn::Failure]);
        for chance in 0..1_000 {
            for (attempt, whole) in [(1, 2_000), (2, 4_000), (3, 8_000), (4, 9_000)] {
                let delay = retry.delay(RetryOn::Failure, attempt, chance);
                let millis = delay.map_or(0, |delay| delay.as_millis());
                assert!((whole / 2..=whole).contains(&millis), "attempt {attempt}: {millis} ms");
            }
        }
    }

    #[test]
    fn tasks_that_failed_together_are_spread() {
        let retry = retry(&[RetryOn::Failure]);
        let mut delays: Vec<_> = (0..100).map(|task| retry.delay(RetryOn::Failure, 1, task)).collect();
        delays.sort();
        delays.dedup();
        assert!(delays.len() > 80, "{}", delays.len());
    }

    #[test]
    fn the_last_attempt_is_the_last() {
        let retry = retry(&RetryOn::ALL);
        assert!(retry.delay(RetryOn::Failure, 4, 0).is_some());
        assert_eq!(retry.delay(RetryOn::Failure, 5, 0), None);
        assert_eq!(retry.delay(RetryOn::Failure, u32::MAX, 0), None);
    }

    #[test]
    fn only_what_is_named_is_tried_again() {
        let retry = retry(&[RetryOn::Connection]);
        assert!(retry.delay(RetryOn::Connection, 1, 0).is_some());
        assert_eq!(retry.delay(RetryOn::Failure, 1, 0), None);
        assert_eq!(retry.delay(RetryOn::Timeout, 1, 0), None);
    }

    #[test]
    fn the_greatest_numbers_do_not_overflow() {
        let retry = Retry {
            max_attempts: u32::MAX,
            backoff_sec: u32::MAX,
            max_backoff_sec: u32::MAX,
            on: vec![RetryOn::Failure],
        };
        let longest = Duration::from_secs(u32::MAX.into());
        let delay = retry.delay(RetryOn::Failure, u32::MAX - 1, u64::MAX);
        assert!(delay.is_some_and(|delay| delay <= longest && delay >= longest / 2));
        let at_once = Retry { backoff_sec: 0, ..retry };
        assert_eq!(at_once.delay(RetryOn::Failure, 1, 7), Some(Duration::ZERO));
    }
}

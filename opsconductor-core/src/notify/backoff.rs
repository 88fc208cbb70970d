//! When a notification that was not taken is tried again.

use std::time::Duration;

/// How often a notification is tried before it is given up: over a bit more than three hours.
pub const ATTEMPTS_MAX: u32 = 12;

/// The longest that a receiver may ask for.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(6 * 3_600);

const FIRST: Duration = Duration::from_secs(10);

const LONGEST: Duration = Duration::from_secs(3_600);

/// How long to wait after the attempt with this number: twice as long each time, up to an hour; longer where the receiver asks for
/// it, within a bound.
pub fn wait_after(attempt: u32, asked: Option<Duration>) -> Duration {
    let doubled = FIRST.saturating_mul(1_u32.checked_shl(attempt.saturating_sub(1)).unwrap_or(u32::MAX));
    doubled.min(LONGEST).max(asked.unwrap_or_default().min(RETRY_AFTER_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_an_hour_and_a_receiver_is_listened_to_within_bounds() {
        let seconds = |attempt| wait_after(attempt, None).as_secs();
        assert_eq!(
            [1, 2, 3, 9, 10, 11, 40, u32::MAX].map(seconds),
            [10, 20, 40, 2_560, 3_600, 3_600, 3_600, 3_600]
        );
        let asked = |secs| wait_after(1, Some(Duration::from_secs(secs))).as_secs();
        assert_eq!([asked(3), asked(120), asked(u64::MAX)], [10, 120, RETRY_AFTER_MAX.as_secs()]);
    }
}

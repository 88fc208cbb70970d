//! When things are to be done: cron expressions in time zones.
//!
//! # Expressions
//!
//! Five fields: minute (0–59), hour (0–23), day of month (1–31), month (1–12 or `JAN`–`DEC`), day of week (0–7 or `SUN`–`SAT`; 0 and 7 are
//! Sunday). Each is `*`, a number, a range `1-5`, a step `*/15` or `8-18/2`, or a list of these with commas. There are no seconds and no
//! years. Beside them:
//!
//! | written | means |
//! |---|---|
//! | `L` as day of month | the last day |
//! | `15W`, `LW` | the day from Monday to Friday nearest to the 15th, or to the last day, in the same month |
//! | `5L`, `FRI#L` as day of week | the last Friday of the month |
//! | `5#2` | the second Friday of the month |
//! | `?` as one of the days | as `*` |
//! | `@hourly` `@daily` `@midnight` `@weekly` `@monthly` `@yearly` `@annually` | on the hour, at midnight, … |
//!
//! Where both the day of month and the day of week are given, either will do. What never comes, as `0 0 31 2 *`, is an error.
//!
//! # When clocks are changed
//!
//! An hour that is written as numbers means **times of day**, and each comes once a day:
//!
//! * In the gap when clocks are set forward, times that do not exist come together, once, when the gap ends: `15,45 2 * * *` in
//!   `America/New_York` fires at 03:00 on 9 March 2025. A time of the expression at that very moment is the same fire.
//! * In the overlap when clocks are set back, a time that comes twice fires the first time alone.
//!
//! An hour with a wildcard or a step (`*`, `*/2`, `8-18/2`) means **intervals**, which keep to the time that passes: every minute that
//! passes fires if the clock on the wall then shows a time that is meant. `*/30 * * * *` fires every thirty minutes through both changes: nothing is made up for
//! in the gap, and an hour that comes twice fires twice. `0-23` is written as numbers, so it means times of day.
//!
//! ```
//! use opsconductor_core::schedule::next_fires;
//!
//! let after = "2025-03-09T00:00:00-05:00".parse()?;
//! let fires = next_fires("15,45 2 * * *", "America/New_York", after, 3)?;
//! let shown: Vec<_> = fires.iter().map(|fire| fire.to_rfc3339()).collect();
//! assert_eq!(shown, ["2025-03-09T03:00:00-04:00", "2025-03-10T02:15:00-04:00", "2025-03-10T02:45:00-04:00"]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod cron;
mod field;
#[cfg(test)]
mod tests;
mod timing;
mod zone;

use chrono::{DateTime, FixedOffset};

pub use cron::Cron;
pub use timing::{Fire, Shift, Timing};

use crate::{Error, ErrorKind, Result, clock::Timestamp};

/// The most fires that are given at a time.
pub const FIRES_MAX: usize = 10_000;

/// The next `count` times at which `cron` fires in `timezone`, after `after`.
///
/// # Errors
///
/// `Schedule` for an expression that does not hold or never comes, for a zone that does not exist, and for more than
/// [`FIRES_MAX`] times.
pub fn next_fires(
    cron: &str,
    timezone: &str,
    after: Timestamp,
    count: usize,
) -> Result<Vec<DateTime<FixedOffset>>> {
    Ok(preview(cron, timezone, after, count)?.into_iter().map(|fire| fire.at).collect())
}

/// The same with what a change of the clocks does to each.
///
/// # Errors
///
/// As [`next_fires`].
pub fn preview(cron: &str, timezone: &str, after: Timestamp, count: usize) -> Result<Vec<Fire>> {
    let timing = Timing::new(cron, timezone)?;
    if count > FIRES_MAX {
        let message = format!("at most {FIRES_MAX} times are given at once");
        return Err(Error::new(ErrorKind::Schedule, message).with("count", count));
    }
    Ok(timing.after(after).take(count).collect())
}

//! A cron expression, and the wall-clock times that it means.

use std::fmt;

use chrono::{Datelike, Days, NaiveDate, NaiveDateTime, NaiveTime, Timelike, Weekday};

use super::field::{DAY, HOUR, MINUTE, MONTH, WEEKDAY, digits};
use crate::{Error, ErrorKind, Result};

/// The longest expression, in bytes.
const TEXT_BYTES_MAX: usize = 1_000;

/// After so many days the calendar repeats itself, weekdays included: what does not come within them never comes.
const CALENDAR_DAYS: u64 = 146_097;

/// A cron expression with five fields: minute, hour, day of month, month, day of week.
///
/// It knows wall-clock times alone; [`Timing`](super::Timing) knows when they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cron {
    text: String,
    minutes: u64,
    hours: u64,
    months: u64,
    days: MonthDays,
    weekdays: WeekDays,
    every_hour: bool,
}

/// Days as they are counted in a month.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct MonthDays {
    /// The field is `*`.
    all: bool,
    set: u64,
    /// `15W`: the working day nearest to the 15th, in the same month.
    nearest_working: u64,
    /// `L`.
    last: bool,
    /// `LW`.
    last_working: bool,
}

/// Days of the week, 0 for Sunday.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct WeekDays {
    all: bool,
    set: u64,
    /// `5L`: the last Friday of the month.
    last: u64,
    /// `5#2`: the second Friday of the month, in `nth[1]`.
    nth: [u64; 5],
}

impl Cron {
    /// Reads an expression.
    ///
    /// # Errors
    ///
    /// `Schedule`, saying which field is at fault and why, also for an expression that never comes, as `0 0 31 2 *`.
    pub fn parse(text: &str) -> Result<Self> {
        if text.len() > TEXT_BYTES_MAX {
            let message = format!("a cron expression has at most {TEXT_BYTES_MAX} bytes");
            return Err(Error::new(ErrorKind::Schedule, message));
        }
        let fields: Vec<&str> = match text.trim() {
            name if name.starts_with('@') => named(name)?.split(' ').collect(),
            fields => fields.split_whitespace().collect(),
        };
        let [minute, hour, day, month, weekday] = fields[..] else {
            let message = "a cron expression has five fields: minute, hour, day of month, month, day of week; it has no seconds and no years";
            return Err(Error::new(ErrorKind::Schedule, message).with("fields", fields.len()));
        };
        let cron = Self {
            text: text.trim().to_owned(),
            minutes: MINUTE.set(minute)?,
            hours: HOUR.set(hour)?,
            months: MONTH.set(month)?,
            days: MonthDays::parse(day)?,
            weekdays: WeekDays::parse(weekday)?,
            every_hour: hour.contains(['*', '/']),
        };
        // Any place in the calendar will do: it repeats itself.
        match cron.next(NaiveDateTime::default()) {
            Some(_) => Ok(cron),
            None => {
                let message = "the schedule never comes: no month has such a day";
                Err(Error::new(ErrorKind::Schedule, message).with("cron", cron.text))
            }
        }
    }

    /// The expression as it was given.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the hour is a wildcard or has a step, so that it tells intervals rather than times of day.
    pub fn is_interval(&self) -> bool {
        self.every_hour
    }

    /// Whether it means this minute.
    pub fn matches(&self, local: NaiveDateTime) -> bool {
        has(self.minutes, local.minute()) && has(self.hours, local.hour()) && self.matches_date(local.date())
    }

    /// The first minute that it means after `local`.
    pub(super) fn next(&self, local: NaiveDateTime) -> Option<NaiveDateTime> {
        let mut date = local.date();
        let mut earliest = Some((local.hour(), local.minute() + 1));
        for _ in 0..=CALENDAR_DAYS {
            if !has(self.months, date.month()) {
                // No day of this month; what is left of it is passed over.
                date = first_of_next_month(date)?;
                earliest = None;
                continue;
            }
            if self.matches_date(date)
                && let Some(time) = self.next_time(earliest.unwrap_or((0, 0)))
            {
                return Some(date.and_time(time));
            }
            date = date.checked_add_days(Days::new(1))?;
            earliest = None;
        }
        None
    }

    /// The first time of a day that is not before (hour, minute).
    fn next_time(&self, (hour, minute): (u32, u32)) -> Option<NaiveTime> {
        let in_hour = |hour: u32, from: u32| {
            let minute = (from..60).find(|minute| has(self.minutes, *minute))?;
            NaiveTime::from_hms_opt(hour, minute, 0)
        };
        let this = has(self.hours, hour).then(|| in_hour(hour, minute)).flatten();
        this.or_else(|| in_hour((hour + 1..24).find(|hour| has(self.hours, *hour))?, 0))
    }

    fn matches_date(&self, date: NaiveDate) -> bool {
        if !has(self.months, date.month()) {
            return false;
        }
        match (self.days.all, self.weekdays.all) {
            (true, true) => true,
            (true, false) => self.weekdays.matches(date),
            (false, true) => self.days.matches(date),
            (false, false) => self.days.matches(date) || self.weekdays.matches(date),
        }
    }
}

impl fmt::Display for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl MonthDays {
    fn parse(text: &str) -> Result<Self> {
        if matches!(text, "*" | "?") {
            return Ok(Self { all: true, ..Self::default() });
        }
        let mut days = Self::default();
        for part in text.split(',') {
            let upper = part.to_ascii_uppercase();
            match (upper.as_str(), upper.strip_suffix('W')) {
                ("L", _) => days.last = true,
                ("LW", _) => days.last_working = true,
                (_, Some(day)) => days.nearest_working |= 1 << DAY.number(day)?,
                _ => days.set |= DAY.part(part)?,
            }
        }
        Ok(days)
    }

    fn matches(&self, date: NaiveDate) -> bool {
        let (day, length) = (date.day(), u32::from(date.num_days_in_month()));
        has(self.set, day)
            || self.last && day == length
            || self.last_working && nearest_working(date, length) == Some(day)
            || (1..=length)
                .filter(|wanted| has(self.nearest_working, *wanted))
                .any(|wanted| nearest_working(date, wanted) == Some(day))
    }
}

impl WeekDays {
    fn parse(text: &str) -> Result<Self> {
        if matches!(text, "*" | "?") {
            return Ok(Self { all: true, ..Self::default() });
        }
        let mut days = Self::default();
        for part in text.split(',') {
            if let Some((weekday, nth)) = part.split_once('#') {
                let set = sundays(WEEKDAY.part(weekday)?);
                match digits(nth) {
                    Some(nth @ 1..=5) => days.nth[nth as usize - 1] |= set,
                    _ if nth.eq_ignore_ascii_case("L") => days.last |= set,
                    _ => {
                        return Err(
                            WEEKDAY.fault(part, "after # comes a number from 1 to 5, or L for the last")
                        );
                    }
                }
            } else if let Some(weekday) = part.strip_suffix(['L', 'l']) {
                if weekday.is_empty() {
                    return Err(WEEKDAY
                        .fault(part, "L needs a day before it, as 5L for the last Friday of the month"));
                }
                days.last |= sundays(1 << WEEKDAY.number(weekday)?);
            } else {
                days.set |= sundays(WEEKDAY.part(part)?);
            }
        }
        Ok(days)
    }

    fn matches(&self, date: NaiveDate) -> bool {
        let weekday = date.weekday().num_days_from_sunday();
        has(self.set, weekday)
            || has(self.nth[date.day0() as usize / 7], weekday)
            || has(self.last, weekday) && date.day() + 7 > u32::from(date.num_days_in_month())
    }
}

/// The day from Monday to Friday that is nearest to the day `wanted` of the month of `date`, in that month.
fn nearest_working(date: NaiveDate, wanted: u32) -> Option<u32> {
    let length = u32::from(date.num_days_in_month());
    Some(match date.with_day(wanted)?.weekday() {
        Weekday::Sat if wanted == 1 => 3,
        Weekday::Sat => wanted - 1,
        Weekday::Sun if wanted == length => wanted - 2,
        Weekday::Sun => wanted + 1,
        _ => wanted,
    })
}

/// Lets 7 be 0.
fn sundays(set: u64) -> u64 {
    (set | set >> 7) & 0x7f
}

fn has(set: u64, number: u32) -> bool {
    set >> number & 1 == 1
}

fn first_of_next_month(date: NaiveDate) -> Option<NaiveDate> {
    date.with_day(1)?.checked_add_days(Days::new(u64::from(date.num_days_in_month())))
}

/// What a name stands for.
fn named(name: &str) -> Result<&'static str> {
    Ok(match name.to_ascii_lowercase().as_str() {
        "@yearly" | "@annually" => "0 0 1 1 *",
        "@monthly" => "0 0 1 * *",
        "@weekly" => "0 0 * * 0",
        "@daily" | "@midnight" => "0 0 * * *",
        "@hourly" => "0 * * * *",
        _ => {
            let message = "there is no such name; there are @hourly, @daily, @midnight, @weekly, @monthly, @yearly and @annually";
            return Err(Error::new(ErrorKind::Schedule, message).with("given", name));
        }
    })
}

//! When the wall-clock times of a cron expression are, in a zone whose clocks are changed.

use chrono::{DateTime, FixedOffset, MappedLocalTime, NaiveDateTime, Offset, TimeDelta, TimeZone, Timelike};
use chrono_tz::Tz;

use super::{cron::Cron, zone::zone};
use crate::{Result, clock::Timestamp};

/// No zone differs more from another offset of its own, with some room.
const OFFSETS_APART: TimeDelta = TimeDelta::hours(30);

/// Clocks are not changed twice within so long.
const BETWEEN_CHANGES: TimeDelta = TimeDelta::hours(6);

/// A cron expression in a time zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timing {
    cron: Cron,
    zone: Tz,
}

/// One time at which a schedule fires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fire {
    /// The moment, with the offset that clocks have there and then.
    pub at: DateTime<FixedOffset>,
    /// Why it is not simply the time that was written, if so.
    pub shift: Option<Shift>,
}

/// What a change of the clocks does to a time that was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Shift {
    /// The time does not exist on that day: it comes when the gap ends.
    Gap {
        /// The first time that was written and does not exist.
        wanted: NaiveDateTime,
    },
    /// The time comes twice on that day: this is the first.
    Overlap,
}

impl Shift {
    /// The sentence for people.
    pub fn note(&self) -> String {
        match self {
            Self::Gap { wanted } => {
                let wanted = wanted.format("%H:%M");
                format!(
                    "{wanted} does not exist on this day, because clocks are set forward: it fires when they have been"
                )
            }
            Self::Overlap => {
                "the time comes twice on this day, because clocks are set back: it fires the first time alone"
                    .to_owned()
            }
        }
    }
}

impl Timing {
    /// The expression `cron` in the zone called `timezone`.
    ///
    /// # Errors
    ///
    /// `Schedule` for an expression that does not hold or never comes, and for a zone that does not exist, with one that has a
    /// similar name.
    pub fn new(cron: &str, timezone: &str) -> Result<Self> {
        Ok(Self { cron: Cron::parse(cron)?, zone: zone(timezone)? })
    }

    /// The expression.
    pub fn cron(&self) -> &Cron {
        &self.cron
    }

    /// The name of the zone.
    pub fn timezone(&self) -> &'static str {
        self.zone.name()
    }

    /// The first fire after `after`. `None` only where the calendar of this program ends.
    pub fn next(&self, after: Timestamp) -> Option<Fire> {
        if self.cron.is_interval() { self.next_interval(after) } else { self.next_fixed(after) }
    }

    /// Fires after `after`, one after the other.
    pub fn after(&self, after: Timestamp) -> impl Iterator<Item = Fire> + '_ {
        let mut last = Some(after);
        std::iter::from_fn(move || {
            let fire = self.next(last?);
            last = fire.map(|fire| fire.at.to_utc());
            fire
        })
    }

    /// Times of day: each once, on a day on which it does not exist or comes twice too.
    fn next_fixed(&self, after: Timestamp) -> Option<Fire> {
        // A later time on the wall never comes earlier, so nothing up to `local` can come after `after`.
        let mut local = self.local(after)?;
        loop {
            local = self.cron.next(local)?;
            let (at, shift) = match self.zone.from_local_datetime(&local) {
                MappedLocalTime::Single(at) => (at.to_utc(), None),
                MappedLocalTime::Ambiguous(first, second) => {
                    (first.min(second).to_utc(), Some(Shift::Overlap))
                }
                MappedLocalTime::None => (self.gap_end(local)?, Some(Shift::Gap { wanted: local })),
            };
            if at > after {
                return Some(self.fire(at, shift));
            }
        }
    }

    /// Intervals: each minute that passes and whose time on the wall is meant.
    fn next_interval(&self, after: Timestamp) -> Option<Fire> {
        let mut passed = after;
        loop {
            let offset = self.offset(passed);
            let found = self.cron.next(passed.naive_utc().checked_add_signed(offset)?)?;
            let at = found.checked_sub_signed(offset)?.and_utc();
            // Beyond this no time before `passed` comes again.
            let watched = at.min(passed.checked_add_signed(OFFSETS_APART)?);
            match self.change(passed, watched) {
                None if watched == at => return Some(self.fire(at, None)),
                None => passed = watched.max(at.checked_sub_signed(OFFSETS_APART * 2)?),
                Some(change) => {
                    let local = self.local(change)?;
                    if local.second() == 0 && self.cron.matches(local) {
                        return Some(self.fire(change, None));
                    }
                    passed = change;
                }
            }
        }
    }

    /// The first moment after `from`, and not after `to`, at which clocks have another offset than at `from`.
    fn change(&self, from: Timestamp, to: Timestamp) -> Option<Timestamp> {
        let offset = self.offset(from);
        let mut same = from;
        while same < to {
            let probe = same.checked_add_signed(BETWEEN_CHANGES)?.min(to);
            if self.offset(probe) != offset {
                return Some(first_second(same, probe, |moment| self.offset(moment) != offset));
            }
            same = probe;
        }
        None
    }

    /// When the gap ends in which `local` would be.
    fn gap_end(&self, local: NaiveDateTime) -> Option<Timestamp> {
        let before = local.and_utc().checked_sub_signed(OFFSETS_APART)?;
        let behind = local.and_utc().checked_add_signed(OFFSETS_APART)?;
        Some(first_second(before, behind, |moment| moment.naive_utc() + self.offset(moment) > local))
    }

    fn local(&self, moment: Timestamp) -> Option<NaiveDateTime> {
        moment.naive_utc().checked_add_signed(self.offset(moment))
    }

    fn offset(&self, moment: Timestamp) -> TimeDelta {
        let offset = self.zone.offset_from_utc_datetime(&moment.naive_utc()).fix();
        TimeDelta::seconds(offset.local_minus_utc().into())
    }

    fn fire(&self, at: Timestamp, shift: Option<Shift>) -> Fire {
        Fire { at: at.with_timezone(&self.zone).fixed_offset(), shift }
    }
}

/// The first whole second in (`no`, `yes`] for which `holds`, if it holds from there on.
fn first_second(no: Timestamp, yes: Timestamp, holds: impl Fn(Timestamp) -> bool) -> Timestamp {
    let (mut no, mut yes) = (no.timestamp(), yes.timestamp());
    let moment = |second: i64| DateTime::from_timestamp(second, 0).unwrap_or(Timestamp::MAX_UTC);
    while yes - no > 1 {
        let middle = no + (yes - no) / 2;
        if holds(moment(middle)) { yes = middle } else { no = middle }
    }
    moment(yes)
}

//! How a limit stands at a moment: the arithmetic that every store shares.

use super::limits::{Limit, Rate};

/// A limit with what is under way. Times are microseconds since 1970, by the store's clock.
///
/// A rate is kept as one number, the moment at which the next start would come if all were spread evenly (GCRA): a store
/// keeps it in the limit's row and counts nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gate {
    /// What is allowed.
    pub limit: Limit,
    /// Whether it is paused.
    pub paused: bool,
    /// How many tasks run.
    pub running: u32,
    /// When the next start would come; none before the first.
    pub next_start: Option<i64>,
}

/// Whether a task may pass a [`Gate`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Passage {
    /// It may.
    Open,
    /// Not before this moment.
    From(i64),
    /// Not before something ends, is resumed or is changed.
    Shut,
}

impl Gate {
    /// Whether a task may start at `now`.
    pub fn passage(&self, now: i64) -> Passage {
        if self.paused || self.limit.running.is_some_and(|most| self.running >= most) {
            return Passage::Shut;
        }
        match self.free_from() {
            Some(from) if from > now => Passage::From(from),
            _ => Passage::Open,
        }
    }

    /// Takes note of a start.
    pub fn start(&mut self, now: i64) {
        self.running = self.running.saturating_add(1);
        if let Some(rate) = &self.limit.rate {
            let due = self.next_start.map_or(now, |at| at.max(now));
            self.next_start = Some(due.saturating_add(interval(rate)));
        }
    }

    /// How many tasks may start at `now`, `u32::MAX` for no limit.
    pub fn room(&self, now: i64) -> u32 {
        if self.paused {
            return 0;
        }
        let slots = self.limit.running.map_or(u32::MAX, |most| most.saturating_sub(self.running));
        let Some(rate) = &self.limit.rate else { return slots };
        let step = interval(rate);
        let due = self.next_start.map_or(now, |at| at.max(now));
        let spare = now.saturating_add(lead(rate)).saturating_sub(due);
        let starts = if spare < 0 { 0 } else { spare / step + 1 };
        slots.min(u32::try_from(starts).unwrap_or(u32::MAX))
    }

    /// From when on the rate lets a task start.
    fn free_from(&self) -> Option<i64> {
        let rate = self.limit.rate.as_ref()?;
        Some(self.next_start?.saturating_sub(lead(rate)))
    }
}

impl Passage {
    /// The one of two that keeps a task longer.
    #[must_use]
    pub fn longer(self, other: Self) -> Self {
        match (self, other) {
            (Self::Shut, _) | (_, Self::Shut) => Self::Shut,
            (Self::From(a), Self::From(b)) => Self::From(a.max(b)),
            (Self::From(at), Self::Open) | (Self::Open, Self::From(at)) => Self::From(at),
            (Self::Open, Self::Open) => Self::Open,
        }
    }
}

/// From one start to the next, in microseconds; rounded up, so that a rate is never passed.
fn interval(rate: &Rate) -> i64 {
    let micros = rate.per.as_micros().div_ceil(u128::from(rate.starts.max(1)));
    i64::try_from(micros).unwrap_or(i64::MAX).max(1)
}

/// How far before its even moment a start may come.
fn lead(rate: &Rate) -> i64 {
    interval(rate).saturating_mul(i64::from(rate.burst.max(1)) - 1)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn gate(limit: Limit) -> Gate {
        Gate { limit, paused: false, running: 0, next_start: None }
    }

    /// How many of a thousand that want to start at each of `moments` do.
    fn starts(mut gate: Gate, moments: impl Iterator<Item = i64>) -> Vec<u32> {
        let at = |gate: &mut Gate, now| {
            let (expected, mut count) = (gate.room(now), 0);
            while count < 1_000 && gate.passage(now) == Passage::Open {
                gate.start(now);
                count += 1;
            }
            assert_eq!(count, expected, "room and passage agree at {now}");
            count
        };
        moments.map(|now| at(&mut gate, now)).collect()
    }

    #[test]
    fn slots_are_given_out_once() {
        assert_eq!(starts(gate(Limit::running(3)), [0, 1].into_iter()), [3, 0]);
        let full = Gate { running: 5, ..gate(Limit::running(3)) };
        assert_eq!((full.room(0), full.passage(0)), (0, Passage::Shut), "the limit was lowered");
        let paused = Gate { paused: true, ..gate(Limit::running(3)) };
        assert_eq!((paused.room(0), paused.passage(0)), (0, Passage::Shut));
    }

    #[test]
    fn a_rate_spreads_its_starts() {
        // Three in ten microseconds: one each four, because a rate is never passed.
        let limit = Limit::rate(3, Duration::from_micros(10));
        assert_eq!(starts(gate(limit), 100..110), [1, 0, 0, 0, 1, 0, 0, 0, 1, 0]);
        let mut spent = gate(limit);
        spent.start(100);
        assert_eq!(spent.passage(101), Passage::From(104));
    }

    #[test]
    fn a_burst_comes_after_a_quiet_time_and_once() {
        let rate = Rate { starts: 1, per: Duration::from_micros(10), burst: 3 };
        let limit = Limit { running: None, rate: Some(rate) };
        let moments = [0, 5, 10, 19, 20, 100, 100, 110].into_iter();
        assert_eq!(starts(gate(limit), moments), [3, 0, 1, 0, 1, 3, 0, 1]);
    }

    #[test]
    fn what_keeps_longest_counts() {
        use Passage::{From, Open, Shut};
        assert_eq!(Open.longer(From(3)), From(3));
        assert_eq!(From(4).longer(From(3)), From(4));
        assert_eq!(From(4).longer(Shut), Shut);
        assert_eq!(Open.longer(Open), Open);
    }

    #[test]
    fn extremes_do_not_overflow() {
        let rate = Rate { starts: 1, per: Duration::from_secs(366 * 24 * 60 * 60), burst: u32::MAX };
        let limit = Limit { running: Some(u32::MAX), rate: Some(rate) };
        let far = Gate { next_start: Some(i64::MAX), ..gate(Limit::rate(1, rate.per)) };
        assert_eq!(far.room(0), 0);
        let mut early = Gate { next_start: Some(i64::MIN), ..gate(limit) };
        early.start(i64::MAX - 1);
        assert!(early.room(i64::MAX) > 0);
    }
}

//! One field of a cron expression: numbers, names, ranges, lists and steps as a set of bits.

use crate::{Error, ErrorKind, Result};

/// What a field may hold.
pub(super) struct Field {
    /// What messages call it.
    pub(super) name: &'static str,
    pub(super) min: u32,
    pub(super) max: u32,
    /// Three letters each, the first for `first_name`.
    pub(super) names: &'static [&'static str],
    pub(super) first_name: u32,
}

pub(super) const MINUTE: Field = Field { name: "minute", min: 0, max: 59, names: &[], first_name: 0 };
pub(super) const HOUR: Field = Field { name: "hour", min: 0, max: 23, names: &[], first_name: 0 };
pub(super) const DAY: Field = Field { name: "day of month", min: 1, max: 31, names: &[], first_name: 0 };
pub(super) const MONTH: Field = Field {
    name: "month",
    min: 1,
    max: 12,
    names: &["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"],
    first_name: 1,
};
/// 0 and 7 are Sunday.
pub(super) const WEEKDAY: Field = Field {
    name: "day of week",
    min: 0,
    max: 7,
    names: &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"],
    first_name: 0,
};

impl Field {
    /// The set of a list of numbers, ranges and steps, one bit for each number.
    pub(super) fn set(&self, text: &str) -> Result<u64> {
        text.split(',').try_fold(0, |set, part| Ok(set | self.part(part)?))
    }

    /// The set of one part of such a list.
    pub(super) fn part(&self, part: &str) -> Result<u64> {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, Some(self.step(step)?)),
            None => (part, None),
        };
        let (first, last) = match range.split_once('-') {
            _ if range == "*" => (self.min, self.last()),
            Some((first, last)) => (self.number(first)?, self.end(last)?),
            None if step.is_some() => {
                let message = format!(
                    "a step needs * or a range before it, as in {range}-{}/{}",
                    self.last(),
                    step.unwrap_or(1)
                );
                return Err(self.fault(part, &message));
            }
            None => {
                let only = self.number(range)?;
                (only, only)
            }
        };
        if first > last {
            return Err(self.fault(part, "the range ends before it begins; write it as two, with a comma"));
        }
        let numbers = (first..=last).step_by(step.unwrap_or(1) as usize);
        Ok(numbers.fold(0, |set, number| set | 1 << number))
    }

    /// The last number that `*` stands for: the second Sunday is the first again.
    fn last(&self) -> u32 {
        if self.max == WEEKDAY.max { 6 } else { self.max }
    }

    fn step(&self, text: &str) -> Result<u32> {
        let most = self.last() - self.min;
        match digits(text) {
            Some(step) if (1..=most).contains(&step) => Ok(step),
            _ => Err(self.fault(text, &format!("a step is a number from 1 to {most}"))),
        }
    }

    /// The end of a range: a Sunday there is the one at the end of the week.
    fn end(&self, text: &str) -> Result<u32> {
        let number = self.number(text)?;
        Ok(if self.max == WEEKDAY.max && number == 0 && digits(text).is_none() { 7 } else { number })
    }

    /// A number or a name.
    pub(super) fn number(&self, text: &str) -> Result<u32> {
        let named =
            self.names.iter().zip(self.first_name..).find(|(name, _)| name.eq_ignore_ascii_case(text));
        match named.map(|(_, number)| number).or_else(|| digits(text)) {
            Some(number) if (self.min..=self.max).contains(&number) => Ok(number),
            _ => {
                let names = match (self.names.first(), self.names.last()) {
                    (Some(first), Some(last)) => format!(" or a name from {first} to {last}"),
                    _ => String::new(),
                };
                let message = format!("it is a number from {} to {}{names}", self.min, self.max);
                Err(self.fault(text, &message))
            }
        }
    }

    pub(super) fn fault(&self, part: &str, message: &str) -> Error {
        let message = format!("the {} of the schedule does not hold: {message}", self.name);
        Error::new(ErrorKind::Schedule, message).with("given", part.chars().take(100).collect::<String>())
    }
}

/// A number of digits alone.
pub(super) fn digits(text: &str) -> Option<u32> {
    let is_number = (1..=4).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten()
}

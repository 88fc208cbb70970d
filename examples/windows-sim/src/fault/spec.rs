//! Faults written as text, as the program's `--fault` takes them.

use std::{str::FromStr, time::Duration};

use super::{Fault, PlannedFault, When};
use crate::soap::action::Action;

/// The longest delay that can be asked for.
const DELAY_MAX: Duration = Duration::from_secs(24 * 3600);

/// Why a text is no fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FaultSpecError {
    /// There is no `=`.
    #[error("'{0}' has no '=': write WHEN=FAULT, for example receive:2=drop-after")]
    Shape(String),
    /// What stands before the `=` names no message.
    #[error("'{0}' is no message: use 'message' or one of {names}", names = names())]
    When(String),
    /// What stands after the `:` is no count.
    #[error("'{0}' is no count: use a number from 1 on, or '*' for each message of an action")]
    Count(String),
    /// What stands after the `=` names no fault.
    #[error(
        "'{0}' is no fault: use drop-before, drop-after, unauthorized, truncated, garbage, bad-seal, delay=TIME, reboot, \
         unavailable, too-large, refuse=NUMBER or refuse-wmi=NUMBER"
    )]
    Fault(String),
    /// A delay is no time.
    #[error("'{0}' is no time: use milliseconds or seconds up to a day, for example 250ms or 2s")]
    Time(String),
    /// A fault number is none.
    #[error("'{0}' is no fault number: use digits, or 0x and hexadecimal digits")]
    Number(String),
}

/// Reads `WHEN=FAULT`.
///
/// `WHEN` is `message` or an action's name (`create`, `receive`, …, and `negotiate` and `authenticate` for the two legs of
/// the handshake), then `:N` for the `N`th from now; `receive` alone is the next one, `receive:*` each. `FAULT` is
/// `drop-before`, `drop-after`, `unauthorized`, `truncated`, `garbage`, `bad-seal`, `delay=250ms`, `reboot`, `unavailable`,
/// `too-large`, `refuse=2150858843` or `refuse-wmi=0x80338029`.
impl FromStr for PlannedFault {
    type Err = FaultSpecError;

    fn from_str(text: &str) -> Result<Self, FaultSpecError> {
        let (when, fault) = text.split_once('=').ok_or_else(|| FaultSpecError::Shape(text.to_owned()))?;
        Ok(Self { when: self::when(when.trim())?, fault: self::fault(fault.trim())? })
    }
}

fn when(text: &str) -> Result<When, FaultSpecError> {
    let (name, count) = match text.split_once(':') {
        Some((name, count)) => (name, Some(count)),
        None => (text, None),
    };
    let number = |count: &str| match count.parse() {
        Ok(n) if n > 0 => Ok(n),
        _ => Err(FaultSpecError::Count(count.to_owned())),
    };
    if name == "message" {
        return number(count.unwrap_or("1")).map(When::Message);
    }
    let action = Action::from_name(name).ok_or_else(|| FaultSpecError::When(name.to_owned()))?;
    match count {
        None => Ok(When::Next(action)),
        Some("*") => Ok(When::Each(action)),
        Some(count) => number(count).map(|n| When::Nth(action, n)),
    }
}

fn fault(text: &str) -> Result<Fault, FaultSpecError> {
    let (name, value) = match text.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (text, None),
    };
    match (name, value) {
        ("drop-before", None) => Ok(Fault::DropBefore),
        ("drop-after", None) => Ok(Fault::DropAfter),
        ("unauthorized", None) => Ok(Fault::Unauthorized),
        ("truncated", None) => Ok(Fault::TruncatedBody),
        ("garbage", None) => Ok(Fault::Garbage),
        ("bad-seal", None) => Ok(Fault::BadSeal),
        ("delay", Some(value)) => time(value).map(Fault::Delay),
        ("reboot", None) => Ok(Fault::Reboot),
        ("unavailable", None) => Ok(Fault::Unavailable),
        ("too-large", None) => Ok(Fault::TooLarge),
        ("refuse", Some(value)) => number(value).map(Fault::Refuse),
        ("refuse-wmi", Some(value)) => number(value).map(Fault::RefuseWmi),
        _ => Err(FaultSpecError::Fault(text.to_owned())),
    }
}

fn time(text: &str) -> Result<Duration, FaultSpecError> {
    let read = |digits: &str, unit: fn(u64) -> Duration| digits.parse().ok().map(unit);
    let time = match (text.strip_suffix("ms"), text.strip_suffix('s')) {
        (Some(digits), _) => read(digits, Duration::from_millis),
        (None, Some(digits)) => read(digits, Duration::from_secs),
        (None, None) => None,
    };
    time.filter(|time| *time <= DELAY_MAX).ok_or_else(|| FaultSpecError::Time(text.to_owned()))
}

fn number(text: &str) -> Result<u32, FaultSpecError> {
    let number = match text.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16),
        None => text.parse(),
    };
    number.map_err(|_| FaultSpecError::Number(text.to_owned()))
}

fn names() -> String {
    Action::ALL.map(Action::name).join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_action_and_every_fault_can_be_written() {
        for action in Action::ALL {
            let read = format!("{}:2=drop-after", action.name()).parse();
            assert_eq!(read, Ok(PlannedFault { when: When::Nth(action, 2), fault: Fault::DropAfter }));
        }
        for (text, fault) in [
            ("drop-before", Fault::DropBefore),
            ("drop-after", Fault::DropAfter),
            ("unauthorized", Fault::Unauthorized),
            ("truncated", Fault::TruncatedBody),
            ("garbage", Fault::Garbage),
            ("bad-seal", Fault::BadSeal),
            ("delay=250ms", Fault::Delay(Duration::from_millis(250))),
            ("delay=2s", Fault::Delay(Duration::from_secs(2))),
            ("reboot", Fault::Reboot),
            ("unavailable", Fault::Unavailable),
            ("too-large", Fault::TooLarge),
            ("refuse=170", Fault::Refuse(170)),
            ("refuse-wmi=0x80338029", Fault::RefuseWmi(0x8033_8029)),
        ] {
            let read = format!("message:3={text}").parse();
            assert_eq!(read, Ok(PlannedFault { when: When::Message(3), fault }));
        }
    }

    #[test]
    fn a_fault_without_a_count_is_for_the_next_and_one_with_a_star_for_each() {
        let when = |text: &str| text.parse::<PlannedFault>().map(|planned| planned.when);
        assert_eq!(when("send=reboot"), Ok(When::Next(Action::Send)));
        assert_eq!(when("send:*=reboot"), Ok(When::Each(Action::Send)));
        assert_eq!(when("message=reboot"), Ok(When::Message(1)));
    }

    #[test]
    fn what_is_no_fault_is_refused_with_what_would_be_one() {
        for (text, says) in [
            ("receive", "has no '='"),
            ("receve=reboot", "negotiate, authenticate"),
            ("receive:0=reboot", "a number from 1 on"),
            ("message:*=reboot", "a number from 1 on"),
            ("receive=explode", "drop-before"),
            ("receive=reboot=1", "drop-before"),
            ("receive=delay", "delay=TIME"),
            ("receive=delay=5", "250ms"),
            ("receive=delay=9999999s", "250ms"),
            ("receive=refuse=x", "digits"),
            ("receive=refuse=0x1ffffffff", "digits"),
        ] {
            let error = text.parse::<PlannedFault>().map_err(|error| error.to_string());
            assert!(error.as_ref().is_err_and(|error| error.contains(says)), "{text}: {error:?}");
        }
    }
}

//! `xs:duration`, as the time-out headers and the shell's times are written.

use std::time::Duration;

/// Reads a duration of days and smaller units; years and months have no fixed length and are refused.
pub(crate) fn parse(text: &str) -> Option<Duration> {
    let rest = text.trim().strip_prefix('P')?;
    let (date, time) = match rest.split_once('T') {
        Some((date, time)) if !time.is_empty() => (date, time),
        Some(_) => return None,
        None => (rest, ""),
    };
    if date.is_empty() && time.is_empty() {
        return None;
    }
    let seconds = total(date, &[('D', 86_400.0)])? + total(time, &[('H', 3600.0), ('M', 60.0), ('S', 1.0)])?;
    Duration::try_from_secs_f64(seconds).ok()
}

/// Writes a duration as Windows writes a shell's time-out.
pub(crate) fn seconds(duration: Duration) -> String {
    format!("PT{}.{:03}S", duration.as_secs(), duration.subsec_millis())
}

/// Writes a duration as Windows writes a shell's age.
pub(crate) fn days(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    format!("P{days}DT{hours}H{minutes}M{}S", seconds % 60)
}

/// Adds up numbers with their units, which must come in the order given, each at most once.
fn total(mut text: &str, units: &[(char, f64)]) -> Option<f64> {
    let mut sum = 0.0;
    let mut units = units.iter();
    while !text.is_empty() {
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = text[..end].parse().ok()?;
        let unit = text[end..].chars().next()?;
        let (_, factor) = units.find(|(each, _)| *each == unit)?;
        sum += number * factor;
        text = &text[end + 1..];
    }
    Some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_as_clients_write_them_are_read() {
        for (text, seconds) in [
            ("PT20S", 20.0),
            ("PT60.000S", 60.0),
            ("P0DT0H1M0S", 60.0),
            ("P1DT1H", 90_000.0),
            ("PT0.5S", 0.5),
        ] {
            assert_eq!(parse(text), Some(Duration::from_secs_f64(seconds)), "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for text in ["", "P", "PT", "20", "PT20", "PTS", "P1Y", "-PT1S", "PT1S2M", "PT1.2.3S", "PT\u{e9}S"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn durations_are_written_as_windows_writes_them() {
        assert_eq!(seconds(Duration::from_secs(7200)), "PT7200.000S");
        assert_eq!(days(Duration::from_secs(90_061)), "P1DT1H1M1S");
    }
}

//! Dates and time spans.

use chrono::{Datelike, NaiveDate, NaiveDateTime, Timelike};

/// The short form a date has inside a string: invariant culture.
pub(in super::super) fn invariant(date: &NaiveDateTime) -> String {
    date.format("%m/%d/%Y %H:%M:%S").to_string()
}

/// What the formatter prints: `Sunday, November 22, 2026 9:05:00 PM`.
pub(in super::super) fn long(date: &NaiveDateTime) -> String {
    format_date(date, "dddd, MMMM d, yyyy h:mm:ss tt")
}

/// A date in a .NET format, standard (one letter) or custom.
pub(in super::super) fn format_date(date: &NaiveDateTime, format: &str) -> String {
    let standard = match format {
        "d" => "M/d/yyyy",
        "D" => "dddd, MMMM d, yyyy",
        "f" => "dddd, MMMM d, yyyy h:mm tt",
        "F" => "dddd, MMMM d, yyyy h:mm:ss tt",
        "g" => "M/d/yyyy h:mm tt",
        "G" | "" => "M/d/yyyy h:mm:ss tt",
        "o" | "O" => "yyyy-MM-ddTHH:mm:ss.fffffff",
        "s" => "yyyy-MM-ddTHH:mm:ss",
        "t" => "h:mm tt",
        "T" => "h:mm:ss tt",
        "u" => "yyyy-MM-dd HH:mm:ssZ",
        other => other,
    };
    let chars: Vec<char> = standard.chars().collect();
    let mut out = String::new();
    let mut i = 0;
    while i < chars.len() {
        let c = chars[i];
        let run = chars[i..].iter().take_while(|&&x| x == c).count();
        let mut used = run;
        let hour12 = (date.hour() + 11) % 12 + 1;
        match c {
            'y' if run <= 2 => out.push_str(&format!("{:0>run$}", date.year() % 100)),
            'y' => out.push_str(&format!("{:0>run$}", date.year())),
            'M' if run >= 4 => out.push_str(&date.format("%B").to_string()),
            'M' if run == 3 => out.push_str(&date.format("%b").to_string()),
            'M' => out.push_str(&format!("{:0>run$}", date.month())),
            'd' if run >= 4 => out.push_str(&date.format("%A").to_string()),
            'd' if run == 3 => out.push_str(&date.format("%a").to_string()),
            'd' => out.push_str(&format!("{:0>run$}", date.day())),
            'H' => out.push_str(&format!("{:0>run$}", date.hour())),
            'h' => out.push_str(&format!("{hour12:0>run$}")),
            'm' => out.push_str(&format!("{:0>run$}", date.minute())),
            's' => out.push_str(&format!("{:0>run$}", date.second())),
            'f' | 'F' => {
                out.extend(format!("{:09}", date.nanosecond() % 1_000_000_000).chars().take(run.min(7)))
            }
            't' => out.extend((if date.hour() < 12 { "AM" } else { "PM" }).chars().take(run)),
            'z' => {
                out.push_str(&chrono::Local::now().format(if run >= 3 { "%:z" } else { "%z" }).to_string())
            }
            'K' => {}
            '\'' | '"' => {
                let close = chars[i + 1..].iter().position(|&x| x == c).unwrap_or(chars.len() - i - 1);
                out.extend(&chars[i + 1..i + 1 + close]);
                used = close + 2;
            }
            '\\' => {
                out.extend(chars.get(i + 1));
                used = 2;
            }
            other => {
                out.push(other);
                used = 1;
            }
        }
        i += used;
    }
    out
}

/// A date as people write it in scripts; none when it is none.
pub(in super::super) fn parse_date(text: &str) -> Option<NaiveDateTime> {
    let text = text.trim().trim_end_matches('Z');
    for format in [
        "%Y-%m-%dT%H:%M:%S%.f",
        "%Y-%m-%d %H:%M:%S%.f",
        "%m/%d/%Y %H:%M:%S",
        "%m/%d/%Y %I:%M:%S %p",
        "%Y-%m-%dT%H:%M",
        "%Y-%m-%d %H:%M",
        "%m/%d/%Y %H:%M",
    ] {
        if let Ok(date) = NaiveDateTime::parse_from_str(text, format) {
            return Some(date);
        }
    }
    ["%Y-%m-%d", "%m/%d/%Y"]
        .iter()
        .find_map(|format| NaiveDate::parse_from_str(text, format).ok()?.and_hms_opt(0, 0, 0))
}

/// `[d.]hh:mm:ss[.fffffff]`.
pub(in super::super) fn span_text(ticks: i64) -> String {
    let sign = if ticks < 0 { "-" } else { "" };
    let ticks = ticks.unsigned_abs();
    let (seconds, fraction) = (ticks / 10_000_000, ticks % 10_000_000);
    let days = seconds / 86_400;
    let days = if days > 0 { format!("{days}.") } else { String::new() };
    let fraction = if fraction > 0 { format!(".{fraction:07}") } else { String::new() };
    let (hours, minutes, seconds) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{sign}{days}{hours:02}:{minutes:02}:{seconds:02}{fraction}")
}

pub(in super::super) fn parse_span(text: &str) -> Option<i64> {
    let (days, clock) = match text.split_once('.') {
        Some((days, clock)) if clock.contains(':') => (days.parse::<i64>().ok()?, clock),
        _ => (0, text),
    };
    let mut seconds = 0.0;
    let parts: Vec<&str> = clock.split(':').collect();
    if parts.len() == 1 {
        return Some(clock.parse::<i64>().ok()? * 864_000_000_000);
    }
    for (i, part) in parts.iter().enumerate() {
        seconds += part.parse::<f64>().ok()? * [3600.0, 60.0, 1.0].get(i)?;
    }
    Some(days * 864_000_000_000 + (seconds * 1e7) as i64)
}

pub(in super::super) const TICKS_PER_SECOND: i64 = 10_000_000;

/// Ticks between the year 1 and a date.
pub(in super::super) fn ticks(date: &NaiveDateTime) -> i64 {
    let seconds = date.and_utc().timestamp() + 62_135_596_800;
    seconds * TICKS_PER_SECOND + i64::from(date.nanosecond() / 100)
}

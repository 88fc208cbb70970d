//! Schedules beside a reference that goes from minute to minute.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use chrono::{Datelike as _, NaiveDateTime, TimeDelta, TimeZone as _, Timelike as _};
use chrono_tz::Tz;
use proptest::prelude::*;

use super::*;

fn at(text: &str) -> Timestamp {
    DateTime::parse_from_rfc3339(text).unwrap().to_utc()
}

fn fires(cron: &str, zone: &str, after: &str, count: usize) -> Vec<String> {
    let fires = next_fires(cron, zone, at(after), count).unwrap();
    fires.iter().map(|fire| fire.format("%Y-%m-%dT%H:%M%:z").to_string()).collect()
}

fn refusal(cron: &str, zone: &str) -> String {
    let error = Timing::new(cron, zone).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Schedule, "{cron} {zone}");
    error.to_string()
}

/// Looks at every minute, and knows nothing of gaps but that minutes are missing.
fn by_the_minute(timing: &Timing, zone: Tz, from: Timestamp, minutes: i64) -> Vec<Timestamp> {
    let local = |moment: Timestamp| zone.from_utc_datetime(&moment.naive_utc()).naive_local();
    let minute = TimeDelta::minutes(1);
    let mut fires = Vec::new();
    // A time that was there before `from` is no first one.
    let mut latest: NaiveDateTime = local(from - TimeDelta::days(2));
    for step in -2 * 24 * 60..=minutes {
        let moment = from + minute * step as i32;
        let wall = local(moment);
        let fire = if timing.cron().is_interval() {
            timing.cron().matches(wall)
        } else {
            // Every time on the wall that was passed since the latest one, this one among them.
            let mut passed = latest + minute;
            let mut any = false;
            while passed <= wall {
                any |= timing.cron().matches(passed);
                passed += minute;
            }
            any
        };
        latest = latest.max(wall);
        if fire && step > 0 {
            fires.push(moment);
        }
    }
    fires
}

/// Zones with both changes, whole and half hours, none, a day that was left out, and changes at midnight.
const ZONES: &[&str] = &[
    "UTC",
    "America/New_York",
    "America/Los_Angeles",
    "America/Havana",
    "America/Santiago",
    "America/St_Johns",
    "America/Sao_Paulo",
    "Europe/Berlin",
    "Europe/Dublin",
    "Europe/London",
    "Africa/Casablanca",
    "Africa/Cairo",
    "Asia/Beirut",
    "Asia/Gaza",
    "Asia/Kolkata",
    "Asia/Tehran",
    "Australia/Lord_Howe",
    "Australia/Sydney",
    "Antarctica/Troll",
    "Pacific/Apia",
    "Pacific/Chatham",
];

const EXPRESSIONS: &[&str] = &[
    "* * * * *",
    "*/15 * * * *",
    "0 * * * *",
    "30 */2 * * *",
    "7 0-4/3 * * *",
    "0 0 * * *",
    "30 0 * * *",
    "15,45 2 * * *",
    "*/20 1-3 * * *",
    "* 2 * * *",
    "59 23 * * *",
    "5 0-23 * * *",
    "0 3 * * SUN",
];

fn agrees(cron: &str, name: &str, from: Timestamp, days: i64) {
    let timing = Timing::new(cron, name).unwrap();
    let zone: Tz = name.parse().unwrap();
    let expected = by_the_minute(&timing, zone, from, days * 24 * 60);
    let end = from + TimeDelta::days(days);
    let found: Vec<_> =
        timing.after(from).map(|fire| fire.at.to_utc()).take_while(|moment| *moment <= end).collect();
    assert_eq!(found, expected, "{cron} in {name} from {from}");
}

#[test]
fn every_change_of_the_clocks_is_met_as_the_reference_meets_it() {
    for name in ZONES {
        let zone: Tz = name.parse().unwrap();
        let offset =
            |moment: Timestamp| zone.from_utc_datetime(&moment.naive_utc()).fixed_offset().timezone();
        for year in [2011, 2024, 2025] {
            let mut day = at(&format!("{year}-01-01T00:00:00Z"));
            while day.year() == year {
                let next = day + TimeDelta::days(1);
                if offset(day) != offset(next) {
                    for cron in EXPRESSIONS {
                        agrees(cron, name, day - TimeDelta::hours(6), 2);
                    }
                }
                day = next;
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn any_expression_fires_as_the_reference_says(
        minute in prop::sample::select(vec!["*", "0", "7-50/9", "30,59"]),
        hour in prop::sample::select(vec!["*", "*/3", "0", "1-3", "2", "23,0", "0-12/4"]),
        day in prop::sample::select(vec!["*", "1", "*/2", "L", "15W", "LW"]),
        month in prop::sample::select(vec!["*", "MAR,OCT,NOV", "4-9"]),
        weekday in prop::sample::select(vec!["*", "SUN", "7", "1-5", "6#2", "5L"]),
        zone in prop::sample::select(ZONES.to_vec()),
        start in 0_i64..30 * 365 * 24 * 60,
    ) {
        let from = at("2005-01-01T00:00:00Z") + TimeDelta::minutes(start);
        agrees(&format!("{minute} {hour} {day} {month} {weekday}"), zone, from, 9);
    }

    #[test]
    fn no_text_makes_it_panic(text in "[-0-9*/,LW#?@a-zA-Z ]{0,20}") {
        let _ = Timing::new(&text, "Europe/Berlin").map(|timing| timing.next(at("2025-01-01T00:00:00Z")));
    }
}

#[test]
fn times_of_day_come_once_in_a_gap_and_in_an_overlap() {
    let gap = preview("15,45 2 * * *", "America/New_York", at("2025-03-08T12:00:00Z"), 3).unwrap();
    let shown: Vec<_> = gap.iter().map(|fire| fire.at.to_rfc3339()).collect();
    assert_eq!(
        shown,
        ["2025-03-09T03:00:00-04:00", "2025-03-10T02:15:00-04:00", "2025-03-10T02:45:00-04:00"]
    );
    let Some(shift @ Shift::Gap { wanted }) = gap[0].shift else { panic!("{gap:?}") };
    assert_eq!((wanted.hour(), wanted.minute()), (2, 15));
    assert!(shift.note().starts_with("02:15 does not exist"), "{}", shift.note());
    let overlap = preview("30 1 * * *", "America/New_York", at("2025-11-01T12:00:00Z"), 2).unwrap();
    assert_eq!(overlap[0].at.to_rfc3339(), "2025-11-02T01:30:00-04:00");
    assert_eq!((overlap[0].shift, overlap[1].shift), (Some(Shift::Overlap), None));
    assert_eq!(overlap[1].at.to_rfc3339(), "2025-11-03T01:30:00-05:00");
    // A whole day was left out; what was meant for it comes when it is over.
    assert_eq!(
        fires("0 9 * * *", "Pacific/Apia", "2011-12-29T20:00:00Z", 2),
        ["2011-12-31T00:00+14:00", "2011-12-31T09:00+14:00"]
    );
}

#[test]
fn intervals_keep_to_the_time_that_passes() {
    assert_eq!(
        fires("*/30 * * * *", "Europe/Berlin", "2025-03-30T00:15:00Z", 3),
        ["2025-03-30T01:30+01:00", "2025-03-30T03:00+02:00", "2025-03-30T03:30+02:00"]
    );
    assert_eq!(
        fires("0 * * * *", "Europe/Berlin", "2025-10-25T23:30:00Z", 3),
        ["2025-10-26T02:00+02:00", "2025-10-26T02:00+01:00", "2025-10-26T03:00+01:00"]
    );
}

#[test]
fn days_are_read_as_cron_reads_them() {
    let days = |cron: &str, count| {
        let fires = fires(cron, "UTC", "2024-01-31T12:00:00Z", count);
        fires.iter().map(|fire| fire[..10].to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(days("0 0 L * *", 2), ["2024-02-29", "2024-03-31"]);
    assert_eq!(days("0 0 15W JUN *", 2), ["2024-06-14", "2025-06-16"]);
    assert_eq!(days("0 0 1W jun *", 1), ["2024-06-03"]);
    assert_eq!(days("0 0 LW 3 *", 1), ["2024-03-29"]);
    assert_eq!(days("0 0 * 3 5L", 1), ["2024-03-29"]);
    assert_eq!(days("0 0 * 3 FRI#2", 1), ["2024-03-08"]);
    assert_eq!(days("0 0 * 3 sat-sun", 2), ["2024-03-02", "2024-03-03"]);
    assert_eq!(days("0 0 * 3 7", 1), days("0 0 * 3 0", 1));
    assert_eq!(days("0 0 13 * FRI", 3), ["2024-02-02", "2024-02-09", "2024-02-13"]);
    assert_eq!(days("0 0 29 2 *", 2), ["2024-02-29", "2028-02-29"]);
    assert_eq!(days("@weekly", 1), ["2024-02-04"]);
    assert_eq!(days("@Annually", 1), ["2025-01-01"]);
    assert_eq!(days("0 0 ? * MON", 1), ["2024-02-05"]);
    // Each of the seven days is in `*/2` once, and Sunday is the first of them.
    assert_eq!(days("0 0 * * */2", 3), ["2024-02-01", "2024-02-03", "2024-02-04"]);
}

#[test]
fn what_does_not_hold_is_refused_with_its_field() {
    for (cron, told) in [
        ("", "five fields"),
        ("* * * *", "five fields"),
        ("0 0 0 * * *", "no seconds"),
        ("60 * * * *", "the minute of the schedule does not hold: it is a number from 0 to 59"),
        ("* 24 * * *", "hour"),
        ("* * 0 * *", "day of month"),
        ("* * * 13 *", "a name from JAN to DEC"),
        ("* * * * 8", "day of week"),
        ("* * * * MONDAY", "a name from SUN to SAT"),
        ("1,,2 * * * *", "minute"),
        ("5/15 * * * *", "as in 5-59/15"),
        ("*/0 * * * *", "a step is a number from 1 to 59"),
        ("*/90 * * * *", "a step is a number from 1 to 59"),
        ("* 5-1 * * *", "ends before it begins"),
        ("* * L-3 * *", "day of month"),
        ("* L * * *", "hour"),
        ("* * * * L", "L needs a day"),
        ("* * * * 5#6", "after # comes"),
        ("@reboot", "there is no such name"),
        ("0 0 31 2 *", "never comes"),
        ("0 0 30 2 ?", "never comes"),
        ("0 0 31 4,6,9,11 *", "never comes"),
    ] {
        let refusal = refusal(cron, "UTC");
        assert!(refusal.contains(told), "{cron}: {refusal}");
    }
    let long = format!("{} * * * *", "1,".repeat(1_000));
    assert!(refusal(&long, "UTC").contains("at most 1000 bytes"));
    assert_eq!(
        next_fires("* * * * *", "UTC", at("2025-01-01T00:00:00Z"), FIRES_MAX + 1).unwrap_err().kind(),
        ErrorKind::Schedule
    );
}

#[test]
fn an_unknown_zone_is_told_with_one_of_a_similar_name() {
    for (given, near) in [
        ("Europe/Berln", "Europe/Berlin"),
        ("europe/berlin", "Europe/Berlin"),
        ("Berlin", "Europe/Berlin"),
        ("America/Los Angeles", "America/Los_Angeles"),
    ] {
        assert!(refusal("@daily", given).contains(&format!("did you mean {near}?")), "{given}");
    }
    assert!(refusal("@daily", "Mars/Olympus_Mons_Crater").contains("zones have names as"));
    assert!(refusal("@daily", "").contains("there is no such time zone"));
}

#[test]
fn times_end_with_the_calendar_and_not_in_a_panic() {
    for cron in ["0 0 * * *", "0 * 1 1 *"] {
        let timing = Timing::new(cron, "Europe/Berlin").unwrap();
        assert_eq!(timing.next(Timestamp::MAX_UTC), None);
        assert!(timing.next(Timestamp::MIN_UTC).is_none_or(|fire| fire.at > Timestamp::MIN_UTC));
    }
}

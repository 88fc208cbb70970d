//! Methods of dates and spans of time.

use super::super::time;
use crate::machine::powershell::value::Value;

pub(super) fn date_method(date: &chrono::NaiveDateTime, method: &str, arguments: &[Value]) -> Option<Value> {
    let amount = arguments.first().and_then(Value::as_double);
    let add = |ticks_each: f64| -> Option<Value> {
        let nanos = (amount? * ticks_each * 100.0) as i64;
        Some(Value::Date(date.checked_add_signed(chrono::TimeDelta::nanoseconds(nanos))?))
    };
    match method {
        "adddays" => add(864e9),
        "addhours" => add(36e9),
        "addminutes" => add(6e8),
        "addseconds" => add(1e7),
        "addmilliseconds" => add(1e4),
        "addticks" => add(1.0),
        "addmonths" => {
            let months = amount? as i32;
            let size = chrono::Months::new(months.unsigned_abs());
            let moved =
                if months < 0 { date.checked_sub_months(size) } else { date.checked_add_months(size) };
            moved.map(Value::Date)
        }
        "touniversaltime" => Some(Value::Date(
            date.and_local_timezone(chrono::Local)
                .single()
                .map_or(*date, |d| d.with_timezone(&chrono::Utc).naive_utc()),
        )),
        "tolocaltime" => Some(Value::Date(date.and_utc().with_timezone(&chrono::Local).naive_local())),
        "tostring" => Some(match arguments.first() {
            Some(format) => time::format_date(date, &format.to_text()).into(),
            None => time::format_date(date, "G").into(),
        }),
        "toshortdatestring" => Some(time::format_date(date, "d").into()),
        "tofiletime" | "tofiletimeutc" => Some(Value::Long(time::ticks(date) - 504_911_232_000_000_000)),
        _ => None,
    }
}

pub(super) fn span_method(ticks: i64, method: &str, arguments: &[Value]) -> Option<Value> {
    match (method, arguments) {
        ("add", [Value::Span(other)]) => Some(Value::Span(ticks + other)),
        ("subtract", [Value::Span(other)]) => Some(Value::Span(ticks - other)),
        ("tostring", []) => Some(time::span_text(ticks).into()),
        _ => None,
    }
}

//! `Get-Date` and `New-TimeSpan`.

use super::super::error::Result;
use super::super::eval::{Bound, Emits, Interpreter};
use super::super::types::{convert, time};
use super::super::value::Value;

pub(super) fn date(ps: &mut Interpreter, bound: &Bound, emits: &mut Emits) -> Result<()> {
    use chrono::{Datelike, Timelike};
    let mut date = match bound.get("Date") {
        Some(value) => match convert::cast(value, "datetime")? {
            Value::Date(date) => date,
            _ => chrono::Local::now().naive_local(),
        },
        None => chrono::Local::now().naive_local(),
    };
    let part = |name| bound.number(name).and_then(|n| u32::try_from(n).ok());
    date = part("Year").and_then(|n| date.with_year(n as i32)).unwrap_or(date);
    date = part("Month").and_then(|n| date.with_month(n)).unwrap_or(date);
    date = part("Day").and_then(|n| date.with_day(n)).unwrap_or(date);
    date = part("Hour").and_then(|n| date.with_hour(n)).unwrap_or(date);
    date = part("Minute").and_then(|n| date.with_minute(n)).unwrap_or(date);
    date = part("Second").and_then(|n| date.with_second(n)).unwrap_or(date);
    match (bound.text("Format"), bound.text("UFormat")) {
        (Some(format), _) => emits.output(time::format_date(&date, &format)),
        (None, Some(format)) => {
            let local = date.and_local_timezone(chrono::Local).single();
            emits.output(match format.as_str() {
                "%s" => local.map_or(0, |d| d.timestamp()).to_string(),
                other => chrono::format::StrftimeItems::new(other).parse().map_or_else(
                    |_| other.to_owned(),
                    |items| date.format_with_items(items.iter()).to_string(),
                ),
            });
        }
        _ => emits.output(Value::Date(date)),
    }
    let _zone = ps;
    Ok(())
}

pub(super) fn time_span(_ps: &mut Interpreter, bound: &Bound, emits: &mut Emits) -> Result<()> {
    if bound.has("Start") || bound.has("End") {
        let now = Value::Date(chrono::Local::now().naive_local());
        let point = |name| convert::cast(bound.get(name).unwrap_or(&now), "datetime");
        if let (Value::Date(start), Value::Date(end)) = (point("Start")?, point("End")?) {
            emits.output(Value::Span(time::ticks(&end) - time::ticks(&start)));
        }
        return Ok(());
    }
    let part = |name| bound.number(name).unwrap_or(0);
    let seconds = part("Days") * 86_400 + part("Hours") * 3600 + part("Minutes") * 60 + part("Seconds");
    emits.output(Value::Span(seconds * time::TICKS_PER_SECOND));
    Ok(())
}

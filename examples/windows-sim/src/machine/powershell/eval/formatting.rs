//! The format operator `-f`.

use super::super::error::{ErrorRecord, Result};
use super::super::types::{number, time};
use super::super::value::{Value, lock};

/// `-f`: `{index[,width][:format]}`.
pub(in super::super) fn format_operator(format: &str, arguments: &[Value]) -> Result<String> {
    let wrong = |message: &str| {
        ErrorRecord::runtime(
            format!("Error formatting a string: {message}"),
            "FormatError",
            "InvalidOperation",
        )
        .throw()
    };
    const NOT_A_FORMAT: &str = "Input string was not in a correct format..";
    let mut out = String::new();
    let mut chars = format.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '{' if chars.peek() == Some(&'{') => {
                chars.next();
                out.push('{');
            }
            '}' if chars.peek() == Some(&'}') => {
                chars.next();
                out.push('}');
            }
            '}' => return wrong(NOT_A_FORMAT),
            '{' => {
                let mut inside = String::new();
                loop {
                    match chars.next() {
                        Some('}') => break,
                        Some(c) => inside.push(c),
                        None => return wrong(NOT_A_FORMAT),
                    }
                }
                let (place, style) =
                    inside.split_once(':').map_or((inside.as_str(), None), |(p, s)| (p, Some(s)));
                let (index, width) = place.split_once(',').map_or((place, None), |(i, w)| (i, Some(w)));
                let (Ok(index), Ok(width)) =
                    (index.trim().parse::<usize>(), width.map_or(Ok(0), |w| w.trim().parse::<i32>()))
                else {
                    return wrong(NOT_A_FORMAT);
                };
                let Some(value) = arguments.get(index) else {
                    return wrong(
                        "Index (zero based) must be greater than or equal to zero and less than the size of the argument list..",
                    );
                };
                let text = format_value(value, style.unwrap_or_default());
                let size = width.unsigned_abs() as usize;
                let padding = " ".repeat(size.min(1 << 16).saturating_sub(text.chars().count()));
                if width < 0 {
                    out.push_str(&text);
                    out.push_str(&padding);
                } else {
                    out.push_str(&padding);
                    out.push_str(&text);
                }
            }
            c => out.push(c),
        }
    }
    Ok(out)
}

fn format_value(value: &Value, style: &str) -> String {
    match value {
        Value::Date(date) => time::format_date(date, style),
        Value::Int(_) | Value::Long(_) | Value::Double(_) | Value::Byte(_) if !style.is_empty() => {
            number::format_number(value, style).unwrap_or_else(|| value.to_text())
        }
        Value::Span(ticks) if !style.is_empty() => span_style(*ticks, style),
        Value::Array(values) => match &lock(values)[..] {
            [] => String::new(),
            _ => "System.Object[]".to_owned(),
        },
        other => other.to_text(),
    }
}

fn span_style(ticks: i64, style: &str) -> String {
    let seconds = ticks / time::TICKS_PER_SECOND;
    let mut text = style.replace('\\', "");
    for (mark, number) in [
        ("dd", seconds / 86_400),
        ("hh", seconds / 3600 % 24),
        ("mm", seconds / 60 % 60),
        ("ss", seconds % 60),
    ] {
        text = text.replace(mark, &format!("{number:02}"));
    }
    text.replace("fff", &format!("{:03}", ticks / 10_000 % 1000))
}

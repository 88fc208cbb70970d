//! The methods of `System.String`.

use crate::machine::powershell::error::{ErrorRecord, Result};
use crate::machine::powershell::value::Value;

fn out_of_range<T>(what: &str) -> Result<T> {
    ErrorRecord::new(
        "System.ArgumentOutOfRangeException",
        what.to_owned(),
        "ArgumentOutOfRangeException",
        "NotSpecified",
    )
    .throw()
}

/// Calls a method of a string; none when there is no such method with so many arguments.
pub(in super::super) fn invoke(text: &str, method: &str, arguments: &[Value]) -> Result<Option<Value>> {
    let first = arguments.first().map(Value::to_text).unwrap_or_default();
    let number = |i: usize| arguments.get(i).and_then(Value::as_long).and_then(|n| usize::try_from(n).ok());
    let ignore_case = arguments.iter().skip(1).any(|a| a.to_text().contains("IgnoreCase"));
    let fold = |s: &str| if ignore_case { s.to_lowercase() } else { s.to_owned() };
    let trim_set: Vec<char> = arguments
        .iter()
        .flat_map(Value::items)
        .flat_map(|a| a.to_text().chars().collect::<Vec<_>>())
        .collect();
    let in_set = |c: char| if trim_set.is_empty() { c.is_whitespace() } else { trim_set.contains(&c) };
    let at = |found: Option<usize>, within: &str| {
        Value::Int(found.map_or(-1, |at| within[..at].encode_utf16().count() as i32))
    };
    Ok(Some(match (method.to_ascii_lowercase().as_str(), arguments.len()) {
        ("tolower" | "tolowerinvariant", _) => text.to_lowercase().into(),
        ("toupper" | "toupperinvariant", _) => text.to_uppercase().into(),
        ("trim", _) => text.trim_matches(in_set).into(),
        ("trimstart", _) => text.trim_start_matches(in_set).into(),
        ("trimend", _) => text.trim_end_matches(in_set).into(),
        ("contains", 1) => Value::Bool(text.contains(&first)),
        ("startswith", 1..) => Value::Bool(fold(text).starts_with(&fold(&first))),
        ("endswith", 1..) => Value::Bool(fold(text).ends_with(&fold(&first))),
        ("replace", 2) => text.replace(&first, &arguments[1].to_text()).into(),
        ("indexof", 2) if number(1).is_some() => {
            let skipped: String = text.chars().take(number(1).unwrap_or(0)).collect();
            let rest = &text[skipped.len()..];
            at(rest.find(&first).map(|found| found + skipped.len()), text)
        }
        ("indexof", 1..) => at(fold(text).find(&fold(&first)), text),
        ("lastindexof", 1) => at(text.rfind(&first), text),
        ("indexofany", 1) => at(text.find(in_set), text),
        ("substring", 1 | 2) => {
            if let (true, 1, Some(rest)) =
                (text.is_ascii(), arguments.len(), number(0).and_then(|at| text.get(at..)))
            {
                return Ok(Some(rest.into()));
            }
            let chars: Vec<char> = text.chars().collect();
            let (Some(start), count) = (number(0), number(1)) else {
                return out_of_range("StartIndex cannot be less than zero.\r\nParameter name: startIndex");
            };
            if start > chars.len() {
                return out_of_range(
                    "startIndex cannot be larger than length of string.\r\nParameter name: startIndex",
                );
            }
            let end = if arguments.len() == 1 {
                chars.len()
            } else {
                start.saturating_add(count.unwrap_or(usize::MAX))
            };
            if end > chars.len() {
                return out_of_range(
                    "Index and length must refer to a location within the string.\r\nParameter name: length",
                );
            }
            chars[start..end].iter().collect::<String>().into()
        }
        ("remove", 1 | 2) => {
            let chars: Vec<char> = text.chars().collect();
            let start = number(0).unwrap_or(usize::MAX);
            let end = start.saturating_add(number(1).unwrap_or(chars.len().saturating_sub(start)));
            if start > chars.len() || end > chars.len() {
                return out_of_range(
                    "Index and count must refer to a location within the string.\r\nParameter name: count",
                );
            }
            chars[..start].iter().chain(&chars[end..]).collect::<String>().into()
        }
        ("insert", 2) => {
            let chars: Vec<char> = text.chars().collect();
            let start = number(0).unwrap_or(usize::MAX);
            if start > chars.len() {
                return out_of_range(
                    "Specified argument was out of the range of valid values.\r\nParameter name: startIndex",
                );
            }
            let head: String = chars[..start].iter().collect();
            let tail: String = chars[start..].iter().collect();
            format!("{head}{}{tail}", arguments[1].to_text()).into()
        }
        ("padleft", 1 | 2) => pad(text, number(0).unwrap_or(0), arguments.get(1), true),
        ("padright", 1 | 2) => pad(text, number(0).unwrap_or(0), arguments.get(1), false),
        ("split", _) => split(text, arguments),
        ("tochararray", 0) => Value::array(text.chars().map(Value::Char).collect()),
        ("equals", 1..) => Value::Bool(fold(text) == fold(&first)),
        ("compareto", 1) => Value::Int(text.to_lowercase().cmp(&first.to_lowercase()) as i32),
        ("gethashcode", 0) => Value::Int(text.chars().fold(5381_i32, |h, c| h.wrapping_mul(33) ^ (c as i32))),
        ("normalize" | "clone" | "tostring", 0) => text.into(),
        ("chars" | "get_chars", 1) => match number(0).and_then(|n| text.chars().nth(n)) {
            Some(c) => Value::Char(c),
            None => return out_of_range("Index was outside the bounds of the array."),
        },
        _ => return Ok(None),
    }))
}

fn pad(text: &str, width: usize, with: Option<&Value>, left: bool) -> Value {
    const WIDTH_MAX: usize = 1 << 24;
    let c = with.and_then(|w| w.to_text().chars().next()).unwrap_or(' ');
    let missing = width.min(WIDTH_MAX).saturating_sub(text.chars().count());
    let padding: String = std::iter::repeat_n(c, missing).collect();
    if left { format!("{padding}{text}") } else { format!("{text}{padding}") }.into()
}

/// Splits at any of the characters given, as PowerShell 5.1 does with a string too.
fn split(text: &str, arguments: &[Value]) -> Value {
    let remove_empty = arguments.iter().any(|a| a.to_text().contains("RemoveEmptyEntries"));
    let whole_strings = arguments.len() > 1
        && arguments.first().is_some_and(Value::is_collection)
        && arguments[0].items().iter().any(|s| matches!(s, Value::Str(t) if t.chars().count() > 1));
    let limit = arguments.iter().find_map(|a| match a {
        Value::Int(n) => usize::try_from(*n).ok(),
        _ => None,
    });
    let separators: Vec<Value> = arguments
        .iter()
        .filter(|a| matches!(a, Value::Str(_) | Value::Char(_) | Value::Array(_)))
        .filter(|a| !a.to_text().contains("RemoveEmptyEntries") && a.to_text() != "None")
        .flat_map(Value::items)
        .collect();
    let parts: Vec<String> = if whole_strings {
        let mut parts = vec![text.to_owned()];
        for separator in &separators {
            parts = parts
                .iter()
                .flat_map(|p| p.split(&separator.to_text()).map(str::to_owned).collect::<Vec<_>>())
                .collect();
        }
        parts
    } else {
        let set: Vec<char> =
            separators.iter().flat_map(|s| s.to_text().chars().collect::<Vec<_>>()).collect();
        let is_separator = |c: char| if set.is_empty() { c.is_whitespace() } else { set.contains(&c) };
        match limit {
            Some(limit) => text.splitn(limit.max(1), is_separator).map(str::to_owned).collect(),
            None => text.split(is_separator).map(str::to_owned).collect(),
        }
    };
    Value::array(parts.into_iter().filter(|p| !remove_empty || !p.is_empty()).map(Value::from).collect())
}

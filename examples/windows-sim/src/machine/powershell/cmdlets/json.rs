//! `ConvertTo-Json` and `ConvertFrom-Json`.

use super::super::error::{ErrorRecord, Result};
use super::super::eval::{Bound, Emits, Interpreter};
use super::super::types::time;
use super::super::value::Value;
use super::members::visible_properties;

pub(super) fn to_json(
    ps: &mut Interpreter,
    bound: &Bound,
    inputs: Vec<Value>,
    emits: &mut Emits,
) -> Result<()> {
    let depth = bound.number("Depth").unwrap_or(2);
    let value = match bound.get("InputObject") {
        Some(value) => value.clone(),
        None if inputs.len() == 1 => inputs[0].clone(),
        None => Value::array(inputs),
    };
    let mut text = String::new();
    write(ps, &value, depth, &mut text);
    emits.output(if bound.flag("Compress") { text } else { pretty(&text) });
    Ok(())
}

/// The compact form. What lies deeper than `depth` is its text.
fn write(ps: &Interpreter, value: &Value, depth: i64, out: &mut String) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(b) => out.push_str(if *b { "true" } else { "false" }),
        Value::Int(_) | Value::Long(_) | Value::Byte(_) => out.push_str(&value.to_text()),
        Value::Double(n) => {
            let text = value.to_text();
            out.push_str(&text);
            if n.fract() == 0.0 && !text.contains(['E', '.']) {
                out.push_str(".0");
            }
        }
        Value::Str(_) | Value::Char(_) | Value::Type(_) | Value::Script(_) => quoted(&value.to_text(), out),
        Value::Date(date) => {
            let millis = date.and_local_timezone(chrono::Local).single().map_or(0, |d| d.timestamp_millis());
            out.push_str(&format!("\"\\/Date({millis})\\/\""));
        }
        Value::Span(ticks) => quoted(&time::span_text(*ticks), out),
        other if other.is_collection() => {
            if depth < 0 {
                return quoted(&other.to_text(), out);
            }
            out.push('[');
            for (i, item) in other.items().iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write(ps, item, depth - 1, out);
            }
            out.push(']');
        }
        Value::Object(object) if object.property("value__").is_some() => {
            out.push_str(&object.property("value__").map(|v| v.to_text()).unwrap_or_default());
        }
        other => {
            if depth < 0 {
                return quoted(&other.to_text(), out);
            }
            let fields: Vec<(String, Value)> = match other {
                Value::Hash(hash) => hash.entries().into_iter().map(|(k, v)| (k.to_text(), v)).collect(),
                _ => visible_properties(ps, other).into_iter().map(|(n, v)| (n.to_string(), v)).collect(),
            };
            out.push('{');
            for (i, (name, value)) in fields.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                quoted(name, out);
                out.push(':');
                write(ps, value, depth - 1, out);
            }
            out.push('}');
        }
    }
}

/// A string as the serializer of .NET Framework writes it.
fn quoted(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '<' | '>' | '&' | '\'' | '\u{85}' | '\u{2028}' | '\u{2029}' => {
                out.push_str(&format!("\\u{:04x}", u32::from(c)))
            }
            c if u32::from(c) < 0x20 => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
}

/// The indented form of Windows PowerShell: inside a value everything is moved right to where the value began.
fn pretty(compact: &str) -> String {
    let mut out = String::new();
    let mut indents = vec![0];
    let mut column = 0;
    let mut in_text = false;
    let mut escaped = false;
    let mut opened = false;
    for c in compact.chars() {
        let structural = !in_text;
        if opened && structural {
            opened = false;
            new_line(&mut out, &mut column, indents.last().copied().unwrap_or(0));
            if matches!(c, ']' | '}') {
                indents.pop();
                out.truncate(out.trim_end_matches(' ').len());
                let outer = column.saturating_sub(4);
                out.push_str("\r\n");
                out.push_str(&" ".repeat(outer));
                out.push(c);
                column = outer + 1;
                continue;
            }
        }
        match c {
            '{' | '[' if structural => {
                out.push(c);
                indents.push(column + 4);
                column += 1;
                opened = true;
            }
            '}' | ']' if structural => {
                let inner = indents.pop().unwrap_or(4);
                new_line(&mut out, &mut column, inner.saturating_sub(4));
                out.push(c);
                column += 1;
            }
            ',' if structural => {
                out.push(c);
                new_line(&mut out, &mut column, indents.last().copied().unwrap_or(0));
            }
            ':' if structural => {
                out.push_str(":  ");
                column += 3;
            }
            _ => {
                if c == '"' && !escaped {
                    in_text = !in_text;
                }
                escaped = c == '\\' && !escaped;
                out.push(c);
                column += 1;
            }
        }
    }
    out
}

fn new_line(out: &mut String, column: &mut usize, indent: usize) {
    out.push_str("\r\n");
    out.push_str(&" ".repeat(indent));
    *column = indent;
}

pub(super) fn from_json(
    _ps: &mut Interpreter,
    bound: &Bound,
    inputs: Vec<Value>,
    emits: &mut Emits,
) -> Result<()> {
    let values = bound.get("InputObject").map(Value::items).unwrap_or(inputs);
    let texts: Vec<String> = values.iter().map(Value::to_text).collect();
    // Each line is a document of its own when the first one is complete; else the lines are one document.
    let documents = match texts.first().map(|t| serde_json::from_str::<serde_json::Value>(t)) {
        Some(Ok(_)) => texts,
        _ => vec![texts.join("\n")],
    };
    for document in documents {
        match serde_json::from_str::<serde_json::Value>(&document) {
            Ok(value) => emits.output(from(value)),
            Err(_) => {
                let first = document.chars().next().map(|c| c.to_string()).unwrap_or_default();
                return ErrorRecord::new(
                    "System.ArgumentException",
                    format!(
                        "Invalid JSON primitive: {}.",
                        if first.is_empty() {
                            String::new()
                        } else {
                            document.split_whitespace().next().unwrap_or_default().to_owned()
                        }
                    ),
                    "System.ArgumentException",
                    "NotSpecified",
                )
                .throw();
            }
        }
    }
    Ok(())
}

fn from(value: serde_json::Value) -> Value {
    match value {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(b) => Value::Bool(b),
        serde_json::Value::Number(n) => match n.as_i64() {
            Some(n) => Value::number(n),
            None => Value::Double(n.as_f64().unwrap_or(0.0)),
        },
        serde_json::Value::String(text) => text.into(),
        serde_json::Value::Array(items) => Value::array(items.into_iter().map(from).collect()),
        serde_json::Value::Object(fields) => {
            Value::custom(fields.into_iter().map(|(k, v)| (k.into(), from(v))).collect())
        }
    }
}

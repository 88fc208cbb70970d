//! Which values are equal, and which comes first.

use std::cmp::Ordering;

use super::super::error::{ErrorRecord, Result};
use super::super::types::native::Native;
use super::super::types::{objects, time};
use super::super::value::Value;

/// `-eq`: the right side is taken as the left side's type.
pub(in super::super) fn equal(left: &Value, right: &Value, sensitive: bool) -> bool {
    match (left, right) {
        (Value::Null, Value::Null) => true,
        (Value::Null, _) | (_, Value::Null) => false,
        (Value::Str(a), b) => {
            let b = b.to_text();
            if sensitive { **a == *b } else { same_text(a, &b) }
        }
        (Value::Bool(a), b) => *a == b.truthy(),
        (Value::Char(a), Value::Char(b)) => {
            if sensitive {
                a == b
            } else {
                a.to_lowercase().eq(b.to_lowercase())
            }
        }
        (Value::Char(a), Value::Str(b)) => same_text(&a.to_string(), b),
        (Value::Int(_) | Value::Long(_) | Value::Double(_) | Value::Byte(_), b) => {
            match (left.as_double(), b.as_double()) {
                (Some(a), Some(b)) => a == b,
                _ => false,
            }
        }
        (Value::Date(a), b) => match b {
            Value::Date(b) => a == b,
            other => time::parse_date(&other.to_text()) == Some(*a),
        },
        (Value::Span(a), Value::Span(b)) => a == b,
        (Value::Type(a), Value::Type(b)) => a == b,
        (Value::Object(a), Value::Object(b)) if std::sync::Arc::ptr_eq(a, b) => true,
        (Value::Hash(a), Value::Hash(b)) => std::sync::Arc::ptr_eq(a, b),
        (Value::Object(a), b) => match &a.native {
            Native::Version(parts) => {
                matches!(b.native(), Some(Native::Version(other)) if parts == other)
                    || left.to_text() == b.to_text()
            }
            Native::Service(name) => matches!(b.native(), Some(Native::Service(other)) if name == other),
            _ if a.property("value__").is_some() => match b {
                Value::Int(n) => a.property("value__").and_then(|v| v.as_long()) == Some(i64::from(*n)),
                other => same_text(&left.to_text(), &other.to_text()),
            },
            Native::None | Native::File(_) | Native::Directory(_) if matches!(b, Value::Str(_)) => {
                same_text(&left.to_text(), &b.to_text())
            }
            _ => false,
        },
        _ => false,
    }
}

fn same_text(a: &str, b: &str) -> bool {
    if a.is_ascii() && b.is_ascii() {
        a.eq_ignore_ascii_case(b)
    } else {
        a.to_lowercase() == b.to_lowercase()
    }
}

pub(super) fn ordered(left: &Value, right: &Value, sensitive: bool) -> Result<Ordering> {
    if let (Value::Int(_) | Value::Long(_) | Value::Double(_) | Value::Byte(_), None) =
        (left, right.as_double())
    {
        return ErrorRecord::runtime(
            format!("Could not compare \"{}\" to \"{}\". Error: \"Cannot convert value \"{}\" to type \"System.Int32\". Error: \"Input string was not in a correct format.\"\"", left.to_text(), right.to_text(), right.to_text()),
            "ComparisonFailure",
            "InvalidOperation",
        )
        .throw();
    }
    if sensitive && let (Value::Str(a), Value::Str(b)) = (left, right) {
        return Ok(a.cmp(b));
    }
    Ok(compare_values(left, right))
}

/// The order `Sort-Object` and the comparison operators use.
pub(in super::super) fn compare_values(left: &Value, right: &Value) -> Ordering {
    match (left, right) {
        (Value::Null, Value::Null) => Ordering::Equal,
        (Value::Null, _) => Ordering::Less,
        (_, Value::Null) => Ordering::Greater,
        (Value::Date(a), Value::Date(b)) => a.cmp(b),
        (Value::Span(a), Value::Span(b)) => a.cmp(b),
        (Value::Str(a), b) => text_order(a, &b.to_text()),
        (Value::Object(a), b) => match (&a.native, b.native()) {
            (Native::Version(x), Some(Native::Version(y))) => x.cmp(y),
            (Native::Version(x), _) => {
                match objects::version(&b.to_text()).ok().as_ref().and_then(Value::native) {
                    Some(Native::Version(y)) => x.cmp(y),
                    _ => Ordering::Equal,
                }
            }
            _ => match (a.property("value__"), b) {
                (Some(x), Value::Object(y)) if y.property("value__").is_some() => {
                    compare_values(&x, &y.property("value__").unwrap_or(Value::Null))
                }
                _ => text_order(&left.to_text(), &right.to_text()),
            },
        },
        _ => match (left.as_double(), right.as_double()) {
            (Some(a), Some(b)) => a.partial_cmp(&b).unwrap_or(Ordering::Equal),
            _ => text_order(&left.to_text(), &right.to_text()),
        },
    }
}

/// Words are ordered without regard to case; lower case comes first among equals.
fn text_order(a: &str, b: &str) -> Ordering {
    a.to_lowercase().cmp(&b.to_lowercase())
}

//! Arithmetic: `+`, `-`, `*`, `/`, `%`, the bits and `..`.

use super::super::error::{ErrorRecord, Result};
use super::super::types::native::Native;
use super::super::types::time;
use super::super::value::{Hash, Value};
use super::expression::out_of_memory;

/// The most an array, a string or a byte array may grow to by one operator.
const ITEMS_MAX: usize = 100_000_000;

fn operator_error<T>(left: &Value, right: &Value, operator: &str) -> Result<T> {
    ErrorRecord::runtime(
        format!(
            "Method invocation failed because [{}] does not contain a method named 'op_{operator}'.",
            if matches!(left, Value::Null) { right.type_name() } else { left.type_name() }
        ),
        "MethodNotFound",
        "InvalidOperation",
    )
    .throw()
}

fn not_a_number<T>(value: &Value) -> Result<T> {
    ErrorRecord::runtime(
        format!("Cannot convert value \"{}\" to type \"System.Int32\". Error: \"Input string was not in a correct format.\"", value.to_text()),
        "InvalidCastFromStringToInteger",
        "InvalidArgument",
    )
    .throw()
}

pub(super) fn add(left: &Value, right: &Value) -> Result<Value> {
    Ok(match (left, right) {
        (Value::Str(a), b) => {
            let b = b.to_text();
            if a.len() + b.len() > ITEMS_MAX * 5 {
                return out_of_memory();
            }
            let mut text = String::with_capacity(a.len() + b.len());
            text.push_str(a);
            text.push_str(&b);
            text.into()
        }
        (Value::Char(a), b) if !matches!(b, Value::Int(_)) => format!("{a}{}", b.to_text()).into(),
        (Value::Array(_) | Value::Bytes(_), _) => grown(left, right)?,
        (Value::Object(object), _) if matches!(object.native, Native::List(_)) => grown(left, right)?,
        (Value::Hash(a), Value::Hash(b)) => {
            let sum = Hash::new(a.ordered);
            for (key, value) in a.entries().into_iter().chain(b.entries()) {
                sum.set(key, value);
            }
            Value::Hash(sum.into())
        }
        (Value::Null, Value::Null) => Value::Null,
        (Value::Null, b) if !matches!(b, Value::Int(_) | Value::Long(_) | Value::Double(_)) => b.clone(),
        (Value::Date(date), Value::Span(ticks)) => {
            Value::Date(date.checked_add_signed(chrono::TimeDelta::microseconds(ticks / 10)).unwrap_or(*date))
        }
        (Value::Span(a), Value::Span(b)) => Value::Span(a.saturating_add(*b)),
        _ => arithmetic(left, right, "Addition", i64::checked_add, |a, b| a + b)?,
    })
}

fn grown(left: &Value, right: &Value) -> Result<Value> {
    let mut items = left.items();
    let more = right.items();
    if items.len() + more.len() > ITEMS_MAX {
        return out_of_memory();
    }
    items.extend(more);
    Ok(Value::array(items))
}

pub(super) fn subtract(left: &Value, right: &Value) -> Result<Value> {
    Ok(match (left, right) {
        (Value::Date(a), Value::Date(b)) => Value::Span(time::ticks(a) - time::ticks(b)),
        (Value::Date(a), Value::Span(b)) => {
            Value::Date(a.checked_sub_signed(chrono::TimeDelta::microseconds(b / 10)).unwrap_or(*a))
        }
        (Value::Span(a), Value::Span(b)) => Value::Span(a.saturating_sub(*b)),
        _ => arithmetic(left, right, "Subtraction", i64::checked_sub, |a, b| a - b)?,
    })
}

pub(super) fn multiply(left: &Value, right: &Value) -> Result<Value> {
    let times = || right.as_long().and_then(|n| usize::try_from(n).ok());
    Ok(match left {
        Value::Str(text) => match times() {
            Some(n) if text.len().saturating_mul(n) <= ITEMS_MAX * 5 => text.repeat(n).into(),
            Some(_) => return out_of_memory(),
            None => return not_a_number(right),
        },
        Value::Array(_) | Value::Bytes(_) => {
            let items = left.items();
            match times() {
                Some(n) if items.len().saturating_mul(n) <= ITEMS_MAX => {
                    Value::array(std::iter::repeat_n(items, n).flatten().collect())
                }
                _ => return out_of_memory(),
            }
        }
        _ => arithmetic(left, right, "Multiply", i64::checked_mul, |a, b| a * b)?,
    })
}

pub(super) fn divide(left: &Value, right: &Value) -> Result<Value> {
    let (a, b) = numbers(left, right, "Division")?;
    match (&a, &b) {
        (Value::Double(_), _) | (_, Value::Double(_)) => {
            Ok(Value::Double(a.as_double().unwrap_or(0.0) / b.as_double().unwrap_or(0.0)))
        }
        _ => {
            let (x, y) = (a.as_long().unwrap_or(0), b.as_long().unwrap_or(0));
            if y == 0 {
                return by_zero();
            }
            Ok(if x % y == 0 { Value::number(x / y) } else { Value::Double(x as f64 / y as f64) })
        }
    }
}

pub(super) fn remainder(left: &Value, right: &Value) -> Result<Value> {
    let (a, b) = numbers(left, right, "Modulus")?;
    match (&a, &b) {
        (Value::Double(_), _) | (_, Value::Double(_)) => {
            Ok(Value::Double(a.as_double().unwrap_or(0.0) % b.as_double().unwrap_or(0.0)))
        }
        _ => match a.as_long().unwrap_or(0).checked_rem(b.as_long().unwrap_or(0)) {
            Some(n) => Ok(Value::number(n)),
            None => by_zero(),
        },
    }
}

fn by_zero() -> Result<Value> {
    let mut record = ErrorRecord::runtime("Attempted to divide by zero.", "RuntimeException", "NotSpecified");
    record.exception = std::sync::Arc::new(super::super::error::Exception {
        type_name: "System.Management.Automation.RuntimeException".to_owned(),
        message: "Attempted to divide by zero.".to_owned(),
        inner: Some(std::sync::Arc::new(super::super::error::Exception {
            type_name: "System.DivideByZeroException".to_owned(),
            message: "Attempted to divide by zero.".to_owned(),
            inner: None,
        })),
    });
    record.throw()
}

fn numbers(left: &Value, right: &Value, operator: &str) -> Result<(Value, Value)> {
    match (left.as_number(), right.as_number()) {
        (Some(a), Some(b)) => Ok((a, b)),
        (None, _) if !matches!(left, Value::Str(_)) => operator_error(left, right, operator),
        (None, _) => not_a_number(left),
        (_, None) => not_a_number(right),
    }
}

fn arithmetic(
    left: &Value,
    right: &Value,
    operator: &str,
    whole: fn(i64, i64) -> Option<i64>,
    float: fn(f64, f64) -> f64,
) -> Result<Value> {
    let (a, b) = numbers(left, right, operator)?;
    let floats = || Value::Double(float(a.as_double().unwrap_or(0.0), b.as_double().unwrap_or(0.0)));
    Ok(match (&a, &b) {
        (Value::Double(_), _) | (_, Value::Double(_)) => floats(),
        _ => {
            let long = matches!(a, Value::Long(_)) || matches!(b, Value::Long(_));
            match whole(a.as_long().unwrap_or(0), b.as_long().unwrap_or(0)) {
                Some(n) if long => Value::Long(n),
                // An `Int32` that overflows becomes a double.
                Some(n) => i32::try_from(n).map_or(Value::Double(n as f64), Value::Int),
                None => floats(),
            }
        }
    })
}

pub(super) fn bits(left: &Value, right: &Value, apply: fn(i64, i64) -> i64) -> Result<Value> {
    let (a, b) = numbers(left, right, "BitwiseOperation")?;
    Ok(Value::number(apply(a.as_long().unwrap_or(0), b.as_long().unwrap_or(0))))
}

pub(super) fn range(left: &Value, right: &Value) -> Result<Value> {
    let end = |value: &Value| match value.as_long() {
        Some(n) => Ok(n),
        None => not_a_number(value),
    };
    let (from, to) = (end(left)?, end(right)?);
    if from.abs_diff(to) > ITEMS_MAX as u64 {
        return out_of_memory();
    }
    let numbers: Vec<Value> = if from <= to {
        (from..=to).map(Value::number).collect()
    } else {
        (to..=from).rev().map(Value::number).collect()
    };
    Ok(Value::array(numbers))
}

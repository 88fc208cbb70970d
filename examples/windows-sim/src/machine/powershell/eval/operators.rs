//! Binary operators.

use std::cmp::Ordering;

use super::super::ast::{BinaryOp, Comparison};
use super::super::error::{ErrorRecord, Result};
use super::super::types::native::Native;
use super::super::types::{convert, names, number, objects, time};
use super::super::value::{Hash, Value, lock};
use super::Interpreter;
use super::expression::out_of_memory;
use crate::machine::vfs::wildcard;

/// The most an array, a string or a byte array may grow to by one operator.
const ITEMS_MAX: usize = 100_000_000;

impl Interpreter {
    pub(super) fn binary(&mut self, operator: BinaryOp, left: &Value, right: &Value) -> Result<Value> {
        Ok(match operator {
            BinaryOp::Add => add(left, right)?,
            BinaryOp::Subtract => subtract(left, right)?,
            BinaryOp::Multiply => multiply(left, right)?,
            BinaryOp::Divide => divide(left, right)?,
            BinaryOp::Remainder => remainder(left, right)?,
            BinaryOp::Format => format_operator(&left.to_text(), &right.items())?.into(),
            BinaryOp::Range => range(left, right)?,
            BinaryOp::BitAnd => bits(left, right, |a, b| a & b)?,
            BinaryOp::BitOr => bits(left, right, |a, b| a | b)?,
            BinaryOp::BitXor => bits(left, right, |a, b| a ^ b)?,
            BinaryOp::ShiftLeft => bits(left, right, |a, b| a.wrapping_shl(b as u32))?,
            BinaryOp::ShiftRight => bits(left, right, |a, b| a.wrapping_shr(b as u32))?,
            BinaryOp::Is => Value::Bool(is_type(left, right)?),
            BinaryOp::IsNot => Value::Bool(!is_type(left, right)?),
            BinaryOp::As => convert::cast(left, &type_of(right)?).unwrap_or(Value::Null),
            BinaryOp::Join => {
                left.items().iter().map(Value::to_text).collect::<Vec<_>>().join(&right.to_text()).into()
            }
            BinaryOp::Compare(comparison, case_sensitive) => {
                self.compare(comparison, left, right, case_sensitive)?
            }
        })
    }

    fn compare(
        &mut self,
        comparison: Comparison,
        left: &Value,
        right: &Value,
        sensitive: bool,
    ) -> Result<Value> {
        match comparison {
            Comparison::Replace => return replace(left, right, sensitive),
            Comparison::Split => return split(left, right, sensitive),
            Comparison::Contains => return Ok(Value::Bool(contains(left, right, sensitive))),
            Comparison::NotContains => return Ok(Value::Bool(!contains(left, right, sensitive))),
            Comparison::In => return Ok(Value::Bool(contains(right, left, sensitive))),
            Comparison::NotIn => return Ok(Value::Bool(!contains(right, left, sensitive))),
            _ => {}
        }
        // A collection on the left is filtered.
        if left.is_collection() {
            let mut kept = Vec::new();
            for item in left.items() {
                if self.holds(comparison, &item, right, sensitive)? {
                    kept.push(item);
                }
            }
            return Ok(Value::array(kept));
        }
        self.holds(comparison, left, right, sensitive).map(Value::Bool)
    }

    fn holds(
        &mut self,
        comparison: Comparison,
        left: &Value,
        right: &Value,
        sensitive: bool,
    ) -> Result<bool> {
        Ok(match comparison {
            Comparison::Eq => equal(left, right, sensitive),
            Comparison::Ne => !equal(left, right, sensitive),
            Comparison::Gt => ordered(left, right, sensitive)? == Ordering::Greater,
            Comparison::Ge => ordered(left, right, sensitive)? != Ordering::Less,
            Comparison::Lt => ordered(left, right, sensitive)? == Ordering::Less,
            Comparison::Le => ordered(left, right, sensitive)? != Ordering::Greater,
            Comparison::Like => wildcard(&right.to_text(), &left.to_text(), true),
            Comparison::NotLike => !wildcard(&right.to_text(), &left.to_text(), true),
            Comparison::Match => self.matches(left, right, sensitive)?,
            Comparison::NotMatch => !self.matches(left, right, sensitive)?,
            _ => false,
        })
    }

    /// `-match`, which leaves its groups in `$Matches`.
    pub(super) fn matches(&mut self, left: &Value, right: &Value, sensitive: bool) -> Result<bool> {
        let regex = objects::compile(&right.to_text(), !sensitive)?;
        let text = left.to_text();
        let Ok(Some(captures)) = regex.captures(&text) else { return Ok(false) };
        let groups = Hash::new(false);
        for (i, name) in regex.capture_names().enumerate() {
            if let Some(found) = captures.get(i) {
                let key = name.map_or(Value::Int(i as i32), Value::from);
                groups.set(key, found.as_str().into());
            }
        }
        self.set_local("matches", Value::Hash(groups.into()));
        Ok(true)
    }
}

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

fn multiply(left: &Value, right: &Value) -> Result<Value> {
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

fn divide(left: &Value, right: &Value) -> Result<Value> {
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

fn remainder(left: &Value, right: &Value) -> Result<Value> {
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

fn bits(left: &Value, right: &Value, apply: fn(i64, i64) -> i64) -> Result<Value> {
    let (a, b) = numbers(left, right, "BitwiseOperation")?;
    Ok(Value::number(apply(a.as_long().unwrap_or(0), b.as_long().unwrap_or(0))))
}

fn range(left: &Value, right: &Value) -> Result<Value> {
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

fn ordered(left: &Value, right: &Value, sensitive: bool) -> Result<Ordering> {
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

fn contains(collection: &Value, item: &Value, sensitive: bool) -> bool {
    collection.items().iter().any(|v| equal(v, item, sensitive))
}

fn type_of(value: &Value) -> Result<String> {
    match value {
        Value::Type(full) => Ok(full.to_string()),
        other => match names::resolve(&other.to_text()) {
            Some(full) => Ok(full),
            None => convert::unknown_type(&other.to_text()),
        },
    }
}

fn is_type(value: &Value, type_value: &Value) -> Result<bool> {
    let wanted = type_of(type_value)?;
    if value.is_null() {
        return Ok(false);
    }
    Ok(names::derives(&value.type_name(), &wanted))
}

fn replace(left: &Value, right: &Value, sensitive: bool) -> Result<Value> {
    let parts = right.items();
    let pattern = parts.first().map(Value::to_text).unwrap_or_default();
    let with = parts.get(1).map(Value::to_text).unwrap_or_default();
    let regex = objects::compile(&pattern, !sensitive)?;
    if left.is_collection() {
        return Ok(Value::array(
            left.items().iter().map(|v| super::replace_regex(&regex, &v.to_text(), &with).into()).collect(),
        ));
    }
    Ok(super::replace_regex(&regex, &left.to_text(), &with).into())
}

fn split(left: &Value, right: &Value, sensitive: bool) -> Result<Value> {
    let options = right.items();
    let pattern = options.first().map(Value::to_text).unwrap_or_default();
    let limit = options.get(1).and_then(Value::as_long).and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
    let simple = options.get(2).is_some_and(|o| o.to_text().to_lowercase().contains("simplematch"));
    let pattern = if simple { fancy_regex::escape(&pattern).into_owned() } else { pattern };
    let regex = objects::compile(&pattern, !sensitive)?;
    let mut parts = Vec::new();
    for item in left.items() {
        let text = item.to_text();
        let mut last = 0;
        let mut count = 1;
        for captures in regex.captures_iter(&text).filter_map(std::result::Result::ok) {
            let Some(found) = captures.get(0) else { continue };
            if limit > 0 && count >= limit {
                break;
            }
            if found.start() == found.end() && (found.start() == 0 || found.start() == text.len()) {
                continue;
            }
            parts.push(text[last..found.start()].into());
            // Groups in the pattern are part of what comes out.
            parts
                .extend((1..captures.len()).filter_map(|i| captures.get(i)).map(|g| Value::from(g.as_str())));
            last = found.end();
            count += 1;
        }
        parts.push(text[last..].into());
    }
    Ok(Value::array(parts))
}

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

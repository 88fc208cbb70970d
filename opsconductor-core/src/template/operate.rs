//! Operators and tests on values.

use std::cmp::Ordering;

use serde_json::Value as Json;

use super::budget::Budget;
use super::filter::{Refused, from_f64, from_i128};
use super::predicate::Predicate;
use super::tree::{Comparison, Math};
use super::value::{Val, copy, equal, order, scalar_text, weigh, whole};

impl Math {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Add => "the operator +",
            Self::Sub => "the operator -",
            Self::Mul => "the operator *",
            Self::Div => "the operator /",
            Self::FloorDiv => "the operator //",
            Self::Rem => "the operator %",
            Self::Pow => "the operator **",
            Self::Concat => "the operator ~",
        }
    }
}

pub(super) fn negate<'t>(value: &Json) -> Result<Val<'t>, Refused> {
    let Json::Number(number) = value else { return Err("needs a number".into()) };
    match whole(number) {
        Some(integer) => from_i128(-integer),
        None => from_f64(-number.as_f64().unwrap_or_default()),
    }
}

pub(super) fn math<'t>(
    math: Math,
    left: &Json,
    right: &Json,
    budget: &mut Budget,
) -> Result<Val<'t>, Refused> {
    match (math, left, right) {
        (Math::Concat, left, right) => {
            let texts = scalar_text(left).zip(scalar_text(right));
            let (left, right) = texts.ok_or("needs strings, numbers or booleans")?;
            concat(&left, &right, budget)
        }
        (Math::Add, Json::String(left), Json::String(right)) => concat(left, right, budget),
        (Math::Add, Json::Array(one), Json::Array(other)) => {
            weigh(left, budget, 0)?;
            weigh(right, budget, 0)?;
            Ok(Val::own(one.iter().chain(other).cloned().collect::<Vec<_>>()))
        }
        (_, Json::Number(left), Json::Number(right)) => match (whole(left), whole(right)) {
            (Some(left), Some(right)) => integers(math, left, right),
            _ => floats(math, left.as_f64().unwrap_or_default(), right.as_f64().unwrap_or_default()),
        },
        (Math::Add, ..) => Err("needs two numbers, two strings or two lists; \"~\" joins as text".into()),
        _ => Err("needs two numbers".into()),
    }
}

fn concat<'t>(left: &str, right: &str, budget: &mut Budget) -> Result<Val<'t>, Refused> {
    budget.build(64 + left.len().saturating_add(right.len()))?;
    Ok(Val::own([left, right].concat()))
}

fn integers<'t>(math: Math, left: i128, right: i128) -> Result<Val<'t>, Refused> {
    let divides = matches!(math, Math::Div | Math::FloorDiv | Math::Rem);
    if divides && right == 0 {
        return Err("cannot divide by zero".into());
    }
    // Both sides fit in 64 bits and a sign, so sums and products fit in 128.
    let result = match math {
        Math::Add => left.checked_add(right),
        Math::Sub => left.checked_sub(right),
        Math::Mul => left.checked_mul(right),
        Math::Div => return from_f64(left as f64 / right as f64),
        // Rounded down, as Python does: the remainder has the sign of the divisor.
        Math::FloorDiv => Some((left - modulo(left, right)) / right),
        Math::Rem => Some(modulo(left, right)),
        Math::Pow => match u32::try_from(right) {
            Ok(exponent) => {
                left.checked_pow(exponent.min(1024)).filter(|_| exponent <= 1024 || left.abs() <= 1)
            }
            Err(_) => return floats(math, left as f64, right as f64),
        },
        Math::Concat => None,
    };
    from_i128(result.ok_or("gives a number that is too large")?)
}

fn modulo(left: i128, right: i128) -> i128 {
    let rest = left % right;
    if rest != 0 && (rest < 0) != (right < 0) { rest + right } else { rest }
}

fn floats<'t>(math: Math, left: f64, right: f64) -> Result<Val<'t>, Refused> {
    if right == 0.0 && matches!(math, Math::Div | Math::FloorDiv | Math::Rem) {
        return Err("cannot divide by zero".into());
    }
    from_f64(match math {
        Math::Add => left + right,
        Math::Sub => left - right,
        Math::Mul => left * right,
        Math::Div => left / right,
        Math::FloorDiv => (left / right).floor(),
        Math::Rem => left - right * (left / right).floor(),
        Math::Pow => left.powf(right),
        Math::Concat => return Err("needs strings".into()),
    })
}

pub(super) fn compare(
    comparison: Comparison,
    left: &Json,
    right: &Json,
    budget: &mut Budget,
) -> Result<bool, Refused> {
    let is = |wanted: fn(Ordering) -> bool, budget: &mut Budget| match order(left, right, budget)? {
        Some(found) => Ok(wanted(found)),
        None => Err(Refused::from("needs two numbers or two strings")),
    };
    match comparison {
        Comparison::Eq => Ok(equal(left, right, budget, 0)?),
        Comparison::Ne => Ok(!equal(left, right, budget, 0)?),
        Comparison::Lt => is(Ordering::is_lt, budget),
        Comparison::Le => is(Ordering::is_le, budget),
        Comparison::Gt => is(Ordering::is_gt, budget),
        Comparison::Ge => is(Ordering::is_ge, budget),
        Comparison::In => contains(right, left, budget),
        Comparison::NotIn => contains(right, left, budget).map(|found| !found),
    }
}

fn contains(whole: &Json, part: &Json, budget: &mut Budget) -> Result<bool, Refused> {
    match (whole, part) {
        (Json::String(text), Json::String(part)) => {
            budget.read(text.len().saturating_add(part.len()))?;
            Ok(text.contains(part.as_str()))
        }
        (Json::Array(items), part) => {
            for item in items {
                if equal(item, part, budget, 0)? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        (Json::Object(entries), Json::String(key)) => {
            budget.read(key.len())?;
            Ok(entries.contains_key(key))
        }
        _ => Err("\"in\" needs a list, a map, or two strings".into()),
    }
}

pub(super) fn test(test: Predicate, value: &Json, arg: &Json, budget: &mut Budget) -> Result<bool, Refused> {
    let integer = |value: &Json| match value {
        Json::Number(number) => whole(number).ok_or("needs whole numbers"),
        _ => Err("needs whole numbers"),
    };
    Ok(match test {
        Predicate::Defined => true,
        Predicate::Undefined => false,
        Predicate::None => value.is_null(),
        Predicate::Boolean => value.is_boolean(),
        Predicate::True => *value == Json::Bool(true),
        Predicate::False => *value == Json::Bool(false),
        Predicate::Number => value.is_number(),
        Predicate::Integer => value.is_i64() || value.is_u64(),
        Predicate::Float => value.is_f64(),
        Predicate::String => value.is_string(),
        Predicate::Sequence => value.is_array(),
        Predicate::Mapping => value.is_object(),
        Predicate::Iterable => value.is_array() || value.is_object(),
        Predicate::Odd => integer(value)? % 2 != 0,
        Predicate::Even => integer(value)? % 2 == 0,
        Predicate::DivisibleBy => match integer(arg)? {
            0 => return Err("cannot divide by zero".into()),
            divisor => integer(value)? % divisor == 0,
        },
        Predicate::StartingWith | Predicate::EndingWith => {
            let texts = value.as_str().zip(arg.as_str());
            let (text, part) = texts.ok_or("needs two strings")?;
            budget.read(part.len())?;
            if test == Predicate::StartingWith { text.starts_with(part) } else { text.ends_with(part) }
        }
        Predicate::Eq => compare(Comparison::Eq, value, arg, budget)?,
        Predicate::Ne => compare(Comparison::Ne, value, arg, budget)?,
        Predicate::Lt => compare(Comparison::Lt, value, arg, budget)?,
        Predicate::Le => compare(Comparison::Le, value, arg, budget)?,
        Predicate::Gt => compare(Comparison::Gt, value, arg, budget)?,
        Predicate::Ge => compare(Comparison::Ge, value, arg, budget)?,
        Predicate::In => compare(Comparison::In, value, arg, budget)?,
    })
}

/// Where an index points; a negative one counts from the end.
pub(super) fn index(index: i64, length: usize) -> Option<usize> {
    let at = if index < 0 { i64::try_from(length).ok()?.checked_add(index)? } else { index };
    usize::try_from(at).ok().filter(|at| *at < length)
}

pub(super) fn slice<'t>(
    value: &Json,
    bounds: [Option<i64>; 3],
    budget: &mut Budget,
) -> Result<Val<'t>, Refused> {
    let step = match bounds[2] {
        None => 1,
        Some(step) => usize::try_from(step).ok().filter(|step| *step > 0).ok_or("needs a step above zero")?,
    };
    let place = |bound: Option<i64>, length: usize, missing: usize| match bound {
        None => missing,
        Some(bound) if bound < 0 => {
            length.saturating_sub(usize::try_from(bound.unsigned_abs()).unwrap_or(length))
        }
        Some(bound) => usize::try_from(bound).unwrap_or(length).min(length),
    };
    match value {
        Json::String(text) => {
            budget.build(64 + text.len())?;
            let length = text.chars().count();
            let (start, stop) = (place(bounds[0], length, 0), place(bounds[1], length, length));
            let kept = text.chars().skip(start).take(stop.saturating_sub(start)).step_by(step);
            Ok(Val::own(kept.collect::<String>()))
        }
        Json::Array(items) => {
            let length = items.len();
            let (start, stop) = (place(bounds[0], length, 0), place(bounds[1], length, length));
            let kept = items.iter().skip(start).take(stop.saturating_sub(start)).step_by(step);
            let kept = kept.map(|item| copy(item, budget)).collect::<Result<Vec<_>, _>>()?;
            Ok(Val::own(kept))
        }
        _ => Err("needs a list or a string".into()),
    }
}

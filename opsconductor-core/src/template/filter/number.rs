//! Filters on numbers.

use std::rc::Rc;

use serde_json::{Number, Value as Json};

use super::{Refused, list_of};
use crate::template::budget::Budget;
use crate::template::value::{Val, copy, whole};

pub(super) fn sum<'t>(value: &Json, budget: &mut Budget) -> Result<Val<'t>, Refused> {
    let mut integers: i128 = 0;
    let mut floats = 0.0;
    let mut is_float = false;
    for item in list_of(value)? {
        budget.step()?;
        let Json::Number(number) = item else { return Err("needs a list of numbers".into()) };
        match whole(number) {
            // At most 2^64 times a million items: far from the end of an i128.
            Some(integer) => integers = integers.saturating_add(integer),
            None => {
                is_float = true;
                floats += number.as_f64().unwrap_or_default();
            }
        }
    }
    if is_float { from_f64(integers as f64 + floats) } else { from_i128(integers) }
}

pub(super) fn abs<'t>(value: &Json) -> Result<Val<'t>, Refused> {
    let Json::Number(number) = value else { return Err("needs a number".into()) };
    match whole(number) {
        Some(integer) => from_i128(integer.abs()),
        None => from_f64(number.as_f64().unwrap_or_default().abs()),
    }
}

pub(super) fn round<'t>(value: &Json, precision: Option<&Json>) -> Result<Val<'t>, Refused> {
    let Json::Number(number) = value else { return Err("needs a number".into()) };
    let precision = precision.map_or(Some(0), Json::as_i64).filter(|digits| (0..=15).contains(digits));
    let digits = precision.ok_or("needs a precision from 0 to 15")?;
    match whole(number) {
        Some(_) => Ok(Val::Own(Rc::new(value.clone()))),
        None => {
            let scale = 10f64.powi(i32::try_from(digits).unwrap_or_default());
            from_f64((number.as_f64().unwrap_or_default() * scale).round() / scale)
        }
    }
}

/// As Jinja2: what is no number becomes the default, which is zero.
pub(super) fn int<'t>(value: &Json, default: Option<&Json>, budget: &mut Budget) -> Result<Val<'t>, Refused> {
    let parsed = match value {
        Json::Bool(value) => Some(i128::from(*value)),
        Json::Number(number) => whole(number).or_else(|| truncated(number.as_f64())),
        Json::String(text) => {
            budget.read(text.len())?;
            let text = text.trim();
            text.parse().ok().or_else(|| truncated(text.parse().ok()))
        }
        _ => None,
    };
    match (parsed, default) {
        (Some(integer), _) => from_i128(integer),
        (None, Some(default)) => Ok(Val::own(copy(default, budget)?)),
        (None, None) => Ok(Val::own(0)),
    }
}

pub(super) fn float<'t>(
    value: &Json,
    default: Option<&Json>,
    budget: &mut Budget,
) -> Result<Val<'t>, Refused> {
    let parsed = match value {
        Json::Bool(value) => Some(f64::from(u8::from(*value))),
        Json::Number(number) => number.as_f64(),
        Json::String(text) => {
            budget.read(text.len())?;
            text.trim().parse::<f64>().ok().filter(|number| number.is_finite())
        }
        _ => None,
    };
    match (parsed, default) {
        (Some(number), _) => from_f64(number),
        (None, Some(default)) => Ok(Val::own(copy(default, budget)?)),
        (None, None) => from_f64(0.0),
    }
}

pub(super) fn truncated(number: Option<f64>) -> Option<i128> {
    number.filter(|number| number.abs() < 1e19).map(|number| number.trunc() as i128)
}

/// An integer that JSON can hold.
pub(in crate::template) fn from_i128<'t>(integer: i128) -> Result<Val<'t>, Refused> {
    Number::from_i128(integer)
        .filter(|number| number.is_i64() || number.is_u64())
        .map(|number| Val::own(Json::Number(number)))
        .ok_or_else(|| "gives a number that is too large".into())
}

/// A float that JSON can hold.
pub(in crate::template) fn from_f64<'t>(float: f64) -> Result<Val<'t>, Refused> {
    Number::from_f64(float)
        .map(|number| Val::own(Json::Number(number)))
        .ok_or_else(|| "gives a number that is too large".into())
}

//! Values while a template is evaluated: borrowed from the parameters as long as possible, every copy paid for.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::rc::Rc;

use serde_json::Value as Json;

use super::budget::{Budget, Spent, VALUE_DEPTH_MAX};
use super::tree::Expr;

/// A value, or the expression that has none.
#[derive(Debug, Clone)]
pub(super) enum Val<'t> {
    Missing(&'t Expr),
    Ref(&'t Json),
    Own(Rc<Json>),
}

impl Val<'_> {
    pub(super) fn own(value: impl Into<Json>) -> Self {
        Val::Own(Rc::new(value.into()))
    }

    /// The value, unless it is missing.
    pub(super) fn json(&self) -> Option<&Json> {
        match self {
            Val::Missing(_) => None,
            Val::Ref(value) => Some(value),
            Val::Own(value) => Some(value),
        }
    }
}

impl<'t> Val<'t> {
    /// A part of the value, borrowed if the whole is borrowed, else copied.
    pub(super) fn part(
        &self,
        budget: &mut Budget,
        pick: impl for<'v> Fn(&'v Json) -> Option<&'v Json>,
    ) -> Result<Option<Val<'t>>, Spent> {
        match self {
            Val::Missing(_) => Ok(None),
            Val::Ref(whole) => Ok(pick(whole).map(Val::Ref)),
            Val::Own(whole) => pick(whole).map(|part| copy(part, budget).map(Val::own)).transpose(),
        }
    }
}

/// A copy, paid for before it is made.
pub(super) fn copy(value: &Json, budget: &mut Budget) -> Result<Json, Spent> {
    weigh(value, budget, 0)?;
    Ok(value.clone())
}

/// Pays for a copy of `value`, and checks that it is not nested too deep.
pub(super) fn weigh(value: &Json, budget: &mut Budget, depth: usize) -> Result<(), Spent> {
    if depth > VALUE_DEPTH_MAX {
        return Err(Spent::Depth);
    }
    budget.step()?;
    match value {
        Json::String(text) => budget.build(64 + text.len()),
        Json::Array(items) => {
            budget.build(64 + 72 * items.len())?;
            items.iter().try_for_each(|item| weigh(item, budget, depth + 1))
        }
        Json::Object(entries) => {
            budget.build(128 + 160 * entries.len())?;
            entries.iter().try_for_each(|(key, item)| {
                budget.build(key.len())?;
                weigh(item, budget, depth + 1)
            })
        }
        _ => budget.build(64),
    }
}

/// What counts as true in a condition: not `false`, `null`, zero, or empty.
pub(super) fn is_true(value: &Json) -> bool {
    match value {
        Json::Null => false,
        Json::Bool(value) => *value,
        Json::Number(number) => number.as_f64() != Some(0.0),
        Json::String(text) => !text.is_empty(),
        Json::Array(items) => !items.is_empty(),
        Json::Object(entries) => !entries.is_empty(),
    }
}

/// Equality, where `1` equals `1.0` and, as in Jinja2, `true`.
pub(super) fn equal(left: &Json, right: &Json, budget: &mut Budget, depth: usize) -> Result<bool, Spent> {
    if depth > VALUE_DEPTH_MAX {
        return Err(Spent::Depth);
    }
    budget.step()?;
    Ok(match (left, right) {
        (Json::Number(left), Json::Number(right)) => left == right || left.as_f64() == right.as_f64(),
        (Json::Bool(truth), Json::Number(number)) | (Json::Number(number), Json::Bool(truth)) => {
            number.as_f64() == Some(f64::from(u8::from(*truth)))
        }
        (Json::String(left), Json::String(right)) => {
            budget.read(left.len().min(right.len()))?;
            left == right
        }
        (Json::Array(left), Json::Array(right)) => {
            if left.len() != right.len() {
                return Ok(false);
            }
            for (left, right) in left.iter().zip(right) {
                if !equal(left, right, budget, depth + 1)? {
                    return Ok(false);
                }
            }
            true
        }
        (Json::Object(left), Json::Object(right)) => {
            if left.len() != right.len() {
                return Ok(false);
            }
            for (key, left) in left {
                budget.read(key.len())?;
                match right.get(key) {
                    Some(right) if equal(left, right, budget, depth + 1)? => {}
                    _ => return Ok(false),
                }
            }
            true
        }
        (left, right) => left == right,
    })
}

/// The order of two numbers, two strings or two booleans; other pairs have none.
pub(super) fn order(left: &Json, right: &Json, budget: &mut Budget) -> Result<Option<Ordering>, Spent> {
    budget.step()?;
    Ok(match (left, right) {
        (Json::Number(left), Json::Number(right)) => match (whole(left), whole(right)) {
            (Some(left), Some(right)) => Some(left.cmp(&right)),
            _ => left.as_f64().zip(right.as_f64()).and_then(|(left, right)| left.partial_cmp(&right)),
        },
        (Json::String(left), Json::String(right)) => {
            budget.read(left.len().min(right.len()))?;
            Some(left.cmp(right))
        }
        (Json::Bool(left), Json::Bool(right)) => Some(left.cmp(right)),
        _ => None,
    })
}

/// The number as an integer, if it is one.
pub(super) fn whole(number: &serde_json::Number) -> Option<i128> {
    number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from))
}

/// A scalar as text: booleans are `True` and `False`, as in Jinja2. `null`, lists and maps have no text of their own.
pub(super) fn scalar_text(value: &Json) -> Option<Cow<'_, str>> {
    match value {
        Json::String(text) => Some(Cow::Borrowed(text)),
        Json::Number(number) => Some(Cow::Owned(number.to_string())),
        Json::Bool(true) => Some(Cow::Borrowed("True")),
        Json::Bool(false) => Some(Cow::Borrowed("False")),
        Json::Null | Json::Array(_) | Json::Object(_) => None,
    }
}

/// What a value is called in an error.
pub(super) fn kind(value: &Json) -> &'static str {
    match value {
        Json::Null => "null",
        Json::Bool(_) => "a boolean",
        Json::Number(_) => "a number",
        Json::String(_) => "a string",
        Json::Array(_) => "a list",
        Json::Object(_) => "a map",
    }
}

/// Appends `value` as compact JSON, stopping when `out` is longer than `limit`.
pub(super) fn write_json(
    value: &Json,
    out: &mut String,
    limit: usize,
    budget: &mut Budget,
) -> Result<(), Spent> {
    struct Limited<'a> {
        out: &'a mut String,
        limit: usize,
    }

    impl std::io::Write for Limited<'_> {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            let text = std::str::from_utf8(bytes).map_err(std::io::Error::other)?;
            if self.out.len() + text.len() > self.limit {
                return Err(std::io::ErrorKind::StorageFull.into());
            }
            self.out.push_str(text);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    shallow(value, budget, 0)?;
    serde_json::to_writer(Limited { out, limit }, value).map_err(|_| Spent::Output)
}

/// Checks the nesting of `value`, and pays for reading it.
fn shallow(value: &Json, budget: &mut Budget, depth: usize) -> Result<(), Spent> {
    if depth > VALUE_DEPTH_MAX {
        return Err(Spent::Depth);
    }
    budget.step()?;
    match value {
        Json::String(text) => budget.read(text.len()),
        Json::Array(items) => items.iter().try_for_each(|item| shallow(item, budget, depth + 1)),
        Json::Object(entries) => entries.iter().try_for_each(|(key, item)| {
            budget.read(key.len())?;
            shallow(item, budget, depth + 1)
        }),
        _ => Ok(()),
    }
}

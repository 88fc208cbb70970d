//! Binary operators: which work each stands for, and the ones over text and types.

use std::cmp::Ordering;

use super::super::ast::{BinaryOp, Comparison};
use super::super::error::Result;
use super::super::types::{convert, names, objects};
use super::super::value::{Hash, Value};
use super::Interpreter;
use super::arithmetic::{add, bits, divide, multiply, range, remainder, subtract};
use super::comparison::{equal, ordered};
use super::formatting::format_operator;
use crate::machine::vfs::wildcard;

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

//! Cmdlets over objects: sort, group, measure, compare.

use std::sync::Arc;

use super::super::error::Result;
use super::super::eval::{Bound, Emits, Interpreter, Run, compare_values, equal};
use super::super::types::native::Native;
use super::super::types::properties;
use super::super::value::{Hash, Value};

pub(super) fn same(a: &Value, b: &Value) -> bool {
    equal(a, b, true) || matches!((a, b), (Value::Object(_), Value::Object(_))) && a.to_text() == b.to_text()
}

pub(super) fn unique(
    _ps: &mut Interpreter,
    bound: &Bound,
    inputs: Vec<Value>,
    emits: &mut Emits,
) -> Result<()> {
    let mut inputs = bound.get("InputObject").map(Value::items).unwrap_or(inputs);
    inputs.dedup_by(|a, b| same(a, b));
    inputs.into_iter().for_each(|v| emits.output(v));
    Ok(())
}

pub(super) fn sort<'a>(
    ps: &'a mut Interpreter,
    bound: Bound,
    inputs: Vec<Value>,
    emits: &'a mut Emits,
) -> Run<'a, ()> {
    Box::pin(async move {
        let inputs = bound.get("InputObject").map(Value::items).unwrap_or(inputs);
        let keys = bound.get("Property").map(Value::items).unwrap_or_default();
        let mut rows = Vec::with_capacity(inputs.len());
        for item in inputs {
            let mut values = Vec::new();
            for key in &keys {
                let (expression, descending) = match key {
                    Value::Hash(hash) => {
                        let part = |names: &[&str]| names.iter().find_map(|n| hash.get(&(*n).into()));
                        (
                            part(&["Expression", "E"]).unwrap_or(Value::Null),
                            part(&["Descending"]).is_some_and(|d| d.truthy()),
                        )
                    }
                    other => (other.clone(), bound.flag("Descending")),
                };
                values.push((ps.calculated(&expression, &item).await?, descending));
            }
            if keys.is_empty() {
                values.push((item.clone(), bound.flag("Descending")));
            }
            rows.push((values, item));
        }
        rows.sort_by(|(a, _), (b, _)| {
            let compared = a.iter().zip(b).map(|((x, descending), (y, _))| {
                let order = compare_values(x, y);
                if *descending { order.reverse() } else { order }
            });
            compared.fold(std::cmp::Ordering::Equal, std::cmp::Ordering::then)
        });
        if bound.flag("Unique") {
            rows.dedup_by(|(a, _), (b, _)| a.iter().zip(b.iter()).all(|((x, _), (y, _))| equal(x, y, false)));
        }
        rows.into_iter().for_each(|(_, item)| emits.output(item));
        Ok(())
    })
}

pub(super) fn group<'a>(
    ps: &'a mut Interpreter,
    bound: Bound,
    inputs: Vec<Value>,
    emits: &'a mut Emits,
) -> Run<'a, ()> {
    Box::pin(async move {
        let inputs = bound.get("InputObject").map(Value::items).unwrap_or(inputs);
        let mut groups: Vec<(Value, Vec<Value>)> = Vec::new();
        for item in inputs {
            let key = match bound.get("Property") {
                Some(property) => {
                    ps.calculated(&property.items().first().cloned().unwrap_or(Value::Null), &item).await?
                }
                None => item.clone(),
            };
            match groups.iter_mut().find(|(k, _)| equal(k, &key, false)) {
                Some((_, members)) => members.push(item),
                None => groups.push((key, vec![item])),
            }
        }
        if bound.flag("AsHashTable") {
            let table = Hash::new(false);
            for (key, members) in groups {
                table.set(key, Value::array(members));
            }
            emits.output(Value::Hash(Arc::new(table)));
            return Ok(());
        }
        for (key, members) in groups {
            let mut fields: Vec<(Arc<str>, Value)> =
                vec![("Count".into(), Value::count(members.len())), ("Name".into(), key.to_text().into())];
            if !bound.flag("NoElement") {
                fields.push(("Group".into(), Value::array(members)));
            }
            emits.output(Value::object("Microsoft.PowerShell.Commands.GroupInfo", fields, Native::None));
        }
        Ok(())
    })
}

pub(super) fn measure(
    ps: &mut Interpreter,
    bound: &Bound,
    inputs: Vec<Value>,
    emits: &mut Emits,
) -> Result<()> {
    let inputs = bound.get("InputObject").map(Value::items).unwrap_or(inputs);
    if bound.flag("Line") || bound.flag("Word") || bound.flag("Character") {
        let texts: Vec<String> = inputs.iter().map(Value::to_text).collect();
        let count = |on: bool, n: usize| if on { Value::count(n) } else { Value::Null };
        let fields: Vec<(Arc<str>, Value)> = vec![
            ("Lines".into(), count(bound.flag("Line"), texts.iter().map(|t| t.lines().count()).sum())),
            (
                "Words".into(),
                count(bound.flag("Word"), texts.iter().map(|t| t.split_whitespace().count()).sum()),
            ),
            (
                "Characters".into(),
                count(bound.flag("Character"), texts.iter().map(|t| t.chars().count()).sum()),
            ),
            ("Property".into(), Value::Null),
        ];
        emits.output(Value::object("Microsoft.PowerShell.Commands.TextMeasureInfo", fields, Native::None));
        return Ok(());
    }
    let property = bound.text("Property");
    let mut values = Vec::new();
    for item in &inputs {
        match &property {
            Some(name) => values.extend(properties::get(ps, item, name)?.filter(|v| !v.is_null())),
            None => values.push(item.clone()),
        }
    }
    let numbers: Vec<f64> = values.iter().filter_map(Value::as_double).collect();
    let sum: f64 = numbers.iter().sum();
    let tidy = |n: f64| Value::Double(n);
    let asked = |name: &str, value: Option<Value>| {
        if bound.flag(name) { value.unwrap_or(Value::Null) } else { Value::Null }
    };
    let fields: Vec<(Arc<str>, Value)> = vec![
        ("Count".into(), Value::count(values.len())),
        ("Average".into(), asked("Average", (!numbers.is_empty()).then(|| tidy(sum / numbers.len() as f64)))),
        ("Sum".into(), asked("Sum", Some(tidy(sum)))),
        ("Maximum".into(), asked("Maximum", numbers.iter().copied().reduce(f64::max).map(tidy))),
        ("Minimum".into(), asked("Minimum", numbers.iter().copied().reduce(f64::min).map(tidy))),
        ("Property".into(), property.map_or(Value::Null, Value::from)),
    ];
    emits.output(Value::object("Microsoft.PowerShell.Commands.GenericMeasureInfo", fields, Native::None));
    Ok(())
}

pub(super) fn compare(_ps: &mut Interpreter, bound: &Bound, emits: &mut Emits) -> Result<()> {
    let left = bound.get("ReferenceObject").map(Value::items).unwrap_or_default();
    let mut right = bound.get("DifferenceObject").map(Value::items).unwrap_or_default();
    let row = |value: &Value, side: &str| {
        Value::custom(vec![("InputObject".into(), value.clone()), ("SideIndicator".into(), side.into())])
    };
    let mut only_left = Vec::new();
    for value in left {
        match right.iter().position(|r| equal(r, &value, false)) {
            Some(at) => {
                right.remove(at);
                if bound.flag("IncludeEqual") {
                    emits.output(row(&value, "=="));
                }
            }
            None => only_left.push(value),
        }
    }
    right.iter().for_each(|v| emits.output(row(v, "=>")));
    only_left.iter().for_each(|v| emits.output(row(v, "<=")));
    Ok(())
}

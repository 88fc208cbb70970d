//! Cmdlets over objects: select, sort, group, measure, compare.

use std::sync::Arc;

use super::super::error::{ErrorRecord, Result};
use super::super::eval::{Bound, Emits, Interpreter, Run, compare_values, equal};
use super::super::types::native::Native;
use super::super::types::properties;
use super::super::value::{CUSTOM_OBJECT, Hash, Value};
use crate::machine::vfs::wildcard;

/// The properties a value shows, in order.
pub(in super::super) fn visible_properties(ps: &Interpreter, value: &Value) -> Vec<(Arc<str>, Value)> {
    let named = |names: &[&str]| {
        names
            .iter()
            .map(|n| ((*n).into(), properties::get(ps, value, n).ok().flatten().unwrap_or(Value::Null)))
            .collect()
    };
    match value {
        Value::Hash(hash) => hash.entries().into_iter().map(|(k, v)| (k.to_text().into(), v)).collect(),
        Value::Str(_) => named(&["Length"]),
        Value::Date(_) => named(&[
            "Date",
            "Day",
            "DayOfWeek",
            "DayOfYear",
            "Hour",
            "Kind",
            "Millisecond",
            "Minute",
            "Month",
            "Second",
            "Ticks",
            "TimeOfDay",
            "Year",
        ]),
        Value::Span(_) => named(&[
            "Ticks",
            "Days",
            "Hours",
            "Milliseconds",
            "Minutes",
            "Seconds",
            "TotalDays",
            "TotalHours",
            "TotalMilliseconds",
            "TotalMinutes",
            "TotalSeconds",
        ]),
        Value::Object(object) => match &object.native {
            Native::Service(_) => named(&[
                "Name",
                "RequiredServices",
                "CanPauseAndContinue",
                "CanShutdown",
                "CanStop",
                "DisplayName",
                "DependentServices",
                "MachineName",
                "ServiceName",
                "ServicesDependedOn",
                "Status",
                "ServiceType",
                "StartType",
            ]),
            Native::File(_) => named(&[
                "Name",
                "Length",
                "DirectoryName",
                "IsReadOnly",
                "Exists",
                "FullName",
                "Extension",
                "CreationTime",
                "LastAccessTime",
                "LastWriteTime",
                "Attributes",
            ]),
            Native::Directory(_) => named(&[
                "Name",
                "FullName",
                "Extension",
                "Exists",
                "Root",
                "CreationTime",
                "LastAccessTime",
                "LastWriteTime",
                "Attributes",
            ]),
            Native::Version(_) => named(&["Major", "Minor", "Build", "Revision"]),
            Native::Exception(_) => named(&["Message", "InnerException", "HResult"]),
            Native::Error(_) => {
                named(&["Exception", "TargetObject", "CategoryInfo", "FullyQualifiedErrorId"])
            }
            Native::StringBuilder(_) => named(&["Length"]),
            _ => object.properties().into_iter().filter(|(n, _)| !n.starts_with("__")).collect(),
        },
        _ => Vec::new(),
    }
}

/// The properties asked for: names, wildcards, and tables with a name and an expression.
async fn chosen(ps: &mut Interpreter, wanted: &Value, item: &Value) -> Result<Vec<(Arc<str>, Value)>> {
    let mut fields: Vec<(Arc<str>, Value)> = Vec::new();
    for property in wanted.items() {
        match &property {
            Value::Hash(hash) => {
                let part = |names: &[&str]| names.iter().find_map(|n| hash.get(&(*n).into()));
                let expression = part(&["Expression", "E"]).unwrap_or(Value::Null);
                let name =
                    part(&["Name", "Label", "N", "L"]).map_or_else(|| expression.to_text(), |n| n.to_text());
                let value = ps.calculated(&expression, item).await?;
                fields.push((name.into(), value));
            }
            Value::Script(_) => {
                let value = ps.calculated(&property, item).await?;
                fields.push((property.to_text().into(), value));
            }
            other => {
                let name = other.to_text();
                if name.contains(['*', '?']) {
                    let all = visible_properties(ps, item);
                    fields.extend(all.into_iter().filter(|(n, _)| wildcard(&name, n, true)));
                } else {
                    let value = properties::get(ps, item, &name)?.unwrap_or(Value::Null);
                    let known =
                        visible_properties(ps, item).into_iter().find(|(n, _)| n.eq_ignore_ascii_case(&name));
                    fields.push((known.map_or_else(|| name.as_str().into(), |(n, _)| n), value));
                }
            }
        }
    }
    Ok(fields)
}

/// What `Select-Object` makes of one value.
pub(in super::super) async fn select_one(
    ps: &mut Interpreter,
    bound: &Bound,
    item: Value,
) -> Result<Vec<Value>> {
    if let Some(name) = bound.text("ExpandProperty") {
        return match properties::get(ps, &item, &name)? {
            Some(value) => Ok(value.items()),
            None => ErrorRecord::new(
                "System.Management.Automation.PSArgumentException",
                format!("Property \"{name}\" cannot be found."),
                "ExpandPropertyNotFound",
                "InvalidArgument",
            )
            .target(item.to_text(), "PSObject")
            .throw(),
        };
    }
    let Some(wanted) = bound.get("Property") else { return Ok(vec![item]) };
    let mut fields = chosen(ps, wanted, &item).await?;
    let excluded = bound.texts("ExcludeProperty");
    fields.retain(|(n, _)| !excluded.iter().any(|e| wildcard(e, n, true)));
    Ok(vec![Value::object(CUSTOM_OBJECT, fields, Native::None)])
}

pub(super) fn select<'a>(
    ps: &'a mut Interpreter,
    bound: Bound,
    inputs: Vec<Value>,
    emits: &'a mut Emits,
) -> Run<'a, ()> {
    Box::pin(async move {
        let inputs = bound.get("InputObject").map(Value::items).unwrap_or(inputs);
        let size = |name| bound.number(name).and_then(|n| usize::try_from(n).ok());
        let skip = size("Skip").unwrap_or(0).min(inputs.len());
        let mut items: Vec<Value> = match (size("First"), size("Last")) {
            (None, Some(last)) => {
                let end = inputs.len() - skip;
                inputs[end.saturating_sub(last)..end].to_vec()
            }
            (Some(first), Some(last)) => {
                let from = inputs.len().saturating_sub(last).max(first.min(inputs.len()));
                [&inputs[..first.min(inputs.len())], &inputs[from..]].concat()
            }
            (first, None) => inputs[skip..].iter().take(first.unwrap_or(usize::MAX)).cloned().collect(),
        };
        if let Some(index) = bound.get("Index") {
            items = index
                .items()
                .iter()
                .filter_map(|i| inputs.get(usize::try_from(i.as_long()?).ok()?).cloned())
                .collect();
        }
        let mut given: Vec<Value> = Vec::new();
        for item in items {
            for selected in select_one(ps, &bound, item).await? {
                if bound.flag("Unique") && given.iter().any(|g| same(g, &selected)) {
                    continue;
                }
                given.push(selected);
            }
        }
        given.into_iter().for_each(|v| emits.output(v));
        Ok(())
    })
}

fn same(a: &Value, b: &Value) -> bool {
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

pub(super) fn add_member(_ps: &mut Interpreter, bound: &Bound, emits: &mut Emits) -> Result<()> {
    let target = bound.get("InputObject").cloned().unwrap_or(Value::Null);
    if let Value::Object(object) = &target {
        if let Some(Value::Hash(members)) = bound.get("NotePropertyMembers") {
            members.entries().into_iter().for_each(|(k, v)| object.add_property(&k.to_text(), v));
        }
        let name = bound
            .text("NotePropertyName")
            .or(bound.text("Name"))
            .or(bound.text("MemberType").filter(|_| !bound.has("Name")));
        if let Some(name) = name {
            let value = bound.get("NotePropertyValue").or(bound.get("Value")).cloned().unwrap_or(Value::Null);
            object.add_property(&name, value);
        }
    }
    if bound.flag("PassThru") {
        emits.output(target);
    }
    Ok(())
}

pub(super) fn members(
    ps: &mut Interpreter,
    bound: &Bound,
    inputs: Vec<Value>,
    emits: &mut Emits,
) -> Result<()> {
    let inputs = bound.get("InputObject").map(|v| vec![v.clone()]).unwrap_or(inputs);
    let Some(first) = inputs.first() else {
        return ErrorRecord::new(
            "System.InvalidOperationException",
            "You must specify an object for the Get-Member cmdlet.",
            "NoObjectInGetMember",
            "CloseError",
        )
        .throw();
    };
    let type_name = first.type_name();
    let custom = &*type_name == CUSTOM_OBJECT;
    for (name, value) in visible_properties(ps, first) {
        if bound.text("Name").is_some_and(|pattern| !wildcard(&pattern, &name, true)) {
            continue;
        }
        let kind = if custom { "NoteProperty" } else { "Property" };
        let shown = value.type_name().rsplit('.').next().unwrap_or_default().to_lowercase();
        let definition = if custom {
            format!("{shown} {name}={}", value.to_text())
        } else {
            format!("{shown} {name} {{get;}}")
        };
        emits.output(Value::object(
            "Microsoft.PowerShell.Commands.MemberDefinition",
            vec![
                ("Name".into(), Value::Str(name)),
                ("MemberType".into(), kind.into()),
                ("Definition".into(), definition.into()),
            ],
            Native::None,
        ));
    }
    Ok(())
}

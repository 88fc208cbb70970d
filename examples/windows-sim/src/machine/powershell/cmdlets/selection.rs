//! `Select-Object`.

use std::sync::Arc;

use super::super::error::{ErrorRecord, Result};
use super::super::eval::{Bound, Emits, Interpreter, Run};
use super::super::types::native::Native;
use super::super::types::properties;
use super::super::value::{CUSTOM_OBJECT, Value};
use super::members::visible_properties;
use super::objects::same;
use crate::machine::vfs::wildcard;

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

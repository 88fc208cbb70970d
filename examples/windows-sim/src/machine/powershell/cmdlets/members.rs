//! Members of objects: what shows, `Add-Member` and `Get-Member`.

use std::sync::Arc;

use super::super::error::{ErrorRecord, Result};
use super::super::eval::{Bound, Emits, Interpreter};
use super::super::types::native::Native;
use super::super::types::properties;
use super::super::value::{CUSTOM_OBJECT, Value};
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

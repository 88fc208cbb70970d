//! `New-Object`.

use super::super::error::{ErrorRecord, Flow, Result};
use super::super::eval::{Bound, Emits, Interpreter};
use super::super::types::{names, objects, properties};
use super::super::value::Value;

pub(super) fn new_object(ps: &mut Interpreter, bound: &Bound, emits: &mut Emits) -> Result<()> {
    let name = bound.text("TypeName").unwrap_or_default();
    if bound.has("ComObject") {
        let name = bound.text("ComObject").unwrap_or_default();
        return ErrorRecord::new(
            "System.Runtime.InteropServices.COMException",
            format!("Retrieving the COM class factory for component with CLSID {{00000000-0000-0000-0000-000000000000}} failed due to the following error: 80040154 Class not registered ({name})."),
            "NoCOMClassIdentified",
            "ResourceUnavailable",
        )
        .throw();
    }
    let Some(full) = names::resolve(&name) else {
        return ErrorRecord::new(
            "System.Management.Automation.PSArgumentException",
            format!("Cannot find type [{name}]: verify that the assembly containing this type is loaded."),
            "TypeNotFound",
            "InvalidType",
        )
        .throw();
    };
    let arguments = match bound.get("ArgumentList") {
        Some(Value::Array(_)) => bound.get("ArgumentList").map(Value::items).unwrap_or_default(),
        Some(one) => vec![one.clone()],
        None => Vec::new(),
    };
    let made = match objects::construct(ps, &full, &arguments) {
        Ok(Some(value)) => value,
        Ok(None) => {
            return ErrorRecord::new(
                "System.Management.Automation.MethodException",
                format!(
                    "A constructor was not found. Cannot find an appropriate constructor for type {name}."
                ),
                "CannotFindAppropriateCtor",
                "ObjectNotFound",
            )
            .throw();
        }
        Err(Flow::Throw(record)) => {
            let mut wrapped = ErrorRecord::new(
                "System.Management.Automation.MethodInvocationException",
                format!(
                    "Exception calling \".ctor\" with \"{}\" argument(s): \"{}\"",
                    arguments.len(),
                    record.exception.message
                ),
                "ConstructorInvokedThrowException",
                "InvalidOperation",
            );
            let mut exception = (*wrapped.exception).clone();
            exception.inner = Some(record.exception.clone());
            wrapped.exception = exception.into();
            return wrapped.throw();
        }
        Err(flow) => return Err(flow),
    };
    if let Some(Value::Hash(fields)) = bound.get("Property") {
        for (key, value) in fields.entries() {
            match &made {
                Value::Object(object) if full.ends_with("Object") => {
                    object.add_property(&key.to_text(), value)
                }
                other => properties::set(ps, other, &key.to_text(), value)?,
            }
        }
    }
    emits.output(made);
    Ok(())
}

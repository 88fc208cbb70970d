//! `Get-Variable`, `Set-Variable` and their like.

use super::super::error::{ErrorRecord, Result};
use super::super::eval::{Bound, Emits, Interpreter};
use super::super::types::native::Native;
use super::super::value::Value;
use super::confirmation::goes_ahead;

pub(super) fn get_variable(ps: &mut Interpreter, bound: &Bound, emits: &mut Emits) -> Result<()> {
    for name in bound.texts("Name") {
        match ps.named_variable(&name.to_lowercase()) {
            Some(value) if bound.flag("ValueOnly") => emits.output(value),
            Some(value) => emits.output(Value::object(
                "System.Management.Automation.PSVariable",
                vec![("Name".into(), name.into()), ("Value".into(), value)],
                Native::None,
            )),
            None => emits.error(no_variable(&name))?,
        }
    }
    Ok(())
}

fn no_variable(name: &str) -> ErrorRecord {
    ErrorRecord::new(
        "System.Management.Automation.ItemNotFoundException",
        format!("Cannot find a variable with the name '{name}'."),
        "VariableNotFound",
        "ObjectNotFound",
    )
    .target(name, "String")
}

pub(super) fn set_variable(ps: &mut Interpreter, bound: &Bound, emits: &mut Emits) -> Result<()> {
    assign(ps, bound, emits, "Set variable")
}

pub(super) fn new_variable(ps: &mut Interpreter, bound: &Bound, emits: &mut Emits) -> Result<()> {
    assign(ps, bound, emits, "New variable")
}

fn assign(ps: &mut Interpreter, bound: &Bound, emits: &mut Emits, operation: &str) -> Result<()> {
    let value = bound.get("Value").cloned().unwrap_or(Value::Null);
    let scope = bound
        .text("Scope")
        .map(|s| format!("{s}:"))
        .filter(|s| !s.starts_with(|c: char| c.is_ascii_digit()))
        .unwrap_or_default();
    for name in bound.texts("Name") {
        let target = format!("Name: {name} Value: {}", value.to_text());
        if goes_ahead(ps, bound, emits, operation, &target)? {
            ps.set_variable(&super::super::parse::scoped(&format!("{scope}{name}")), value.clone())?;
        }
    }
    Ok(())
}

pub(super) fn clear_variable(ps: &mut Interpreter, bound: &Bound, emits: &mut Emits) -> Result<()> {
    for name in bound.texts("Name") {
        if goes_ahead(ps, bound, emits, "Clear variable", &format!("Name: {name}"))? {
            ps.set_variable(&super::super::parse::scoped(&name), Value::Null)?;
        }
    }
    Ok(())
}

pub(super) fn remove_variable(ps: &mut Interpreter, bound: &Bound, emits: &mut Emits) -> Result<()> {
    for name in bound.texts("Name") {
        let key = name.to_lowercase();
        if ps.named_variable(&key).is_none() {
            emits.error(no_variable(&name))?;
        } else if goes_ahead(ps, bound, emits, "Remove variable", &format!("Name: {name}"))? {
            ps.remove_variable(&key);
        }
    }
    Ok(())
}

//! `Get-Command` and `Get-Alias`.

use super::super::error::{ErrorRecord, Result};
use super::super::eval::{Bound, Emits, Interpreter};
use super::super::types::native::Native;
use super::super::value::Value;
use crate::machine::vfs::wildcard;

pub(super) fn get_command(ps: &mut Interpreter, bound: &Bound, emits: &mut Emits) -> Result<()> {
    let object = |kind: &str, name: &str| {
        Value::object(
            "System.Management.Automation.CommandInfo",
            vec![
                ("CommandType".into(), kind.into()),
                ("Name".into(), name.into()),
                ("__text".into(), name.into()),
            ],
            Native::None,
        )
    };
    let patterns = bound.texts("Name");
    if patterns.is_empty() {
        super::table::all().for_each(|c| emits.output(object("Cmdlet", c.name)));
    }
    for pattern in patterns {
        if pattern.contains(['*', '?']) {
            super::table::all()
                .filter(|c| wildcard(&pattern, c.name, true))
                .for_each(|c| emits.output(object("Cmdlet", c.name)));
            continue;
        }
        let name = super::alias(&pattern).unwrap_or(&pattern);
        if ps.function(name).is_some() {
            emits.output(object("Function", name));
        } else if let Some(cmdlet) = super::find(name) {
            emits.output(object(
                if name == pattern { "Cmdlet" } else { "Alias" },
                if name == pattern { cmdlet.name } else { &pattern },
            ));
        } else if let Some(program) = crate::machine::programs::resolve(&ps.around, name) {
            emits.output(object("Application", &format!("{program}.exe")));
        } else {
            emits.error(
                ErrorRecord::new(
                    "System.Management.Automation.CommandNotFoundException",
                    format!("The term '{pattern}' is not recognized as the name of a cmdlet, function, script file, or operable program. Check the spelling of the name, or if a path was included, verify that the path is correct and try again."),
                    "CommandNotFoundException",
                    "ObjectNotFound",
                )
                .target(&*pattern, "String"),
            )?;
        }
    }
    Ok(())
}

pub(super) fn get_alias(_ps: &mut Interpreter, bound: &Bound, emits: &mut Emits) -> Result<()> {
    for name in bound.texts("Name") {
        match super::alias(&name) {
            Some(full) => emits.output(Value::custom(vec![("CommandType".into(), "Alias".into()), ("Name".into(), format!("{name} -> {full}").into())])),
            None => emits.error(ErrorRecord::new(
                "System.Management.Automation.ItemNotFoundException",
                format!("This command cannot find a matching alias because an alias with the name '{name}' does not exist."),
                "ItemNotFoundException",
                "ObjectNotFound",
            ))?,
        }
    }
    Ok(())
}

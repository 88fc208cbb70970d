//! Enumerations: their members, by name and by number.

use super::native::Native;
use crate::machine::powershell::error::{ErrorRecord, Result};
use crate::machine::powershell::value::Value;

/// The members of the enumerations that are known, in the order of their numbers.
pub(in super::super) fn enum_names(full: &str) -> Option<&'static [(&'static str, i32)]> {
    Some(match full {
        "System.IO.FileMode" => &[
            ("CreateNew", 1),
            ("Create", 2),
            ("Open", 3),
            ("OpenOrCreate", 4),
            ("Truncate", 5),
            ("Append", 6),
        ],
        "System.IO.FileAccess" => &[("Read", 1), ("Write", 2), ("ReadWrite", 3)],
        "System.IO.FileShare" => &[("None", 0), ("Read", 1), ("Write", 2), ("ReadWrite", 3), ("Delete", 4)],
        "System.IO.SeekOrigin" => &[("Begin", 0), ("Current", 1), ("End", 2)],
        "System.StringComparison" => &[
            ("CurrentCulture", 0),
            ("CurrentCultureIgnoreCase", 1),
            ("InvariantCulture", 2),
            ("InvariantCultureIgnoreCase", 3),
            ("Ordinal", 4),
            ("OrdinalIgnoreCase", 5),
        ],
        "System.StringSplitOptions" => &[("None", 0), ("RemoveEmptyEntries", 1)],
        "System.Management.Automation.ActionPreference" => {
            &[("SilentlyContinue", 0), ("Stop", 1), ("Continue", 2), ("Inquire", 3), ("Ignore", 4)]
        }
        _ => return None,
    })
}

pub(in super::super) fn enum_member(full: &str, name: &str, number: i32) -> Value {
    Value::object(
        full,
        vec![("value__".into(), Value::Int(number)), ("__text".into(), name.into())],
        Native::None,
    )
}

/// An enumeration's member from itself, its name (or names with commas) or its number.
pub(in super::super) fn enum_value(full: &str, value: &Value) -> Result<Value> {
    let names = enum_names(full).unwrap_or(&[]);
    let text = value.to_text();
    let found = match value {
        Value::Int(_) | Value::Long(_) => names.iter().find(|(_, n)| Some(i64::from(*n)) == value.as_long()),
        _ => names.iter().find(|(n, _)| n.eq_ignore_ascii_case(text.trim())),
    };
    match found {
        Some((name, number)) => Ok(enum_member(full, name, *number)),
        None => {
            let list: Vec<&str> = names.iter().map(|(n, _)| *n).collect();
            ErrorRecord::new(
                "System.Management.Automation.PSInvalidCastException",
                format!("Cannot convert value \"{text}\" to type \"{full}\". Error: \"Unable to match the identifier name {text} to a valid enumerator name. Specify one of the following enumerator names and try again:\r\n{}\"", list.join(", ")),
                "InvalidCastParseTargetInvocation",
                "InvalidArgument",
            )
            .throw()
        }
    }
}

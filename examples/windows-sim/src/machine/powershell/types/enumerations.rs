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
        "System.IO.Compression.CompressionMode" => &[("Decompress", 0), ("Compress", 1)],
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

/// The members of an enumeration of flags that a number holds, or a list of names, when they are more than one.
fn flags(full: &str, names: &[(&'static str, i32)], value: &Value) -> Option<Value> {
    if !matches!(full, "System.IO.FileAccess" | "System.IO.FileShare") {
        return None;
    }
    let number = match value {
        Value::Int(_) | Value::Long(_) => i32::try_from(value.as_long()?).ok()?,
        _ => {
            let text = value.to_text();
            let parts = text.split(',').map(|part| {
                names.iter().find(|(name, _)| name.eq_ignore_ascii_case(part.trim())).map(|(_, n)| *n)
            });
            parts.sum::<Option<i32>>()?
        }
    };
    // The greatest members first; those that are left out of a number are shown from the smallest on.
    let mut left = number;
    let mut held: Vec<&str> = Vec::new();
    for (name, bits) in names.iter().rev() {
        if *bits != 0 && left & bits == *bits {
            left &= !bits;
            held.insert(0, name);
        }
    }
    (left == 0 && held.len() > 1).then(|| enum_member(full, &held.join(", "), number))
}

/// An enumeration's member from itself, its name (or names with commas) or its number.
pub(in super::super) fn enum_value(full: &str, value: &Value) -> Result<Value> {
    let names = enum_names(full).unwrap_or(&[]);
    let text = value.to_text();
    if let Some(flags) = flags(full, names, value) {
        return Ok(flags);
    }
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

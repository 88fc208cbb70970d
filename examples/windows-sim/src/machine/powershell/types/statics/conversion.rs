//! `[Convert]`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::super::convert::cast;
use super::argument;
use crate::machine::powershell::error::{ErrorRecord, Result};
use crate::machine::powershell::value::{Value, lock};

pub(super) fn convert(method: &str, arguments: &[Value]) -> Result<Option<Value>> {
    let Some(first) = arguments.first() else { return Ok(None) };
    Ok(Some(match (method, arguments.len()) {
        ("frombase64string", 1) => from_base64(first)?,
        ("tobase64string", 1..) => {
            let encode = |bytes: &[u8]| -> Value { STANDARD.encode(bytes).into() };
            let number =
                |i: usize| arguments.get(i).and_then(Value::as_long).and_then(|n| usize::try_from(n).ok());
            let cut = |bytes: &[u8]| match (number(1), number(2)) {
                (Some(start), Some(count)) => bytes.get(start..start.saturating_add(count)).map(encode),
                _ => Some(encode(bytes)),
            };
            let cut = match first {
                Value::Bytes(bytes) => cut(&lock(bytes)),
                other => other.as_bytes().and_then(|bytes| cut(&bytes)),
            };
            match cut {
                Some(text) => text,
                None => return argument("Offset and length must refer to a position in the array."),
            }
        }
        ("toint32", 2) | ("toint64", 2) => {
            let radix = u32::try_from(arguments[1].as_long().unwrap_or(10)).unwrap_or(10);
            let text = first.to_text();
            let digits = text.trim_start_matches("0x");
            match (matches!(radix, 2 | 8 | 10 | 16)).then(|| i64::from_str_radix(digits, radix)) {
                Some(Ok(number)) => Value::number(number),
                _ => {
                    return ErrorRecord::new(
                        "System.FormatException",
                        "Could not find any recognizable digits.",
                        "FormatException",
                        "NotSpecified",
                    )
                    .throw();
                }
            }
        }
        ("toint32", 1) => cast(first, "int")?,
        ("toint64", 1) => cast(first, "long")?,
        ("tobyte", 1) => cast(first, "byte")?,
        ("tochar", 1) => cast(first, "char")?,
        ("todouble", 1) => cast(first, "double")?,
        ("toboolean", 1) => cast(first, "bool")?,
        ("todatetime", 1) => cast(first, "datetime")?,
        ("tostring", 2) => {
            let number = first.as_long().unwrap_or(0);
            match arguments[1].as_long() {
                Some(2) => format!("{number:b}").into(),
                Some(8) => format!("{number:o}").into(),
                Some(16) => format!("{number:x}").into(),
                _ => number.to_string().into(),
            }
        }
        ("tostring", 1) => first.to_text().into(),
        _ => return Ok(None),
    }))
}

fn from_base64(value: &Value) -> Result<Value> {
    let text = match value {
        Value::Str(text) => text.clone(),
        Value::Null => {
            return ErrorRecord::new(
                "System.ArgumentNullException",
                "Value cannot be null.\r\nParameter name: s",
                "ArgumentNullException",
                "NotSpecified",
            )
            .throw();
        }
        other => other.to_text().into(),
    };
    let decoded = STANDARD.decode(text.as_bytes()).or_else(|first| {
        // White space may stand anywhere.
        if !text.contains(char::is_whitespace) {
            return Err(first);
        }
        STANDARD.decode(text.chars().filter(|c| !c.is_whitespace()).collect::<String>())
    });
    match decoded {
        Ok(bytes) => Ok(Value::bytes(bytes)),
        Err(base64::DecodeError::InvalidLength(_)) => ErrorRecord::new(
            "System.FormatException",
            "Invalid length for a Base-64 char array or string.",
            "FormatException",
            "NotSpecified",
        )
        .throw(),
        Err(_) => ErrorRecord::new(
            "System.FormatException",
            "The input is not a valid Base-64 string as it contains a non-base 64 character, more than two padding characters, or an illegal character among the padding characters. ",
            "FormatException",
            "NotSpecified",
        )
        .throw(),
    }
}

//! Elements of values: `value[index]`, read and set.

use super::super::error::{ErrorRecord, Result};
use super::super::types::convert;
use super::super::types::native::Native;
use super::super::value::{Value, lock};

fn place(index: i64, length: usize) -> Option<usize> {
    let index = if index < 0 { index + length as i64 } else { index };
    usize::try_from(index).ok().filter(|i| *i < length)
}

pub(super) fn index_value(target: &Value, index: &Value) -> Result<Value> {
    if let (Value::Array(_), false) = (index, matches!(target, Value::Hash(_))) {
        let mut found = Vec::new();
        for one in index.items() {
            let value = index_value(target, &one)?;
            if !value.is_null() {
                found.push(value);
            }
        }
        return Ok(Value::array(found));
    }
    let number = || index.as_long();
    Ok(match target {
        Value::Null => {
            return ErrorRecord::runtime("Cannot index into a null array.", "NullArray", "InvalidOperation")
                .throw();
        }
        Value::Hash(hash) => match (hash.get(index), index) {
            (Some(value), _) => value,
            (None, Value::Int(at)) if hash.ordered => {
                let entries = hash.entries();
                place(i64::from(*at), entries.len()).map_or(Value::Null, |at| entries[at].1.clone())
            }
            (None, Value::Array(keys)) => {
                Value::array(lock(keys).iter().filter_map(|k| hash.get(k)).collect())
            }
            (None, _) => Value::Null,
        },
        Value::Array(values) => {
            let values = lock(values);
            number().and_then(|n| place(n, values.len())).map_or(Value::Null, |at| values[at].clone())
        }
        Value::Bytes(bytes) => {
            let bytes = lock(bytes);
            number().and_then(|n| place(n, bytes.len())).map_or(Value::Null, |at| Value::Byte(bytes[at]))
        }
        Value::Str(text) => {
            let index = number().unwrap_or(0);
            if text.is_ascii() {
                place(index, text.len()).map_or(Value::Null, |at| Value::Char(text.as_bytes()[at] as char))
            } else {
                let chars: Vec<char> = text.chars().collect();
                place(index, chars.len()).map_or(Value::Null, |at| Value::Char(chars[at]))
            }
        }
        Value::Object(object) => match &object.native {
            Native::List(items) => {
                let items = lock(items);
                match number().and_then(|n| place(n, items.len())) {
                    Some(at) => items[at].clone(),
                    None => Value::Null,
                }
            }
            Native::StringBuilder(text) => {
                let text = lock(text);
                number()
                    .and_then(|n| text.chars().nth(usize::try_from(n).ok()?))
                    .map_or(Value::Null, Value::Char)
            }
            _ => match (object.property(&index.to_text()), index) {
                (Some(value), Value::Str(_)) => value,
                _ if number() == Some(0) || number() == Some(-1) => target.clone(),
                _ => Value::Null,
            },
        },
        other if matches!(number(), Some(0 | -1)) => other.clone(),
        _ => {
            return ErrorRecord::runtime(
                format!("Unable to index into an object of type {}.", target.type_name()),
                "CannotIndex",
                "InvalidOperation",
            )
            .throw();
        }
    })
}

pub(super) fn set_index(target: &Value, index: &Value, value: Value) -> Result<()> {
    let outside = || {
        ErrorRecord::new(
            "System.IndexOutOfRangeException",
            "Index was outside the bounds of the array.",
            "System.IndexOutOfRangeException",
            "OperationStopped",
        )
        .throw()
    };
    let number = index.as_long().unwrap_or(i64::MAX);
    match target {
        Value::Hash(hash) => hash.set(index.clone(), value),
        Value::Array(values) => {
            let mut values = lock(values);
            let length = values.len();
            match place(number, length) {
                Some(at) => values[at] = value,
                None => return outside(),
            }
        }
        Value::Bytes(bytes) => {
            let byte = convert::cast(&value, "byte")?.as_long().unwrap_or(0) as u8;
            let mut bytes = lock(bytes);
            let length = bytes.len();
            match place(number, length) {
                Some(at) => bytes[at] = byte,
                None => return outside(),
            }
        }
        Value::Object(object) => match &object.native {
            Native::List(items) => {
                let mut items = lock(items);
                let length = items.len();
                match place(number, length) {
                    Some(at) => items[at] = value,
                    None => return outside(),
                }
            }
            _ => return cannot_index(target),
        },
        Value::Null => {
            return ErrorRecord::runtime("Cannot index into a null array.", "NullArray", "InvalidOperation")
                .throw();
        }
        _ => return cannot_index(target),
    }
    Ok(())
}

fn cannot_index(target: &Value) -> Result<()> {
    ErrorRecord::runtime(
        format!("Unable to index into an object of type {}.", target.type_name()),
        "CannotIndex",
        "InvalidOperation",
    )
    .throw()
}

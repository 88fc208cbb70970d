//! Methods of lists, dictionaries and arrays.

use std::sync::Mutex;

use crate::machine::powershell::eval::equal;
use crate::machine::powershell::value::{Value, lock};

pub(super) fn list_method(items: &Mutex<Vec<Value>>, method: &str, arguments: &[Value]) -> Option<Value> {
    let mut items = lock(items);
    let size = |i: usize| arguments.get(i).and_then(Value::as_long).and_then(|n| usize::try_from(n).ok());
    Some(match (method, arguments.len()) {
        ("add", 1) => {
            items.push(arguments[0].clone());
            Value::count(items.len() - 1)
        }
        ("addrange", 1) => {
            items.extend(arguments[0].items());
            Value::Null
        }
        ("insert", 2) => {
            let at = size(0)?.min(items.len());
            items.insert(at, arguments[1].clone());
            Value::Null
        }
        ("remove", 1) => {
            let at = items.iter().position(|v| equal(v, &arguments[0], true));
            if let Some(at) = at {
                items.remove(at);
            }
            Value::Bool(at.is_some())
        }
        ("removeat", 1) if size(0)? < items.len() => {
            items.remove(size(0)?);
            Value::Null
        }
        ("contains", 1) => Value::Bool(items.iter().any(|v| equal(v, &arguments[0], true))),
        ("indexof", 1) => {
            Value::Int(items.iter().position(|v| equal(v, &arguments[0], true)).map_or(-1, |at| at as i32))
        }
        ("clear", 0) => {
            items.clear();
            Value::Null
        }
        ("reverse", 0) => {
            items.reverse();
            Value::Null
        }
        ("sort", 0) => {
            items.sort_by(crate::machine::powershell::eval::compare_values);
            Value::Null
        }
        ("toarray", 0) => match items
            .iter()
            .map(|v| if let Value::Byte(b) = v { Some(*b) } else { None })
            .collect::<Option<Vec<u8>>>()
        {
            Some(bytes) if !bytes.is_empty() => Value::bytes(bytes),
            _ => Value::array(items.clone()),
        },
        _ => return None,
    })
}

pub(super) fn hash_method(
    hash: &crate::machine::powershell::value::Hash,
    method: &str,
    arguments: &[Value],
) -> Option<Value> {
    Some(match (method, arguments) {
        ("containskey" | "contains", [key]) => Value::Bool(hash.get(key).is_some()),
        ("containsvalue", [value]) => Value::Bool(hash.entries().iter().any(|(_, v)| equal(v, value, true))),
        ("add", [key, value]) => {
            hash.set(key.clone(), value.clone());
            Value::Null
        }
        ("remove", [key]) => {
            hash.remove(key);
            Value::Null
        }
        ("clear", []) => {
            hash.clear();
            Value::Null
        }
        ("getenumerator", []) => Value::array(super::super::super::eval::hash_entries(hash)),
        ("get_item", [key]) => hash.get(key).unwrap_or(Value::Null),
        _ => return None,
    })
}

pub(super) fn array_method(target: &Value, method: &str, arguments: &[Value]) -> Option<Value> {
    Some(match (method, arguments) {
        ("contains", [value]) => Value::Bool(target.items().iter().any(|v| equal(v, value, true))),
        ("indexof", [value]) => {
            Value::Int(target.items().iter().position(|v| equal(v, value, true)).map_or(-1, |at| at as i32))
        }
        ("clone", []) => match target {
            Value::Bytes(bytes) => Value::bytes(lock(bytes).clone()),
            other => Value::array(other.items()),
        },
        ("getlength", [_]) => Value::count(target.items().len()),
        ("getvalue", [index]) => target.items().get(usize::try_from(index.as_long()?).ok()?)?.clone(),
        _ => return None,
    })
}

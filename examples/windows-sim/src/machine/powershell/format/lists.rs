//! Lists: one property a line.

use super::super::eval::Interpreter;
use super::super::types::properties;
use super::super::value::Value;
use super::cell;

/// Every value with the named properties, a blank line between two.
pub(super) fn list(ps: &Interpreter, values: &[Value], names: &[String]) -> String {
    let width = names.iter().map(|n| n.chars().count()).max().unwrap_or(0);
    let mut text = String::from("\r\n");
    for value in values {
        text.push_str("\r\n");
        for name in names {
            let found = properties::get(ps, value, name).ok().flatten().unwrap_or(Value::Null);
            let shown = cell(&found);
            let line = format!("{name:<width$} : {shown}");
            text.push_str(line.trim_end_matches('\n'));
            text.push_str("\r\n");
        }
    }
    text.push_str("\r\n\r\n\r\n");
    text
}

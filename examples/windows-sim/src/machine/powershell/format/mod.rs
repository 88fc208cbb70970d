//! How values look on the console.

mod lists;
mod tables;

use super::eval::Interpreter;
use super::types::native::Native;
use super::types::time;
use super::value::{CUSTOM_OBJECT, Value};
use lists::list;
pub(super) use tables::{Table, table};

/// Lays values out as they come. Rows of one kind share a table.
#[derive(Debug, Default)]
pub(super) struct Formatter {
    kind: Option<String>,
    table: Option<Table>,
    /// Rows that wait until all are known, for tables that fit their columns to what is in them.
    waiting: Vec<Value>,
}

impl Formatter {
    /// Takes a value and gives the text that is ready.
    pub(super) fn add(&mut self, ps: &Interpreter, value: &Value) -> String {
        let mut text = String::new();
        if let Some(plain) = plain(value) {
            text.push_str(&self.flush(ps));
            text.push_str(&plain);
            return text;
        }
        let kind = kind_of(value);
        if self.kind.as_ref() != Some(&kind) {
            text.push_str(&self.flush(ps));
            self.kind = Some(kind.clone());
        }
        if let Some(view) = tables::view(ps, &kind, value) {
            if self.table.is_none() {
                text.push_str(&view.header());
                self.table = Some(view);
            }
            if let Some(table) = &self.table {
                text.push_str(&table.row(ps, value));
            }
            return text;
        }
        self.waiting.push(value.clone());
        text
    }

    /// Ends the table or list at hand.
    pub(super) fn flush(&mut self, ps: &Interpreter) -> String {
        self.kind = None;
        if self.table.take().is_some() {
            return "\r\n\r\n".to_owned();
        }
        let waiting = std::mem::take(&mut self.waiting);
        match waiting.first() {
            None => String::new(),
            Some(first) => {
                let fields = super::cmdlets::visible_properties(ps, first);
                if fields.is_empty() {
                    return String::new();
                }
                let names: Vec<String> = fields.iter().map(|(n, _)| n.to_string()).collect();
                // Up to four properties make a table, more a list.
                if names.len() <= 4 { table(ps, &waiting, &names, true) } else { list(ps, &waiting, &names) }
            }
        }
    }
}

/// All values as a list, for `Format-List`.
pub(super) fn format_list(ps: &Interpreter, values: &[Value], names: &[String]) -> String {
    list(ps, values, names)
}

fn kind_of(value: &Value) -> String {
    match value {
        Value::Object(object) if &*object.type_name == CUSTOM_OBJECT => {
            let names: Vec<String> = object.properties().iter().map(|(n, _)| n.to_string()).collect();
            format!("{CUSTOM_OBJECT}:{}", names.join(","))
        }
        Value::Hash(_) => "System.Collections.DictionaryEntry".to_owned(),
        Value::Object(object) if matches!(object.native, Native::File(_) | Native::Directory(_)) => {
            "System.IO.FileSystemInfo".to_owned()
        }
        other => other.type_name().to_string(),
    }
}

/// The text of a value that is printed on a line of its own; none for what goes into tables and lists.
fn plain(value: &Value) -> Option<String> {
    Some(match value {
        Value::Null => String::new(),
        Value::Date(date) => format!("\r\n{}\r\n\r\n\r\n", time::long(date)),
        Value::Span(ticks) => span(*ticks),
        Value::Type(_) | Value::Hash(_) => return None,
        Value::Script(_) => format!("{}\r\n", value.to_text()),
        Value::Object(object) => match &object.native {
            Native::Error(record) => super::host::wrap(&super::host::error_text(record))
                .iter()
                .map(|l| format!("{l}\r\n"))
                .collect(),
            Native::Formatted(text) => text.clone(),
            Native::Message(text) => format!("{text}\r\n"),
            Native::StringBuilder(_) => return None,
            Native::Version(_) | Native::Service(_) | Native::File(_) | Native::Directory(_) => return None,
            Native::Exception(exception) => format!("{}\r\n", exception.message),
            Native::Regex(_, pattern) => format!("{pattern}\r\n"),
            // An enumeration's member, or another object that is its text.
            Native::None if object.property("value__").is_some() => format!("{}\r\n", value.to_text()),
            Native::None if super::value::lock(&object.properties).is_empty() => "\r\n".to_owned(),
            Native::None => return None,
            _ => format!("{}\r\n", value.to_text()),
        },
        other => format!("{}\r\n", other.to_text()),
    })
}

fn span(ticks: i64) -> String {
    let number = |n: f64| super::types::number::double_text(n);
    let rows = [
        ("Days", (ticks / 864_000_000_000).to_string()),
        ("Hours", (ticks / 36_000_000_000 % 24).to_string()),
        ("Minutes", (ticks / 600_000_000 % 60).to_string()),
        ("Seconds", (ticks / 10_000_000 % 60).to_string()),
        ("Milliseconds", (ticks / 10_000 % 1000).to_string()),
        ("Ticks", ticks.to_string()),
        ("TotalDays", number(ticks as f64 / 864e9)),
        ("TotalHours", number(ticks as f64 / 36e9)),
        ("TotalMinutes", number(ticks as f64 / 6e8)),
        ("TotalSeconds", number(ticks as f64 / 1e7)),
        ("TotalMilliseconds", number(ticks as f64 / 1e4)),
    ];
    let lines: String = rows.iter().map(|(name, value)| format!("{name:<17} : {value}\r\n")).collect();
    format!("\r\n\r\n{lines}\r\n\r\n\r\n")
}

/// A property's value in a cell: lists in braces.
pub(super) fn cell(value: &Value) -> String {
    if value.is_collection() {
        let items: Vec<String> = value.items().iter().take(5).map(Value::to_text).collect();
        let shown = items.iter().take(4).cloned().collect::<Vec<_>>().join(", ");
        return if items.len() > 4 { format!("{{{shown}...}}") } else { format!("{{{shown}}}") };
    }
    match value {
        Value::Hash(hash) => {
            let keys: Vec<String> = hash.entries().iter().take(4).map(|(k, _)| k.to_text()).collect();
            format!("{{{}}}", keys.join(", "))
        }
        Value::Date(date) => time::format_date(date, "G"),
        other => other.to_text(),
    }
}

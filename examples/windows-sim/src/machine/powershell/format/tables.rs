//! Tables.

use super::super::eval::Interpreter;
use super::super::types::native::Native;
use super::super::types::{properties, time};
use super::super::value::Value;
use super::cell;
use crate::machine::vfs::parent;

/// One column of a table.
#[derive(Debug, Clone)]
pub(in super::super) struct Column {
    title: String,
    width: usize,
    right: bool,
    property: String,
}

/// A table at work; its widths are known from the start.
#[derive(Debug, Clone)]
pub(in super::super) struct Table {
    columns: Vec<Column>,
    /// Lines above the heading.
    above: String,
}

fn column(title: &str, width: usize, right: bool, property: &str) -> Column {
    Column { title: title.to_owned(), width, right, property: property.to_owned() }
}

/// The table Windows PowerShell has for a type.
pub(super) fn view(ps: &Interpreter, kind: &str, value: &Value) -> Option<Table> {
    let mut above = "\r\n".to_owned();
    let columns = match kind {
        "System.ServiceProcess.ServiceController" => vec![
            column("Status", 8, false, "Status"),
            column("Name", 18, false, "Name"),
            column("DisplayName", 38, false, "DisplayName"),
        ],
        "System.IO.FileSystemInfo" => {
            let path = match value.native() {
                Some(Native::File(path) | Native::Directory(path)) => {
                    parent(path).unwrap_or_else(|| path.clone())
                }
                _ => ps.around.directory.clone(),
            };
            above = format!("\r\n\r\n    Directory: {path}\r\n\r\n\r\n");
            vec![
                column("Mode", 13, false, "Mode"),
                column("LastWriteTime", 18, true, "LastWriteTime"),
                column("Length", 14, true, "Length"),
                column("Name", 0, false, "Name"),
            ]
        }
        "System.Diagnostics.Process" => vec![
            column("Handles", 7, true, "Handles"),
            column("NPM(K)", 7, true, "NPM"),
            column("PM(K)", 8, true, "PM"),
            column("WS(K)", 10, true, "WS"),
            column("CPU(s)", 10, true, "CPU"),
            column("Id", 6, true, "Id"),
            column("SI", 3, true, "SI"),
            column("ProcessName", 0, false, "ProcessName"),
        ],
        "System.Collections.DictionaryEntry" => {
            vec![column("Name", 30, false, "Name"), column("Value", 48, false, "Value")]
        }
        "System.Version" => vec![
            column("Major", 6, false, "Major"),
            column("Minor", 6, false, "Minor"),
            column("Build", 6, false, "Build"),
            column("Revision", 8, false, "Revision"),
        ],
        "System.RuntimeType" => vec![
            column("IsPublic", 8, false, "IsPublic"),
            column("IsSerial", 8, false, "IsSerial"),
            column("Name", 40, false, "Name"),
            column("BaseType", 8, false, "BaseType"),
        ],
        "System.Management.Automation.PathInfo" => vec![column("Path", 0, false, "Path")],
        _ => return None,
    };
    Some(Table { columns, above })
}

impl Table {
    pub(super) fn header(&self) -> String {
        let titles: Vec<String> = self.columns.iter().map(|c| c.title.clone()).collect();
        let rules: Vec<String> = self.columns.iter().map(|c| "-".repeat(c.title.chars().count())).collect();
        format!("{}{}{}", self.above, self.line(&titles), self.line(&rules))
    }

    pub(super) fn row(&self, ps: &Interpreter, value: &Value) -> String {
        if let Value::Hash(hash) = value {
            let entry = |(k, v): (Value, Value)| self.line(&[k.to_text(), cell(&v)]);
            return hash.entries().into_iter().map(entry).collect();
        }
        let cells: Vec<String> = self.columns.iter().map(|c| self.value(ps, value, &c.property)).collect();
        self.line(&cells)
    }

    fn value(&self, ps: &Interpreter, value: &Value, property: &str) -> String {
        if let (Value::Type(_), "IsPublic" | "IsSerial") = (value, property) {
            return "True".to_owned();
        }
        let found = properties::get(ps, value, property).ok().flatten().unwrap_or(Value::Null);
        match (&found, property) {
            (Value::Date(date), "LastWriteTime") => {
                format!(
                    "{:>10} {:>8}",
                    time::format_date(date, "M/d/yyyy"),
                    time::format_date(date, "h:mm tt")
                )
            }
            _ => cell(&found),
        }
    }

    fn line(&self, cells: &[String]) -> String {
        let mut text = String::new();
        for (i, (column, cell)) in self.columns.iter().zip(cells).enumerate() {
            let last = i + 1 == self.columns.len();
            let width = column.width;
            let shown = if width > 0 && cell.chars().count() > width && width > 3 {
                let kept: String = cell.chars().take(width - 3).collect();
                format!("{kept}...")
            } else {
                cell.clone()
            };
            if column.right {
                text.push_str(&format!("{shown:>width$}"));
            } else {
                text.push_str(&format!("{shown:<width$}"));
            }
            if !last {
                text.push(' ');
            }
        }
        text.push_str("\r\n");
        text
    }
}

/// All values in a table whose columns fit what is in them.
pub(in super::super) fn table(ps: &Interpreter, values: &[Value], names: &[String], heading: bool) -> String {
    let cells: Vec<Vec<Value>> = values
        .iter()
        .map(|v| {
            names.iter().map(|n| properties::get(ps, v, n).ok().flatten().unwrap_or(Value::Null)).collect()
        })
        .collect();
    let columns: Vec<Column> = names
        .iter()
        .enumerate()
        .map(|(i, name)| {
            let widest = cells.iter().map(|row| cell(&row[i]).chars().count()).max().unwrap_or(0);
            let number =
                |v: &Value| matches!(v, Value::Int(_) | Value::Long(_) | Value::Double(_) | Value::Byte(_));
            let right = cells.first().is_some_and(|row| number(&row[i]));
            column(name, widest.max(name.chars().count()), right, name)
        })
        .collect();
    let table = Table { columns, above: "\r\n".to_owned() };
    let mut text = if heading { table.header() } else { "\r\n".to_owned() };
    for row in &cells {
        let row: Vec<String> = row.iter().map(cell).collect();
        text.push_str(&table.line(&row));
    }
    text.push_str("\r\n\r\n");
    text
}

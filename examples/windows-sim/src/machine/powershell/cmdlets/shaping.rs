//! `Format-Table`, `Format-List`, `Out-String`, CSV, `Tee-Object` and `Select-String`.

use super::super::error::Result;
use super::super::eval::{Bound, Emits, Interpreter};
use super::super::format::{Formatter, format_list as list, table};
use super::super::types::native::Native;
use super::super::types::{objects, properties};
use super::super::value::Value;
use super::members::visible_properties;

fn names(ps: &Interpreter, bound: &Bound, values: &[Value]) -> Vec<String> {
    let asked = bound.texts("Property");
    if asked.is_empty() || asked == ["*"] {
        return values
            .first()
            .map(|v| visible_properties(ps, v).into_iter().map(|(n, _)| n.to_string()).collect())
            .unwrap_or_default();
    }
    asked
}

fn formatted(text: String) -> Value {
    Value::object(
        "Microsoft.PowerShell.Commands.Internal.Format.FormatStartData",
        Vec::new(),
        Native::Formatted(text),
    )
}

pub(super) fn format_table(
    ps: &mut Interpreter,
    bound: &Bound,
    inputs: Vec<Value>,
    emits: &mut Emits,
) -> Result<()> {
    let values = bound.get("InputObject").map(Value::items).unwrap_or(inputs);
    if values.is_empty() {
        return Ok(());
    }
    if !bound.has("Property") && !bound.flag("AutoSize") && !bound.flag("HideTableHeaders") {
        emits.output(formatted(rendered(ps, &values)));
        return Ok(());
    }
    let names = names(ps, bound, &values);
    emits.output(formatted(table(ps, &values, &names, !bound.flag("HideTableHeaders"))));
    Ok(())
}

pub(super) fn format_list(
    ps: &mut Interpreter,
    bound: &Bound,
    inputs: Vec<Value>,
    emits: &mut Emits,
) -> Result<()> {
    let values = bound.get("InputObject").map(Value::items).unwrap_or(inputs);
    if !values.is_empty() {
        let names = names(ps, bound, &values);
        emits.output(formatted(list(ps, &values, &names)));
    }
    Ok(())
}

/// What the console would show of some values.
fn rendered(ps: &Interpreter, values: &[Value]) -> String {
    let mut formatter = Formatter::default();
    let mut text: String = values.iter().map(|v| formatter.add(ps, v)).collect();
    text.push_str(&formatter.flush(ps));
    text
}

pub(super) fn out_string(
    ps: &mut Interpreter,
    bound: &Bound,
    inputs: Vec<Value>,
    emits: &mut Emits,
) -> Result<()> {
    let values = bound.get("InputObject").map(Value::items).unwrap_or(inputs);
    let text = rendered(ps, &values);
    if bound.flag("Stream") {
        text.lines().for_each(|line| emits.output(line));
    } else {
        emits.output(text);
    }
    Ok(())
}

pub(super) fn tee(ps: &mut Interpreter, bound: &Bound, inputs: Vec<Value>, emits: &mut Emits) -> Result<()> {
    if let Some(variable) = bound.text("Variable") {
        ps.set_local(&variable.to_lowercase(), Value::from_outputs(inputs.clone()));
    } else {
        super::content::out_file(ps, bound, inputs.clone(), emits)?;
    }
    inputs.into_iter().for_each(|v| emits.output(v));
    Ok(())
}

fn csv_cell(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}

pub(super) fn to_csv(
    ps: &mut Interpreter,
    bound: &Bound,
    inputs: Vec<Value>,
    emits: &mut Emits,
) -> Result<()> {
    let values = bound.get("InputObject").map(Value::items).unwrap_or(inputs);
    let Some(first) = values.first() else { return Ok(()) };
    let separator = bound.text("Delimiter").unwrap_or_else(|| ",".to_owned());
    if !bound.flag("NoTypeInformation") {
        emits.output(format!("#TYPE {}", first.type_name()));
    }
    let names: Vec<String> = visible_properties(ps, first).into_iter().map(|(n, _)| n.to_string()).collect();
    emits.output(names.iter().map(|n| csv_cell(n)).collect::<Vec<_>>().join(&separator));
    for value in &values {
        let mut cells = Vec::new();
        for name in &names {
            let found = properties::get(ps, value, name)?.unwrap_or(Value::Null);
            cells.push(if found.is_null() { String::new() } else { csv_cell(&found.to_text()) });
        }
        emits.output(cells.join(&separator));
    }
    Ok(())
}

pub(super) fn from_csv(
    _ps: &mut Interpreter,
    bound: &Bound,
    inputs: Vec<Value>,
    emits: &mut Emits,
) -> Result<()> {
    let values = bound.get("InputObject").map(Value::items).unwrap_or(inputs);
    let separator = bound.text("Delimiter").and_then(|d| d.chars().next()).unwrap_or(',');
    let lines: Vec<String> =
        values.iter().flat_map(|v| v.to_text().lines().map(str::to_owned).collect::<Vec<_>>()).collect();
    let mut rows =
        lines.iter().filter(|l| !l.starts_with("#TYPE") && !l.is_empty()).map(|l| csv_row(l, separator));
    let header = match bound.texts("Header") {
        names if !names.is_empty() => names,
        _ => rows.next().unwrap_or_default(),
    };
    for row in rows {
        let fields = header
            .iter()
            .enumerate()
            .map(|(i, n)| (n.as_str().into(), row.get(i).map_or(Value::Null, |c| c.as_str().into())));
        emits.output(Value::custom(fields.collect()));
    }
    Ok(())
}

fn csv_row(line: &str, separator: char) -> Vec<String> {
    let mut cells = vec![String::new()];
    let mut quoted = false;
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        let Some(cell) = cells.last_mut() else { break };
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                cell.push('"');
            }
            '"' => quoted = !quoted,
            c if c == separator && !quoted => cells.push(String::new()),
            c => cell.push(c),
        }
    }
    cells
}

pub(super) fn select_string(
    ps: &mut Interpreter,
    bound: &Bound,
    inputs: Vec<Value>,
    emits: &mut Emits,
) -> Result<()> {
    let mut lines: Vec<(String, String)> = Vec::new();
    for path in bound.texts("Path") {
        for file in super::listing::expanded(ps, &path) {
            let data = ps.around.machine.state().files.read(&file);
            match data {
                Ok(data) => {
                    let text = super::super::types::encoding::Encoding::Utf8 { bom: true }.decode_file(&data);
                    lines.extend(text.lines().map(|l| (file.clone(), l.to_owned())));
                }
                Err(_) => emits.error(super::paths::not_found(&file))?,
            }
        }
    }
    lines.extend(
        bound
            .get("InputObject")
            .map(Value::items)
            .unwrap_or(inputs)
            .iter()
            .map(|v| (String::new(), v.to_text())),
    );
    let patterns: Vec<_> = bound
        .texts("Pattern")
        .iter()
        .map(|p| if bound.flag("SimpleMatch") { fancy_regex::escape(p).into_owned() } else { p.clone() })
        .map(|p| objects::compile(&p, !bound.flag("CaseSensitive")))
        .collect::<Result<_>>()?;
    let mut any = false;
    for (number, (file, line)) in lines.iter().enumerate() {
        let hit = patterns.iter().any(|p| p.is_match(line).unwrap_or(false)) != bound.flag("NotMatch");
        any |= hit;
        if hit && !bound.flag("Quiet") {
            let text = if file.is_empty() { line.clone() } else { format!("{file}:{}:{line}", number + 1) };
            emits.output(Value::object(
                "Microsoft.PowerShell.Commands.MatchInfo",
                vec![
                    ("Line".into(), line.as_str().into()),
                    ("LineNumber".into(), Value::count(number + 1)),
                    (
                        "Path".into(),
                        if file.is_empty() { "InputStream".into() } else { file.as_str().into() },
                    ),
                    ("__text".into(), text.into()),
                ],
                Native::None,
            ));
        }
    }
    if bound.flag("Quiet") {
        emits.output(Value::Bool(any));
    }
    Ok(())
}

//! Processes, time, variables, objects of .NET and running text as a script.

use std::time::Duration;

use super::super::error::{ErrorRecord, Flow, Result};
use super::super::eval::{Bound, Emits, Interpreter, Run};
use super::super::types::native::Native;
use super::super::types::{convert, names, objects, properties, statics, time};
use super::super::value::Value;
use crate::machine::vfs::wildcard;

/// The longest a script may sleep at once, about 24 days as in .NET.
const SLEEP_MILLIS_MAX: i64 = i32::MAX as i64;

pub(super) fn sleep<'a>(
    _ps: &'a mut Interpreter,
    bound: Bound,
    inputs: Vec<Value>,
    _emits: &'a mut Emits,
) -> Run<'a, ()> {
    Box::pin(async move {
        let seconds = bound.get("Seconds").or(inputs.first()).and_then(Value::as_long).unwrap_or(0);
        let millis = bound.number("Milliseconds").unwrap_or_else(|| seconds.saturating_mul(1000));
        let millis = u64::try_from(millis.clamp(0, SLEEP_MILLIS_MAX)).unwrap_or(0);
        tokio::time::sleep(Duration::from_millis(millis)).await;
        Ok(())
    })
}

pub(super) fn read_host<'a>(
    _ps: &'a mut Interpreter,
    _bound: Bound,
    _inputs: Vec<Value>,
    _emits: &'a mut Emits,
) -> Run<'a, ()> {
    Box::pin(async move {
        ErrorRecord::new(
            "System.Management.Automation.PSInvalidOperationException",
            "Windows PowerShell is in NonInteractive mode. Read and Prompt functionality is not available.",
            "InvalidOperation",
            "InvalidOperation",
        )
        .throw()
    })
}

pub(super) fn invoke_expression<'a>(
    ps: &'a mut Interpreter,
    bound: Bound,
    inputs: Vec<Value>,
    emits: &'a mut Emits,
) -> Run<'a, ()> {
    Box::pin(async move {
        let text = bound
            .text("Command")
            .unwrap_or_else(|| inputs.iter().map(Value::to_text).collect::<Vec<_>>().join("\n"));
        if let Value::Script(script) = ps.script_block(&text)? {
            for value in ps.run_here(&script).await? {
                emits.output(value);
            }
        }
        Ok(())
    })
}

pub(super) fn invoke_command<'a>(
    ps: &'a mut Interpreter,
    bound: Bound,
    _inputs: Vec<Value>,
    emits: &'a mut Emits,
) -> Run<'a, ()> {
    Box::pin(async move {
        if let Some(Value::Script(script)) = bound.get("ScriptBlock") {
            let arguments = bound.get("ArgumentList").map(Value::items).unwrap_or_default();
            for value in ps.call_script(&script.clone(), &arguments).await? {
                emits.output(value);
            }
        }
        Ok(())
    })
}

pub(super) fn measure_command<'a>(
    ps: &'a mut Interpreter,
    bound: Bound,
    _inputs: Vec<Value>,
    emits: &'a mut Emits,
) -> Run<'a, ()> {
    Box::pin(async move {
        let started = std::time::Instant::now();
        if let Some(Value::Script(script)) = bound.get("Expression") {
            ps.run_here(&script.clone()).await?;
        }
        emits.output(Value::Span((started.elapsed().as_nanos() / 100) as i64));
        Ok(())
    })
}

pub(super) fn new_object(ps: &mut Interpreter, bound: &Bound, emits: &mut Emits) -> Result<()> {
    let name = bound.text("TypeName").unwrap_or_default();
    if bound.has("ComObject") {
        let name = bound.text("ComObject").unwrap_or_default();
        return ErrorRecord::new(
            "System.Runtime.InteropServices.COMException",
            format!("Retrieving the COM class factory for component with CLSID {{00000000-0000-0000-0000-000000000000}} failed due to the following error: 80040154 Class not registered ({name})."),
            "NoCOMClassIdentified",
            "ResourceUnavailable",
        )
        .throw();
    }
    let Some(full) = names::resolve(&name) else {
        return ErrorRecord::new(
            "System.Management.Automation.PSArgumentException",
            format!("Cannot find type [{name}]: verify that the assembly containing this type is loaded."),
            "TypeNotFound",
            "InvalidType",
        )
        .throw();
    };
    let arguments = match bound.get("ArgumentList") {
        Some(Value::Array(_)) => bound.get("ArgumentList").map(Value::items).unwrap_or_default(),
        Some(one) => vec![one.clone()],
        None => Vec::new(),
    };
    let made = match objects::construct(ps, &full, &arguments) {
        Ok(Some(value)) => value,
        Ok(None) => {
            return ErrorRecord::new(
                "System.Management.Automation.MethodException",
                format!(
                    "A constructor was not found. Cannot find an appropriate constructor for type {name}."
                ),
                "CannotFindAppropriateCtor",
                "ObjectNotFound",
            )
            .throw();
        }
        Err(Flow::Throw(record)) => {
            let mut wrapped = ErrorRecord::new(
                "System.Management.Automation.MethodInvocationException",
                format!(
                    "Exception calling \".ctor\" with \"{}\" argument(s): \"{}\"",
                    arguments.len(),
                    record.exception.message
                ),
                "ConstructorInvokedThrowException",
                "InvalidOperation",
            );
            let mut exception = (*wrapped.exception).clone();
            exception.inner = Some(record.exception.clone());
            wrapped.exception = exception.into();
            return wrapped.throw();
        }
        Err(flow) => return Err(flow),
    };
    if let Some(Value::Hash(fields)) = bound.get("Property") {
        for (key, value) in fields.entries() {
            match &made {
                Value::Object(object) if full.ends_with("Object") => {
                    object.add_property(&key.to_text(), value)
                }
                other => properties::set(ps, other, &key.to_text(), value)?,
            }
        }
    }
    emits.output(made);
    Ok(())
}

pub(super) fn date(ps: &mut Interpreter, bound: &Bound, emits: &mut Emits) -> Result<()> {
    use chrono::{Datelike, Timelike};
    let mut date = match bound.get("Date") {
        Some(value) => match convert::cast(value, "datetime")? {
            Value::Date(date) => date,
            _ => chrono::Local::now().naive_local(),
        },
        None => chrono::Local::now().naive_local(),
    };
    let part = |name| bound.number(name).and_then(|n| u32::try_from(n).ok());
    date = part("Year").and_then(|n| date.with_year(n as i32)).unwrap_or(date);
    date = part("Month").and_then(|n| date.with_month(n)).unwrap_or(date);
    date = part("Day").and_then(|n| date.with_day(n)).unwrap_or(date);
    date = part("Hour").and_then(|n| date.with_hour(n)).unwrap_or(date);
    date = part("Minute").and_then(|n| date.with_minute(n)).unwrap_or(date);
    date = part("Second").and_then(|n| date.with_second(n)).unwrap_or(date);
    match (bound.text("Format"), bound.text("UFormat")) {
        (Some(format), _) => emits.output(time::format_date(&date, &format)),
        (None, Some(format)) => {
            let local = date.and_local_timezone(chrono::Local).single();
            emits.output(match format.as_str() {
                "%s" => local.map_or(0, |d| d.timestamp()).to_string(),
                other => chrono::format::StrftimeItems::new(other).parse().map_or_else(
                    |_| other.to_owned(),
                    |items| date.format_with_items(items.iter()).to_string(),
                ),
            });
        }
        _ => emits.output(Value::Date(date)),
    }
    let _zone = ps;
    Ok(())
}

pub(super) fn time_span(_ps: &mut Interpreter, bound: &Bound, emits: &mut Emits) -> Result<()> {
    if bound.has("Start") || bound.has("End") {
        let now = Value::Date(chrono::Local::now().naive_local());
        let point = |name| convert::cast(bound.get(name).unwrap_or(&now), "datetime");
        if let (Value::Date(start), Value::Date(end)) = (point("Start")?, point("End")?) {
            emits.output(Value::Span(time::ticks(&end) - time::ticks(&start)));
        }
        return Ok(());
    }
    let part = |name| bound.number(name).unwrap_or(0);
    let seconds = part("Days") * 86_400 + part("Hours") * 3600 + part("Minutes") * 60 + part("Seconds");
    emits.output(Value::Span(seconds * time::TICKS_PER_SECOND));
    Ok(())
}

/// The processes every machine has: name, id, handles, memory in KB.
const PROCESSES: &[(&str, i32, i32, i64)] = &[
    ("csrss", 404, 248, 5312),
    ("dwm", 948, 621, 48_200),
    ("explorer", 3344, 1480, 98_112),
    ("Idle", 0, 0, 8),
    ("lsass", 640, 1021, 18_404),
    ("Registry", 92, 0, 61_316),
    ("services", 620, 311, 8120),
    ("smss", 308, 53, 1204),
    ("spoolsv", 2012, 431, 16_040),
    ("svchost", 808, 742, 24_300),
    ("svchost", 872, 561, 12_712),
    ("System", 4, 2104, 140),
    ("wininit", 512, 162, 6504),
    ("WmiPrvSE", 2840, 280, 18_336),
    ("wsmprovhost", 3120, 402, 61_008),
];

pub(super) fn processes(ps: &mut Interpreter, bound: &Bound, emits: &mut Emits) -> Result<()> {
    let object = |name: &str, id: i32, handles: i32, memory: i64| {
        Value::object(
            "System.Diagnostics.Process",
            vec![
                ("ProcessName".into(), name.into()),
                ("Name".into(), name.into()),
                ("Id".into(), Value::Int(id)),
                ("Handles".into(), Value::Int(handles)),
                ("NPM".into(), Value::Int(handles / 20)),
                ("PM".into(), Value::Long(memory / 2)),
                ("WS".into(), Value::Long(memory)),
                ("CPU".into(), Value::Double(f64::from(handles) / 64.0)),
                ("SI".into(), Value::Int(0)),
                ("Responding".into(), Value::Bool(true)),
                ("__text".into(), format!("System.Diagnostics.Process ({name})").into()),
            ],
            Native::None,
        )
    };
    let mut all: Vec<(String, i32, Value)> =
        PROCESSES.iter().map(|(n, id, h, m)| ((*n).to_owned(), *id, object(n, *id, *h, *m))).collect();
    let own = ps.process_id as i32;
    all.push(("powershell".to_owned(), own, object("powershell", own, 540, 71_200)));
    all.sort_by_key(|(name, id, _)| (name.to_lowercase(), *id));
    for id in bound.get("Id").map(Value::items).unwrap_or_default() {
        match all.iter().find(|(_, found, _)| Some(i64::from(*found)) == id.as_long()) {
            Some((_, _, process)) => emits.output(process.clone()),
            None => emits.error(no_process(
                &format!("Cannot find a process with the process identifier {}.", id.to_text()),
                "NoProcessFoundForGivenId",
                &id.to_text(),
            ))?,
        }
    }
    if bound.has("Id") {
        return Ok(());
    }
    let patterns = bound.texts("Name");
    if patterns.is_empty() {
        all.into_iter().for_each(|(_, _, process)| emits.output(process));
        return Ok(());
    }
    for pattern in patterns {
        let found: Vec<&Value> =
            all.iter().filter(|(name, _, _)| wildcard(&pattern, name, true)).map(|(_, _, p)| p).collect();
        if found.is_empty() && !pattern.contains(['*', '?']) {
            emits.error(no_process(&format!("Cannot find a process with the name \"{pattern}\". Verify the process name and call the cmdlet again."), "NoProcessFoundForGivenName", &pattern))?;
        }
        found.into_iter().for_each(|p| emits.output(p.clone()));
    }
    Ok(())
}

fn no_process(message: &str, id: &str, target: &str) -> ErrorRecord {
    ErrorRecord::new("Microsoft.PowerShell.Commands.ProcessCommandException", message, id, "ObjectNotFound")
        .target(target, "String")
}

pub(super) fn get_variable(ps: &mut Interpreter, bound: &Bound, emits: &mut Emits) -> Result<()> {
    for name in bound.texts("Name") {
        match ps.named_variable(&name.to_lowercase()) {
            Some(value) if bound.flag("ValueOnly") => emits.output(value),
            Some(value) => emits.output(Value::object(
                "System.Management.Automation.PSVariable",
                vec![("Name".into(), name.into()), ("Value".into(), value)],
                Native::None,
            )),
            None => emits.error(no_variable(&name))?,
        }
    }
    Ok(())
}

fn no_variable(name: &str) -> ErrorRecord {
    ErrorRecord::new(
        "System.Management.Automation.ItemNotFoundException",
        format!("Cannot find a variable with the name '{name}'."),
        "VariableNotFound",
        "ObjectNotFound",
    )
    .target(name, "String")
}

pub(super) fn set_variable(ps: &mut Interpreter, bound: &Bound, _emits: &mut Emits) -> Result<()> {
    let value = bound.get("Value").cloned().unwrap_or(Value::Null);
    let scope = bound
        .text("Scope")
        .map(|s| format!("{s}:"))
        .filter(|s| !s.starts_with(|c: char| c.is_ascii_digit()))
        .unwrap_or_default();
    for name in bound.texts("Name") {
        ps.set_variable(&super::super::parse::scoped(&format!("{scope}{name}")), value.clone())?;
    }
    Ok(())
}

pub(super) fn clear_variable(ps: &mut Interpreter, bound: &Bound, _emits: &mut Emits) -> Result<()> {
    for name in bound.texts("Name") {
        ps.set_variable(&super::super::parse::scoped(&name), Value::Null)?;
    }
    Ok(())
}

pub(super) fn remove_variable(ps: &mut Interpreter, bound: &Bound, emits: &mut Emits) -> Result<()> {
    for name in bound.texts("Name") {
        if !ps.remove_variable(&name.to_lowercase()) {
            emits.error(no_variable(&name))?;
        }
    }
    Ok(())
}

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

pub(super) fn guid(ps: &mut Interpreter, _bound: &Bound, emits: &mut Emits) -> Result<()> {
    let text = statics::new_guid(ps);
    emits.output(Value::object(
        "System.Guid",
        vec![("Guid".into(), text.as_str().into()), ("__text".into(), text.into())],
        Native::None,
    ));
    Ok(())
}

pub(super) fn random(
    _ps: &mut Interpreter,
    bound: &Bound,
    inputs: Vec<Value>,
    emits: &mut Emits,
) -> Result<()> {
    let nanos = chrono::Local::now().timestamp_nanos_opt().unwrap_or(0) as u64;
    let mixed = (nanos.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 33) as i64;
    let pool = bound.get("InputObject").map(Value::items).unwrap_or(inputs);
    if !pool.is_empty() {
        emits.output(pool[usize::try_from(mixed).unwrap_or(0) % pool.len()].clone());
        return Ok(());
    }
    let low = bound.number("Minimum").unwrap_or(0);
    let high = bound.number("Maximum").unwrap_or(i64::from(i32::MAX));
    emits.output(Value::number(low + mixed % (high - low).max(1)));
    Ok(())
}

pub(super) fn strict_mode(ps: &mut Interpreter, bound: &Bound, _emits: &mut Emits) -> Result<()> {
    ps.strictness = match bound.text("Version").as_deref() {
        Some(text) if text.starts_with('1') => 1,
        Some(_) => 2,
        None => 0,
    };
    Ok(())
}

pub(super) fn host(ps: &mut Interpreter, _bound: &Bound, emits: &mut Emits) -> Result<()> {
    if let Some(host) = ps.named_variable("host") {
        emits.output(host);
    }
    Ok(())
}

pub(super) fn culture(_ps: &mut Interpreter, _bound: &Bound, emits: &mut Emits) -> Result<()> {
    emits.output(Value::object(
        "System.Globalization.CultureInfo",
        vec![
            ("LCID".into(), Value::Int(1033)),
            ("Name".into(), "en-US".into()),
            ("DisplayName".into(), "English (United States)".into()),
            ("__text".into(), "en-US".into()),
        ],
        Native::None,
    ));
    Ok(())
}

/// `Set-ExecutionPolicy`: nothing on this machine depends on the policy.
pub(super) fn nothing(_ps: &mut Interpreter, _bound: &Bound, _emits: &mut Emits) -> Result<()> {
    Ok(())
}

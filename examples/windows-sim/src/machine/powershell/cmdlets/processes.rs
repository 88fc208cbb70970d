//! `Get-Process`.

use super::super::error::{ErrorRecord, Result};
use super::super::eval::{Bound, Emits, Interpreter};
use super::super::types::native::Native;
use super::super::value::Value;
use crate::machine::vfs::wildcard;

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

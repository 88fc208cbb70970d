//! `Get-Service`, `Start-Service`, `Stop-Service`, `Restart-Service` and `Set-Service`.

use super::super::error::{ErrorRecord, Result};
use super::super::eval::{Bound, Emits, Interpreter};
use super::super::types::native::Native;
use super::super::types::properties::service_object;
use super::super::value::Value;
use super::confirmation::goes_ahead;
use crate::machine::services::{ServiceError, StartType};
use crate::machine::vfs::wildcard;

fn not_found(name: &str) -> ErrorRecord {
    ErrorRecord::new(
        "Microsoft.PowerShell.Commands.ServiceCommandException",
        format!("Cannot find any service with service name '{name}'."),
        "NoServiceFoundForGivenName",
        "ObjectNotFound",
    )
    .target(name, "String")
}

/// The services the parameters name; what is not found is said.
fn named(ps: &Interpreter, bound: &Bound, emits: &mut Emits) -> Result<Vec<&'static str>> {
    let mut names = Vec::new();
    let by_display = bound.texts("DisplayName");
    let wanted = bound.get("InputObject").or(bound.get("Name")).map(Value::items).unwrap_or_default();
    let mut missing = Vec::new();
    {
        let state = ps.around.machine.state();
        for value in &wanted {
            if let Some(Native::Service(name)) = value.native() {
                names.push(*name);
                continue;
            }
            let pattern = value.to_text();
            if pattern.contains(['*', '?', '[']) {
                names.extend(
                    state.services.all().iter().filter(|s| wildcard(&pattern, s.name, true)).map(|s| s.name),
                );
                continue;
            }
            match state.services.all().iter().find(|s| s.name.eq_ignore_ascii_case(&pattern)) {
                Some(service) => names.push(service.name),
                None => missing.push(pattern),
            }
        }
        for pattern in by_display {
            names.extend(
                state
                    .services
                    .all()
                    .iter()
                    .filter(|s| wildcard(&pattern, s.display_name, true))
                    .map(|s| s.name),
            );
        }
    }
    for name in missing {
        emits.error(not_found(&name))?;
    }
    Ok(names)
}

pub(super) fn get(ps: &mut Interpreter, bound: &Bound, emits: &mut Emits) -> Result<()> {
    let names = if bound.has("Name") || bound.has("DisplayName") {
        named(ps, bound, emits)?
    } else {
        ps.around.machine.state().services.all().iter().map(|s| s.name).collect()
    };
    for name in names {
        emits.output(service_object(name));
    }
    Ok(())
}

/// The services of [`named`] to go ahead with.
fn confirmed(
    ps: &Interpreter,
    bound: &Bound,
    emits: &mut Emits,
    operation: &str,
) -> Result<Vec<&'static str>> {
    let mut names = Vec::new();
    for name in named(ps, bound, emits)? {
        if goes_ahead(ps, bound, emits, operation, &format!("{} ({name})", display_name(ps, name)))? {
            names.push(name);
        }
    }
    Ok(names)
}

fn display_name(ps: &Interpreter, name: &str) -> String {
    ps.around.machine.state().services.get(name).map_or(name.to_owned(), |s| s.display_name.to_owned())
}

/// The error a cmdlet shows for a refusal of the control manager.
fn refusal(ps: &Interpreter, name: &str, verb: &str, error: &ServiceError) -> ErrorRecord {
    let display = display_name(ps, name);
    let (past, id) = if verb == "start" {
        ("started", "CouldNotStartService")
    } else {
        ("stopped", "CouldNotStopService")
    };
    let type_name = "Microsoft.PowerShell.Commands.ServiceCommandException";
    let target = "System.ServiceProcess.ServiceController";
    match error {
        ServiceError::HasDependents(_) => ErrorRecord::new(
            type_name,
            format!("Cannot stop service '{display} ({name})' because it has dependent services. It can only be stopped if the Force flag is set."),
            "ServiceHasDependentServices",
            "InvalidOperation",
        ),
        ServiceError::AccessDenied => ErrorRecord::new(
            type_name,
            format!("Service '{display} ({name})' cannot be {past} due to the following error: Cannot open {name} service on computer '.'."),
            id,
            "PermissionDenied",
        ),
        ServiceError::CannotStop => ErrorRecord::new(
            type_name,
            format!("Service '{display} ({name})' cannot be stopped due to the following error: Cannot stop {name} service on computer '.'."),
            id,
            "CloseError",
        ),
        _ => ErrorRecord::new(
            type_name,
            format!("Service '{display} ({name})' cannot be {past} due to the following error: Cannot {verb} service {name} on computer '.'."),
            id,
            "OpenError",
        ),
    }
    .target(target, target)
}

fn stop_one(ps: &Interpreter, name: &str, force: bool) -> std::result::Result<(), ServiceError> {
    let administrator = ps.around.is_administrator();
    match ps.around.machine.state().services.stop(name, force, administrator) {
        Err(ServiceError::NotRunning) => Ok(()),
        other => other,
    }
}

fn start_one(ps: &Interpreter, name: &str) -> std::result::Result<(), ServiceError> {
    let administrator = ps.around.is_administrator();
    match ps.around.machine.state().services.start(name, administrator) {
        Err(ServiceError::AlreadyRunning) => Ok(()),
        other => other,
    }
}

pub(super) fn stop(ps: &mut Interpreter, bound: &Bound, emits: &mut Emits) -> Result<()> {
    for name in confirmed(ps, bound, emits, "Stop-Service")? {
        match stop_one(ps, name, bound.flag("Force")) {
            Ok(()) if bound.flag("PassThru") => emits.output(service_object(name)),
            Ok(()) => {}
            Err(error) => emits.error(refusal(ps, name, "stop", &error))?,
        }
    }
    Ok(())
}

pub(super) fn start(ps: &mut Interpreter, bound: &Bound, emits: &mut Emits) -> Result<()> {
    for name in confirmed(ps, bound, emits, "Start-Service")? {
        match start_one(ps, name) {
            Ok(()) if bound.flag("PassThru") => emits.output(service_object(name)),
            Ok(()) => {}
            Err(error) => emits.error(refusal(ps, name, "start", &error))?,
        }
    }
    Ok(())
}

pub(super) fn restart(ps: &mut Interpreter, bound: &Bound, emits: &mut Emits) -> Result<()> {
    for name in confirmed(ps, bound, emits, "Restart-Service")? {
        let dependents = ps.around.machine.state().services.running_dependents(name);
        if let Err(error) = stop_one(ps, name, bound.flag("Force")) {
            emits.error(refusal(ps, name, "stop", &error))?;
            continue;
        }
        let mut outcome = start_one(ps, name);
        for dependent in dependents {
            outcome = outcome.and(start_one(ps, dependent));
        }
        match outcome {
            Ok(()) if bound.flag("PassThru") => emits.output(service_object(name)),
            Ok(()) => {}
            Err(error) => emits.error(refusal(ps, name, "start", &error))?,
        }
    }
    Ok(())
}

pub(super) fn set(ps: &mut Interpreter, bound: &Bound, emits: &mut Emits) -> Result<()> {
    for name in confirmed(ps, bound, emits, "Set-Service")? {
        if let Some(start_type) = bound.text("StartupType").and_then(|t| StartType::parse(&t)) {
            ps.around.machine.state().services.set_start_type(name, start_type);
        }
        let outcome = match bound.text("Status").map(|s| s.to_lowercase()).as_deref() {
            Some("running") => start_one(ps, name).map_err(|e| refusal(ps, name, "start", &e)),
            Some("stopped") => stop_one(ps, name, false).map_err(|e| refusal(ps, name, "stop", &e)),
            _ => Ok(()),
        };
        match outcome {
            Ok(()) if bound.flag("PassThru") => emits.output(service_object(name)),
            Ok(()) => {}
            Err(record) => emits.error(record)?,
        }
    }
    Ok(())
}

/// The methods of a `ServiceController`.
pub(in super::super) fn service_method(
    ps: &mut Interpreter,
    name: &str,
    method: &str,
    _arguments: &[Value],
) -> Result<Option<Value>> {
    let administrator = ps.around.is_administrator();
    let outcome = match method {
        "start" => ps.around.machine.state().services.start(name, administrator),
        "stop" => ps.around.machine.state().services.stop(name, true, administrator),
        "refresh" | "waitforstatus" | "close" | "dispose" => Ok(()),
        _ => return Ok(None),
    };
    match outcome {
        Ok(()) => Ok(Some(Value::Null)),
        Err(_) => ErrorRecord::new(
            "System.InvalidOperationException",
            format!("Cannot {method} service {name} on computer '.'."),
            "InvalidOperationException",
            "NotSpecified",
        )
        .throw(),
    }
}

//! `Write-Output`, `Write-Error`, `Write-Host` and the other streams.

use super::super::clixml::Progress;
use super::super::error::{ErrorRecord, Result};
use super::super::eval::{Bound, Emits, ErrorAction, Interpreter, Run};
use super::super::types::native::Native;
use super::super::value::Value;

pub(super) fn output(
    _ps: &mut Interpreter,
    bound: &Bound,
    inputs: Vec<Value>,
    emits: &mut Emits,
) -> Result<()> {
    let values = match bound.get("InputObject") {
        Some(value) => std::iter::once(value.clone())
            .chain(bound.get("Rest").map(Value::items).unwrap_or_default())
            .collect(),
        None => inputs,
    };
    for value in values {
        if bound.flag("NoEnumerate") {
            emits.output(value);
        } else {
            value.items().into_iter().for_each(|item| emits.output(item));
        }
    }
    Ok(())
}

pub(super) fn error(ps: &mut Interpreter, bound: &Bound, emits: &mut Emits) -> Result<()> {
    if let Some(Native::Error(record)) =
        bound.get("ErrorRecord").or(bound.get("Message")).and_then(Value::native)
    {
        let record = (**record).clone();
        return emits.error(record);
    }
    let id = bound.text("ErrorId");
    let mut record = match bound.get("Exception") {
        Some(exception) => {
            let mut record = ErrorRecord::runtime("", "", "NotSpecified");
            if let Some(Native::Exception(inner)) = exception.native() {
                record.exception = inner.clone();
            }
            record
        }
        None => ErrorRecord::new(
            "Microsoft.PowerShell.Commands.WriteErrorException",
            bound.text("Message").unwrap_or_default(),
            "",
            "NotSpecified",
        ),
    };
    record.id = match id {
        Some(id) => format!("{id},Microsoft.PowerShell.Commands.WriteErrorCommand"),
        None => "Microsoft.PowerShell.Commands.WriteErrorException".to_owned(),
    };
    if let Some(category) = bound.text("Category") {
        record.category =
            CATEGORIES.iter().find(|c| c.eq_ignore_ascii_case(&category)).copied().unwrap_or("NotSpecified");
    }
    record.activity = "Write-Error".to_owned();
    (record.prefix, record.position) = ps.caller();
    if let Some(target) = bound.get("TargetObject") {
        record.target = Some((target.to_text(), target.type_name().to_string()));
    }
    emits.error(record)?;
    Ok(())
}

const CATEGORIES: &[&str] = &[
    "NotSpecified",
    "OpenError",
    "CloseError",
    "DeviceError",
    "DeadlockDetected",
    "InvalidArgument",
    "InvalidData",
    "InvalidOperation",
    "InvalidResult",
    "InvalidType",
    "MetadataError",
    "NotImplemented",
    "NotInstalled",
    "ObjectNotFound",
    "OperationStopped",
    "OperationTimeout",
    "SyntaxError",
    "ParserError",
    "PermissionDenied",
    "ResourceBusy",
    "ResourceExists",
    "ResourceUnavailable",
    "ReadError",
    "WriteError",
    "FromStdErr",
    "SecurityError",
    "ConnectionError",
    "AuthenticationError",
    "LimitsExceeded",
    "QuotaExceeded",
    "NotEnabled",
];

/// Whether a message of this preference is shown.
fn shown(ps: &Interpreter, preference: &str) -> bool {
    let value = ps.named_variable(preference).map(|v| v.to_text()).unwrap_or_default();
    !matches!(ErrorAction::parse(&value), Some(ErrorAction::SilentlyContinue | ErrorAction::Ignore))
}

pub(super) fn warning(ps: &mut Interpreter, bound: &Bound, emits: &mut Emits) -> Result<()> {
    if shown(ps, "warningpreference") {
        emits.message(3, bound.text("Message").unwrap_or_default());
    }
    Ok(())
}

pub(super) fn verbose(ps: &mut Interpreter, bound: &Bound, emits: &mut Emits) -> Result<()> {
    if bound.verbose || shown(ps, "verbosepreference") {
        emits.message(4, bound.text("Message").unwrap_or_default());
    }
    Ok(())
}

pub(super) fn debug(ps: &mut Interpreter, bound: &Bound, emits: &mut Emits) -> Result<()> {
    if shown(ps, "debugpreference") {
        emits.message(5, bound.text("Message").unwrap_or_default());
    }
    Ok(())
}

pub(super) fn information(ps: &mut Interpreter, bound: &Bound, emits: &mut Emits) -> Result<()> {
    if shown(ps, "informationpreference") {
        emits.message(6, bound.text("MessageData").unwrap_or_default());
    }
    Ok(())
}

/// Writes to the console itself; the information stream carries a copy that redirections may take.
pub(super) fn host<'a>(
    ps: &'a mut Interpreter,
    bound: Bound,
    inputs: Vec<Value>,
    _emits: &'a mut Emits,
) -> Run<'a, ()> {
    Box::pin(async move {
        let mut values = inputs;
        if let Some(value) = bound.get("Object") {
            values = vec![value.clone()];
            values.extend(bound.get("Rest").map(Value::items).unwrap_or_default());
        }
        let separator = bound.text("Separator").unwrap_or_else(|| " ".to_owned());
        let end = if bound.flag("NoNewline") { "" } else { "\r\n" };
        let pieces: Vec<String> = values
            .iter()
            .map(|v| v.items().iter().map(Value::to_text).collect::<Vec<_>>().join(&separator))
            .collect();
        let text = pieces.join(&separator) + end;
        if *ps.streams.get(6) == super::super::eval::Target::Host {
            let bytes = crate::machine::codepage::encode(ps.around.code_page, &text);
            ps.raw_write(false, &bytes).await;
        } else {
            ps.write_message(6, text.trim_end_matches("\r\n")).await;
        }
        Ok(())
    })
}

pub(super) fn progress<'a>(
    ps: &'a mut Interpreter,
    bound: Bound,
    _inputs: Vec<Value>,
    _emits: &'a mut Emits,
) -> Run<'a, ()> {
    Box::pin(async move {
        let record = Progress {
            activity: bound.text("Activity").unwrap_or_default(),
            id: bound.number("Id").unwrap_or(0),
            operation: bound.text("CurrentOperation"),
            parent: bound.number("ParentId").unwrap_or(-1),
            percent: bound.number("PercentComplete").unwrap_or(-1),
            seconds: bound.number("SecondsRemaining").unwrap_or(-1),
            status: bound.text("Status").unwrap_or_else(|| "Processing".to_owned()),
            completed: bound.flag("Completed"),
        };
        ps.host_progress(&record).await;
        Ok(())
    })
}

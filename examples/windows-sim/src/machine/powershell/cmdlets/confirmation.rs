//! Whether a cmdlet goes ahead: `-WhatIf`, `-Confirm` and what no one is there to answer.

use super::super::error::{ErrorRecord, Result};
use super::super::eval::{Bound, Emits, Interpreter};
use super::super::value::Value;

/// Whether to do this operation to this target. With `-WhatIf`, or `$WhatIfPreference`, the console is told what would
/// be done and nothing is; with `-Confirm`, or `$ConfirmPreference` at `Low`, a user would be asked, and there is none.
pub(super) fn goes_ahead(
    ps: &Interpreter,
    bound: &Bound,
    emits: &mut Emits,
    operation: &str,
    target: &str,
) -> Result<bool> {
    let what_if = bound.get("WhatIf").cloned().or_else(|| ps.named_variable("whatifpreference"));
    if what_if.is_some_and(|v| v.truthy()) {
        emits.host_line(format!("What if: Performing the operation \"{operation}\" on target \"{target}\"."));
        return Ok(false);
    }
    let low =
        || ps.named_variable("confirmpreference").is_some_and(|v| v.to_text().eq_ignore_ascii_case("Low"));
    let asks = bound.get("Confirm").map_or_else(low, Value::truthy);
    if asks {
        return no_prompt();
    }
    Ok(true)
}

/// The error of a cmdlet that would have to ask.
pub(super) fn no_prompt<T>() -> Result<T> {
    ErrorRecord::new(
        "System.Management.Automation.PSInvalidOperationException",
        "Windows PowerShell is in NonInteractive mode. Read and Prompt functionality is not available.",
        "InvalidOperation",
        "InvalidOperation",
    )
    .throw()
}

//! The session: its host, culture, strictness and policy, and waiting in it.

use std::time::Duration;

use super::super::error::Result;
use super::super::eval::{Bound, Emits, Interpreter, Run};
use super::super::types::native::Native;
use super::super::value::Value;
use super::confirmation::{goes_ahead, no_prompt};

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
    Box::pin(async move { no_prompt() })
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
pub(super) fn execution_policy(ps: &mut Interpreter, bound: &Bound, emits: &mut Emits) -> Result<()> {
    let policy = bound.text("ExecutionPolicy").unwrap_or_default();
    goes_ahead(ps, bound, emits, "Set-ExecutionPolicy", &policy).map(|_| ())
}

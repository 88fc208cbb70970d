//! `Get-Random` and `New-Guid`.

use super::super::error::Result;
use super::super::eval::{Bound, Emits, Interpreter};
use super::super::types::native::Native;
use super::super::types::statics;
use super::super::value::Value;

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

pub(super) fn guid(ps: &mut Interpreter, _bound: &Bound, emits: &mut Emits) -> Result<()> {
    let text = statics::new_guid(ps);
    emits.output(Value::object(
        "System.Guid",
        vec![("Guid".into(), text.as_str().into()), ("__text".into(), text.into())],
        Native::None,
    ));
    Ok(())
}

//! `[Math]`.

use crate::machine::powershell::value::Value;

pub(super) fn math(method: &str, arguments: &[Value]) -> Option<Value> {
    let x = arguments.first()?.as_double()?;
    let whole = |n: &Value| matches!(n, Value::Int(_) | Value::Long(_) | Value::Byte(_));
    Some(match (method, arguments.len()) {
        ("floor", 1) => Value::Double(x.floor()),
        ("ceiling", 1) => Value::Double(x.ceil()),
        ("truncate", 1) => Value::Double(x.trunc()),
        ("sqrt", 1) => Value::Double(x.sqrt()),
        ("log", 1) => Value::Double(x.ln()),
        ("log10", 1) => Value::Double(x.log10()),
        ("exp", 1) => Value::Double(x.exp()),
        ("sin", 1) => Value::Double(x.sin()),
        ("cos", 1) => Value::Double(x.cos()),
        ("sign", 1) => Value::Int(if x > 0.0 { 1 } else { -i32::from(x < 0.0) }),
        ("pow", 2) => Value::Double(x.powf(arguments[1].as_double()?)),
        ("round", 1) => Value::Double(x.round_ties_even()),
        ("round", 2) => {
            let factor = 10_f64.powi(i32::try_from(arguments[1].as_long()?).ok()?);
            Value::Double((x * factor).round_ties_even() / factor)
        }
        ("abs", 1) if whole(&arguments[0]) => Value::number(arguments[0].as_long()?.checked_abs()?),
        ("abs", 1) => Value::Double(x.abs()),
        ("min" | "max", 2) => {
            let y = arguments[1].as_double()?;
            let first = if method == "min" { x <= y } else { x >= y };
            let chosen = if first { &arguments[0] } else { &arguments[1] };
            if arguments.iter().all(whole) { chosen.clone() } else { Value::Double(chosen.as_double()?) }
        }
        _ => return None,
    })
}

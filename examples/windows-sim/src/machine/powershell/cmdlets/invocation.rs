//! Running script text and blocks: `Invoke-Expression`, `Invoke-Command` and `Measure-Command`.

use super::super::eval::{Bound, Emits, Interpreter, Run};
use super::super::value::Value;

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

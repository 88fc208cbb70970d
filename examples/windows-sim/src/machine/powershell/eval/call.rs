//! Calling functions and script blocks.

use std::sync::Arc;

use super::super::ast::ScriptAst;
use super::super::error::{ErrorRecord, Flow, Result};
use super::super::value::Value;
use super::binding::Arg;
use super::output::{Collect, Output, Signature};
use super::pipeline::StageKind;
use super::variables::Scope;
use super::{Interpreter, Run};

impl Interpreter {
    pub(super) async fn function_stage(
        &mut self,
        script: Arc<ScriptAst>,
        name: String,
        arguments: Vec<Arg>,
        dotted: bool,
    ) -> Result<StageKind> {
        if dotted {
            if !script.parameters.is_empty() || !arguments.is_empty() {
                self.bind_script(&script, arguments, &name).await?;
            }
            return Ok(StageKind::Function { script, scope: Scope::default(), begun: false, dotted });
        }
        let is_function = !name.is_empty();
        self.scopes.push(Scope { command: name.clone(), is_function, ..Scope::default() });
        let bound = self.bind_script(&script, arguments, &name).await;
        let scope = self.scopes.pop().unwrap_or_default();
        bound.map_err(|flow| match flow {
            Flow::Throw(record) => {
                let signature = Signature { name: name.clone(), type_name: "" };
                let mut record = signature.sign(*record);
                if record.id.ends_with(',') {
                    record.id.push_str(&name);
                }
                Flow::Throw(Box::new(record))
            }
            other => other,
        })?;
        Ok(StageKind::Function { script, scope, begun: false, dotted })
    }

    #[expect(clippy::too_many_arguments, reason = "one call site; the arguments are the parts of a stage")]
    pub(super) async fn function_part(
        &mut self,
        script: &Arc<ScriptAst>,
        scope: &mut Scope,
        dotted: bool,
        begin: bool,
        value: Option<Value>,
        inputs: Vec<Value>,
        piped: bool,
        out: &mut dyn Output,
    ) -> Result<()> {
        self.call_depth += 1;
        if self.call_depth > super::CALL_DEPTH_MAX {
            self.call_depth = 0;
            let mut record = ErrorRecord::new(
                "System.Management.Automation.ScriptCallDepthException",
                "The script failed due to call depth overflow.",
                "CallDepthOverflow",
                "InvalidOperation",
            )
            .target("0", "Int32");
            record.ends_script = true;
            return record.throw();
        }
        if !dotted {
            self.scopes.push(std::mem::take(scope));
        }
        let caller = self.enter_block(script);
        let saved_source = std::mem::replace(&mut self.source, script.source.clone());
        let depth = self.scopes.len();
        let outcome = super::Deep(self.function_blocks(script, begin, value, inputs, piped, out)).await;
        self.source = saved_source;
        self.scopes.truncate(depth);
        if let (Some(caller), Some(top)) = (caller, self.scopes.last_mut()) {
            top.command = caller;
        }
        if !dotted && depth > 1 {
            *scope = self.scopes.pop().unwrap_or_default();
        }
        self.call_depth = self.call_depth.saturating_sub(1);
        match outcome {
            Err(Flow::Return) => Ok(()),
            other => other,
        }
    }

    /// A script block without a name is known by its text; gives what the scope was known by before.
    fn enter_block(&mut self, script: &Arc<ScriptAst>) -> Option<String> {
        let top = self.scopes.last_mut()?;
        if top.is_function {
            return None;
        }
        let text = Value::Script(script.clone()).to_text();
        Some(std::mem::replace(&mut top.command, text))
    }

    fn function_blocks<'a>(
        &'a mut self,
        script: &'a ScriptAst,
        begin: bool,
        value: Option<Value>,
        inputs: Vec<Value>,
        piped: bool,
        out: &'a mut dyn Output,
    ) -> Run<'a, ()> {
        Box::pin(async move {
            if begin && let Some(block) = &script.begin {
                self.block(block, out).await?;
            }
            match (value, &script.process) {
                (Some(value), Some(process)) => {
                    for parameter in script.parameters.iter().filter(|p| p.from_pipeline) {
                        self.set_local(&parameter.name.to_lowercase(), value.clone());
                    }
                    self.set_local("_", value);
                    self.block(process, out).await
                }
                (None, Some(process)) => {
                    if !piped {
                        self.block(process, out).await?;
                    }
                    self.block(&script.end, out).await
                }
                _ => {
                    if piped || !self.stdin_is_input() {
                        self.set_local("input", Value::array(inputs));
                    }
                    self.block(&script.end, out).await
                }
            }
        })
    }

    fn stdin_is_input(&self) -> bool {
        self.named_variable("input").is_some()
    }

    /// Calls a script block or function outside a pipeline.
    pub(super) async fn call(
        &mut self,
        script: &Arc<ScriptAst>,
        name: String,
        arguments: Vec<Arg>,
        inputs: Option<Vec<Value>>,
        dotted: bool,
        out: &mut dyn Output,
    ) -> Result<()> {
        let stage = self.function_stage(script.clone(), name, arguments, dotted).await?;
        let StageKind::Function { script, mut scope, .. } = stage else { return Ok(()) };
        let piped = inputs.is_some();
        self.function_part(&script, &mut scope, dotted, true, None, inputs.unwrap_or_default(), piped, out)
            .await
    }

    /// Runs a script block in the current scope with `$_` set, as `ForEach-Object` does, and gathers what it gives.
    pub(in super::super) async fn with_item(
        &mut self,
        script: &Arc<ScriptAst>,
        item: &Value,
    ) -> Result<Value> {
        let mut out = Collect::default();
        self.item_into(script, item, &mut out).await?;
        Ok(Value::from_outputs(out.values))
    }

    pub(super) async fn item_into(
        &mut self,
        script: &Arc<ScriptAst>,
        item: &Value,
        out: &mut dyn Output,
    ) -> Result<()> {
        let saved = self.named_variable("_");
        self.set_local("_", item.clone());
        let saved_source = std::mem::replace(&mut self.source, script.source.clone());
        let block = script.process.as_ref().unwrap_or(&script.end);
        let outcome = super::Deep(self.block(block, out)).await;
        self.source = saved_source;
        match saved {
            Some(saved) => self.set_local("_", saved),
            None => {
                self.remove_variable("_");
            }
        }
        match outcome {
            Err(Flow::Return) => Ok(()),
            other => other,
        }
    }
}

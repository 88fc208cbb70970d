//! Running a cmdlet's code.

use super::super::ast::Span;
use super::super::cmdlets::{Body, Cmdlet};
use super::super::error::{Flow, Result};
use super::super::value::Value;
use super::output::{Emits, Output, Signature};
use super::{Bound, Interpreter};

impl Interpreter {
    /// Runs a cmdlet's code and passes on what it gave.
    pub(super) async fn run_cmdlet(
        &mut self,
        cmdlet: &'static Cmdlet,
        bound: &Bound,
        inputs: Vec<Value>,
        span: Span,
        out: &mut dyn Output,
    ) -> Result<()> {
        let action = bound.error_action.unwrap_or_else(|| self.error_preference());
        let signature = Signature { name: cmdlet.name.to_owned(), type_name: cmdlet.type_name };
        let mut emits = Emits { items: Vec::new(), action, signature };
        let outcome = match cmdlet.body {
            Body::Each(run) => run(self, bound, &mut emits),
            Body::All(run) => run(self, bound, inputs, &mut emits),
            Body::Wait(run) => run(self, bound.clone(), inputs, &mut emits).await,
            Body::Streaming => Ok(()),
        };
        for item in &mut emits.items {
            if let super::output::Emit::Error(record) = item
                && record.position.is_none()
            {
                record.position = if record.activity == "Write-Error" { None } else { self.position(span) };
            }
        }
        if bound.silent_warnings {
            emits.items.retain(|i| !matches!(i, super::output::Emit::Message(3, _)));
        }
        if let Some(variable) = &bound.error_variable {
            let errors: Vec<Value> = emits
                .items
                .iter()
                .filter_map(|i| {
                    if let super::output::Emit::Error(r) = i {
                        Some(Value::error((**r).clone()))
                    } else {
                        None
                    }
                })
                .collect();
            self.set_local(&variable.trim_start_matches('+').to_lowercase(), Value::array(errors));
        }
        if let Some(variable) = &bound.out_variable {
            let values: Vec<Value> = emits
                .items
                .iter()
                .filter_map(|i| if let super::output::Emit::Value(v) = i { Some(v.clone()) } else { None })
                .collect();
            self.set_local(&variable.trim_start_matches('+').to_lowercase(), Value::array(values));
        }
        self.pass_on(emits.items, action, out).await?;
        match outcome.map_err(|flow| sign(flow, cmdlet)) {
            // An error that ends the cmdlet ends only the cmdlet when it was asked to be quiet.
            Err(Flow::Throw(record)) if !record.ends_script && self.quiet(bound) => {
                self.remember_error(&record);
                self.succeeded = false;
                Ok(())
            }
            other => other,
        }
    }

    fn quiet(&self, bound: &Bound) -> bool {
        use super::output::ErrorAction::{Ignore, SilentlyContinue};
        matches!(bound.error_action, Some(Ignore | SilentlyContinue)) && self.try_depth == 0
    }
}

/// An error out of a cmdlet carries the cmdlet's name.
pub(super) fn sign(flow: Flow, cmdlet: &Cmdlet) -> Flow {
    match flow {
        Flow::Throw(record) if record.position.is_none() && record.thrown.is_none() => {
            let signature = Signature { name: cmdlet.name.to_owned(), type_name: cmdlet.type_name };
            Flow::Throw(Box::new(signature.sign(*record)))
        }
        other => other,
    }
}

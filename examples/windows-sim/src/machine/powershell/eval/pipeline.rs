//! Pipelines: values stream from stage to stage.

use std::sync::Arc;

use super::super::ast::{CallKind, Command, Element, ScriptAst, Span};
use super::super::cmdlets::{Body, Cmdlet};
use super::super::error::{ErrorRecord, Flow, Result};
use super::super::types::native::Native;
use super::super::value::Value;
use super::cmdlet::sign;
use super::command::NativeCommand;
use super::output::{Merging, Output, Streams, Target};
use super::streaming::Streaming;
use super::variables::Scope;
use super::{Bound, Interpreter, Run};

/// One command of a pipeline at work.
pub(super) struct Stage {
    pub(super) kind: StageKind,
    streams: Streams,
    span: Span,
    /// The values that came down the pipeline and wait for the end.
    pub(super) inputs: Vec<Value>,
    /// Whether anything stands before it in the pipeline.
    pub(super) piped: bool,
}

pub(super) enum StageKind {
    Cmdlet(&'static Cmdlet, Bound),
    Streaming(&'static Cmdlet, Streaming),
    Function { script: Arc<ScriptAst>, scope: Scope, begun: bool, dotted: bool },
    Native(NativeCommand),
}

/// Hands values to the next stage.
struct Next<'s> {
    stages: &'s mut [Stage],
    out: &'s mut dyn Output,
}

impl Output for Next<'_> {
    fn write<'a>(&'a mut self, ps: &'a mut Interpreter, value: Value) -> Run<'a, ()> {
        ps.feed(self.stages, value, self.out)
    }

    fn is_host(&self) -> bool {
        self.stages.is_empty() && self.out.is_host()
    }
}

impl Interpreter {
    pub(super) async fn pipeline_into(&mut self, elements: &[Element], out: &mut dyn Output) -> Result<()> {
        if let [Element::Expression(expr, redirections)] = elements {
            let streams = self.redirected(redirections).await?;
            let saved = std::mem::replace(&mut self.streams, streams);
            let outcome = if self.streams.merges() {
                let mut merging = Merging { inner: out };
                self.expression_statement(expr, &mut merging).await
            } else {
                self.expression_statement(expr, out).await
            };
            self.streams = saved;
            for value in std::mem::take(&mut self.merged) {
                out.write(self, value).await?;
            }
            return outcome;
        }
        self.succeeded = true;
        self.pipelines += 1;
        let number = self.pipelines;
        let mut stages = Vec::with_capacity(elements.len());
        for (i, element) in elements.iter().enumerate() {
            match element {
                Element::Command(command) => {
                    let stage = self.stage(command, i > 0, number).await;
                    stages.push(stage.map_err(|f| self.placed(f, command.span))?);
                }
                Element::Expression(..) if i == 0 => {}
                Element::Expression(expr, _) => {
                    let mut record = ErrorRecord::new(
                        "System.Management.Automation.ParentContainsErrorRecordException",
                        "Expressions are only allowed as the first element of a pipeline.",
                        "ExpressionsMustBeFirstInPipeline",
                        "ParserError",
                    );
                    record.position = self.position(expr.span);
                    record.is_parse_error = true;
                    return record.throw();
                }
            }
        }
        let outcome = async {
            if let Some(Element::Expression(expr, _)) = elements.first() {
                let mut next = Next { stages: &mut stages, out };
                self.expression_statement(expr, &mut next).await?;
            }
            for i in 0..stages.len() {
                let (done, rest) = stages.split_at_mut(i + 1);
                let mut next = Next { stages: rest, out };
                self.finish(&mut done[i], &mut next).await?;
            }
            Ok(())
        }
        .await;
        match outcome {
            // What is downstream of the stage that had enough still gets its end.
            Err(Flow::Enough(enough)) if enough == number => {
                let from = stages
                    .iter()
                    .position(|s| matches!(&s.kind, StageKind::Streaming(_, st) if st.had_enough()))
                    .unwrap_or(0);
                for i in from + 1..stages.len() {
                    let (done, rest) = stages.split_at_mut(i + 1);
                    let mut next = Next { stages: rest, out };
                    self.finish(&mut done[i], &mut next).await?;
                }
                Ok(())
            }
            other => other,
        }
    }

    async fn stage(&mut self, command: &Command, piped: bool, number: u64) -> Result<Stage> {
        let streams = self.redirected(&command.redirections).await?;
        let name = self.eval(&command.name).await?;
        let arguments = self.arguments(&command.arguments).await?;
        let dotted = command.call == CallKind::Dot;
        let mut kind = match &name {
            Value::Script(script) => {
                self.function_stage(script.clone(), String::new(), arguments, dotted).await?
            }
            other => {
                let name = other.to_text();
                self.resolve(&name, arguments, dotted, number).await?
            }
        };
        if let StageKind::Function { scope, .. } = &mut kind
            && scope.is_function
        {
            scope.position = self.position(command.span);
        }
        Ok(Stage { kind, streams, span: command.span, inputs: Vec::new(), piped })
    }

    /// Gives a value to the first stage, or to the output when there is none.
    fn feed<'a>(&'a mut self, stages: &'a mut [Stage], value: Value, out: &'a mut dyn Output) -> Run<'a, ()> {
        Box::pin(async move {
            let Some((stage, rest)) = stages.split_first_mut() else { return out.write(self, value).await };
            let mut next = Next { stages: rest, out };
            self.in_stage(stage, Some(value), &mut next).await
        })
    }

    async fn finish(&mut self, stage: &mut Stage, next: &mut Next<'_>) -> Result<()> {
        self.in_stage(stage, None, next).await
    }

    /// Runs a stage for one value, or for the end of input, under its own redirections.
    async fn in_stage(&mut self, stage: &mut Stage, value: Option<Value>, next: &mut Next<'_>) -> Result<()> {
        let saved = std::mem::replace(&mut self.streams, stage.streams.clone());
        let span = stage.span;
        let outcome = if self.streams.merges() {
            let mut merging = Merging { inner: next };
            self.run_stage(stage, value, &mut merging).await
        } else {
            self.run_stage(stage, value, next).await
        };
        self.streams = saved;
        if !matches!(self.streams.get(2), Target::Merge) {
            for merged in std::mem::take(&mut self.merged) {
                next.write(self, merged).await?;
            }
        }
        outcome.map_err(|f| self.placed(f, span))
    }

    async fn run_stage(
        &mut self,
        stage: &mut Stage,
        value: Option<Value>,
        out: &mut dyn Output,
    ) -> Result<()> {
        match &mut stage.kind {
            StageKind::Cmdlet(cmdlet, bound) => match (value, cmdlet.body) {
                (Some(value), Body::Each(_)) => {
                    let mut bound = bound.clone();
                    cmdlet.bind_input(&mut bound, value);
                    self.run_cmdlet(cmdlet, &bound, Vec::new(), stage.span, out).await
                }
                (Some(value), _) => {
                    stage.inputs.push(value);
                    Ok(())
                }
                (None, Body::Each(_)) if stage.piped => Ok(()),
                (None, _) => {
                    let inputs = std::mem::take(&mut stage.inputs);
                    let bound = bound.clone();
                    self.run_cmdlet(cmdlet, &bound, inputs, stage.span, out).await
                }
            },
            StageKind::Streaming(cmdlet, streaming) => {
                let piped = stage.piped;
                let outcome = self.stream(streaming, value, piped, out).await;
                outcome.map_err(|flow| sign(flow, cmdlet))
            }
            StageKind::Function { script, scope, begun, dotted } => {
                let script = script.clone();
                let dotted = *dotted;
                match value {
                    Some(value) if script.process.is_none() => {
                        stage.inputs.push(value);
                        Ok(())
                    }
                    value => {
                        let inputs = std::mem::take(&mut stage.inputs);
                        let begin = !std::mem::replace(begun, true);
                        let piped = stage.piped;
                        self.function_part(&script, scope, dotted, begin, value, inputs, piped, out).await
                    }
                }
            }
            StageKind::Native(native) => match value {
                Some(value) => {
                    stage.inputs.push(value);
                    Ok(())
                }
                None => {
                    let inputs = stage.piped.then(|| std::mem::take(&mut stage.inputs));
                    let native = native.clone();
                    self.run_native(&native, inputs, out).await
                }
            },
        }
    }
}

/// A value as a line of a native program's input.
pub(super) fn native_line(value: &Value) -> String {
    match value.native() {
        Some(Native::Error(record)) => record.exception.message.clone(),
        _ => value.to_text(),
    }
}

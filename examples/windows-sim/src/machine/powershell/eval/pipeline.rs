//! Pipelines: values stream from stage to stage.

use std::sync::Arc;

use super::super::ast::{CallKind, Command, Element, Redirection, ScriptAst, Span};
use super::super::cmdlets::{Body, Cmdlet};
use super::super::error::{ErrorRecord, Flow, Result};
use super::super::types::native::Native;
use super::super::value::Value;
use super::binding::Arg;
use super::command::NativeCommand;
use super::output::{Collect, Discard, Emits, Merging, Output, Signature, Streams, Target};
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

/// Writes formatted output to a file, for `>`.
struct ToFile {
    path: String,
    formatter: super::super::format::Formatter,
}

impl Output for ToFile {
    fn write<'a>(&'a mut self, ps: &'a mut Interpreter, value: Value) -> Run<'a, ()> {
        let text = self.formatter.add(ps, &value);
        ps.append_text(&self.path, &text);
        Box::pin(std::future::ready(Ok(())))
    }
}

impl Interpreter {
    /// Runs a pipeline.
    pub(super) async fn pipeline(&mut self, elements: &[Element], out: &mut dyn Output) -> Result<()> {
        let redirections = match elements.last() {
            Some(Element::Expression(_, r)) => r,
            Some(Element::Command(command)) => &command.redirections,
            None => return Ok(()),
        };
        let to_file = redirections.iter().find(|r| matches!(r.stream, 0 | 1) && r.file.is_some());
        match to_file {
            None => self.pipeline_into(elements, out).await,
            Some(redirection) => match self.open_redirection(redirection).await? {
                None => self.pipeline_into(elements, &mut Discard).await,
                Some(path) => {
                    let mut file = ToFile { path, formatter: super::super::format::Formatter::default() };
                    let outcome = self.pipeline_into(elements, &mut file).await;
                    let rest = file.formatter.flush(self);
                    self.append_text(&file.path, &rest);
                    outcome
                }
            },
        }
    }

    /// Opens the file of a redirection; none for `$null`.
    async fn open_redirection(&mut self, redirection: &Redirection) -> Result<Option<String>> {
        let Some(file) = &redirection.file else { return Ok(None) };
        let value = self.eval(file).await?;
        if value.is_null() {
            return Ok(None);
        }
        let path = self.location_path(&value.to_text());
        let mut state = self.around.machine.state();
        let outcome = if redirection.append {
            state.files.append(&path, &[])
        } else {
            state.files.write(&path, Arc::new(vec![0xFF, 0xFE]))
        };
        drop(state);
        match outcome {
            Ok(()) => Ok(Some(path)),
            Err(error) => super::super::types::stream::io_error(error, &path).throw(),
        }
    }

    async fn pipeline_into(&mut self, elements: &[Element], out: &mut dyn Output) -> Result<()> {
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

    /// The side streams with a command's redirections applied.
    async fn redirected(&mut self, redirections: &[Redirection]) -> Result<Streams> {
        let mut streams = self.streams.clone();
        for redirection in redirections {
            let target = match &redirection.file {
                None => Target::Merge,
                Some(_) if redirection.stream == 1 => continue,
                Some(_) => match self.open_redirection(redirection).await? {
                    Some(path) => Target::File(path),
                    None => Target::Nowhere,
                },
            };
            match redirection.stream {
                0 => (2..=6).for_each(|s| streams.set(s, target.clone())),
                stream => streams.set(stream, target),
            }
        }
        Ok(streams)
    }

    async fn stage(&mut self, command: &Command, piped: bool, number: u64) -> Result<Stage> {
        let streams = self.redirected(&command.redirections).await?;
        let name = self.eval(&command.name).await?;
        let arguments = self.arguments(&command.arguments).await?;
        let dotted = command.call == CallKind::Dot;
        let kind = match &name {
            Value::Script(script) => {
                self.function_stage(script.clone(), String::new(), arguments, dotted).await?
            }
            other => {
                let name = other.to_text();
                self.resolve(&name, arguments, dotted, number).await?
            }
        };
        Ok(Stage { kind, streams, span: command.span, inputs: Vec::new(), piped })
    }

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

    /// Runs a cmdlet's code and passes on what it gave.
    async fn run_cmdlet(
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

    #[expect(clippy::too_many_arguments, reason = "one call site; the arguments are the parts of a stage")]
    async fn function_part(
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
        let saved_source = std::mem::replace(&mut self.source, script.source.clone());
        let depth = self.scopes.len();
        let outcome = super::Deep(self.function_blocks(script, begin, value, inputs, piped, out)).await;
        self.source = saved_source;
        self.scopes.truncate(depth);
        if !dotted && depth > 1 {
            *scope = self.scopes.pop().unwrap_or_default();
        }
        self.call_depth = self.call_depth.saturating_sub(1);
        match outcome {
            Err(Flow::Return) => Ok(()),
            other => other,
        }
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

/// An error out of a cmdlet carries the cmdlet's name.
fn sign(flow: Flow, cmdlet: &Cmdlet) -> Flow {
    match flow {
        Flow::Throw(record) if record.position.is_none() && record.thrown.is_none() => {
            let signature = Signature { name: cmdlet.name.to_owned(), type_name: cmdlet.type_name };
            Flow::Throw(Box::new(signature.sign(*record)))
        }
        other => other,
    }
}

/// A value as a line of a native program's input.
pub(super) fn native_line(value: &Value) -> String {
    match value.native() {
        Some(Native::Error(record)) => record.exception.message.clone(),
        _ => value.to_text(),
    }
}

//! Running the tree.

mod arithmetic;
mod assignment;
mod binding;
mod call;
mod cmdlet;
mod command;
mod comparison;
mod context;
mod expression;
mod formatting;
mod index;
mod member;
mod modules;
mod operators;
mod output;
mod pipeline;
mod redirection;
mod replace;
mod statement;
mod streaming;
mod variables;

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Instant;

use super::ast::{Block, ScriptAst, Source, Span};
use super::cmdlets::Module;
use super::error::{ErrorRecord, Flow, Position, Result};
use super::host::Host;
use super::parse;
use super::types::native::Native;
use super::value::{Value, lock};
use crate::machine::surroundings::Surroundings;
use crate::machine::vfs::full_path;

pub(super) use binding::Bound;
pub(super) use comparison::{compare_values, equal};
pub(super) use expression::hash_entries;
pub(super) use formatting::format_operator;
pub(super) use output::{Collect, Emits, ErrorAction, HostOutput, Output, Streams, Target};
pub(super) use replace::replace_regex;
pub(super) use variables::Scope;

/// A step of the evaluation; boxed because steps nest as the script does.
pub(super) type Run<'a, T> = Pin<Box<dyn Future<Output = Result<T>> + Send + 'a>>;

/// How deep calls may nest, as deep as Windows PowerShell lets them.
const CALL_DEPTH_MAX: usize = 1000;
/// How many statements run before other processes get their turn.
const STEPS_PER_TURN: u32 = 512;
/// The longest `$Error` grows.
const ERRORS_MAX: usize = 256;

/// One running `powershell.exe`.
pub(super) struct Interpreter {
    pub(super) around: Surroundings,
    /// The directory of the process, which .NET resolves against; `Set-Location` does not move it.
    pub(super) process_directory: String,
    pub(super) input_code_page: u32,
    pub(super) started: Instant,
    /// `Set-StrictMode`'s version, 0 for off.
    pub(super) strictness: u8,
    pub(super) process_id: u32,
    /// What `Push-Location` keeps.
    pub(super) locations: Vec<String>,
    pub(super) host: Host,
    pub(super) streams: Streams,
    /// What `2>&1` and its like send into the output.
    pub(super) merged: Vec<Value>,
    pub(super) succeeded: bool,
    scopes: Vec<Scope>,
    errors: Value,
    try_depth: usize,
    call_depth: usize,
    steps: u32,
    pipelines: u64,
    /// The modules imported so far.
    modules: Vec<Module>,
    source: Arc<Source>,
}

/// Polls a deep step on a stack that grows, so that recursion in a script cannot end the process.
struct Deep<'a, T>(Run<'a, T>);

impl<T> Future for Deep<'_, T> {
    type Output = Result<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        stacker::maybe_grow(256 * 1024, 4 * 1024 * 1024, || self.0.as_mut().poll(context))
    }
}

impl Interpreter {
    pub(super) fn new(around: Surroundings, host: Host) -> Self {
        let source = Arc::new(Source { text: Vec::new(), file: None });
        let errors =
            Value::object("System.Collections.ArrayList", Vec::new(), Native::List(Mutex::default()));
        let mut interpreter = Self {
            process_directory: around.directory.clone(),
            input_code_page: around.code_page,
            process_id: around.machine.next_process_id(),
            around,
            started: Instant::now(),
            strictness: 0,
            locations: Vec::new(),
            host,
            streams: Streams::default(),
            merged: Vec::new(),
            succeeded: true,
            scopes: vec![Scope::default()],
            errors,
            try_depth: 0,
            call_depth: 0,
            steps: 0,
            pipelines: 0,
            modules: Vec::new(),
            source,
        };
        interpreter.define_automatic_variables();
        interpreter
    }

    /// A path as .NET resolves it.
    pub(super) fn full_path(&self, path: &str) -> String {
        full_path(&self.process_directory, path)
    }

    /// A path as cmdlets resolve it, against the current location.
    pub(super) fn location_path(&self, path: &str) -> String {
        let path = path.strip_prefix("Microsoft.PowerShell.Core\\FileSystem::").unwrap_or(path);
        let path = match path.strip_prefix('~') {
            Some(rest) => format!("{}{rest}", self.around.environment.get("USERPROFILE").unwrap_or("C:\\")),
            None => path.to_owned(),
        };
        full_path(&self.around.directory, &path)
    }

    /// `[ScriptBlock]::Create`.
    pub(super) fn script_block(&self, text: &str) -> Result<Value> {
        let source = Arc::new(Source { text: text.chars().collect(), file: None });
        match parse::parse(&source) {
            Ok(script) => Ok(Value::Script(script)),
            Err(error) => Err(Flow::Throw(Box::new(parse_record(&source, &error)))),
        }
    }

    /// Runs a whole script and says with which code the process ends.
    pub(super) async fn run_script(&mut self, text: &str, file: Option<String>, arguments: &[Value]) -> i32 {
        let source = Arc::new(Source { text: text.chars().collect(), file: file.clone() });
        self.source = source.clone();
        let outcome = match parse::parse(&source) {
            Err(error) => Err(Flow::Throw(Box::new(parse_record(&source, &error)))),
            Ok(script) => {
                self.scopes[0].command = text.to_owned();
                self.scopes[0].is_script = true;
                let mut out = HostOutput;
                match self.bind_positional(&script, arguments).await {
                    Ok(()) => Deep(self.script_blocks(&script, &mut out)).await,
                    Err(flow) => Err(flow),
                }
            }
        };
        let code = match outcome {
            Ok(()) | Err(Flow::Return | Flow::Break(_) | Flow::Continue(_) | Flow::Enough(_)) => {
                i32::from(!self.succeeded && file.is_none())
            }
            Err(Flow::Exit(code)) => code,
            Err(Flow::Throw(record)) => {
                self.flush_host().await;
                self.report(*record).await;
                1
            }
        };
        self.flush_host().await;
        self.finish_errors().await;
        code
    }

    /// Runs `begin`, `process` and `end` of a script that gets no input.
    fn script_blocks<'a>(&'a mut self, script: &'a ScriptAst, out: &'a mut dyn Output) -> Run<'a, ()> {
        Box::pin(async move {
            for block in [&script.begin, &script.process].into_iter().flatten() {
                self.block(block, out).await?;
            }
            self.block(&script.end, out).await
        })
    }

    /// Calls a script block with arguments in a scope of its own and gathers what it gives.
    pub(super) async fn call_script(
        &mut self,
        script: &Arc<ScriptAst>,
        arguments: &[Value],
    ) -> Result<Vec<Value>> {
        let mut out = Collect::default();
        let arguments = arguments.iter().cloned().map(binding::Arg::Value).collect();
        self.call(script, String::new(), arguments, None, false, &mut out).await?;
        Ok(out.values)
    }

    /// Runs a script block in the current scope and gathers what it gives.
    pub(super) async fn run_here(&mut self, script: &Arc<ScriptAst>) -> Result<Vec<Value>> {
        let mut out = Collect::default();
        self.call(script, String::new(), Vec::new(), None, true, &mut out).await?;
        Ok(out.values)
    }

    /// Runs statements one after the other.
    pub(super) fn block<'a>(&'a mut self, block: &'a Block, out: &'a mut dyn Output) -> Run<'a, ()> {
        Box::pin(async move {
            for statement in &block.statements {
                self.step().await;
                match self.statement(statement, out).await {
                    Ok(()) => {}
                    Err(Flow::Throw(record)) if self.goes_on_after(&record) => {
                        self.report(*record).await;
                        self.succeeded = false;
                    }
                    Err(flow) => return Err(flow),
                }
            }
            Ok(())
        })
    }

    /// An exception that no `try` waits for ends its statement only, unless the script wants to stop.
    fn goes_on_after(&self, record: &ErrorRecord) -> bool {
        !record.ends_script
            && !record.is_parse_error
            && self.try_depth == 0
            && self.error_preference() != ErrorAction::Stop
    }

    async fn step(&mut self) {
        self.steps += 1;
        if self.steps >= STEPS_PER_TURN {
            self.steps = 0;
            tokio::task::yield_now().await;
        }
    }

    fn position(&self, span: Span) -> Option<Position> {
        Some(Position { source: self.source.clone(), span })
    }

    /// Gives an error the place where it happened, unless it has one.
    fn placed(&self, flow: Flow, span: Span) -> Flow {
        match flow {
            Flow::Throw(mut record) => {
                if record.position.is_none() {
                    record.position = self.position(span);
                }
                Flow::Throw(record)
            }
            other => other,
        }
    }

    /// Adds to `$Error`, newest first.
    pub(super) fn remember_error(&mut self, record: &ErrorRecord) {
        if let Some(Native::List(errors)) = self.errors.native() {
            let mut errors = lock(errors);
            errors.insert(0, Value::error(record.clone()));
            errors.truncate(ERRORS_MAX);
        }
    }

    pub(super) fn enter_try(&mut self) {
        self.try_depth += 1;
    }

    pub(super) fn leave_try(&mut self) {
        self.try_depth -= 1;
    }
}

pub(super) fn parse_record(source: &Arc<Source>, error: &parse::ParseError) -> ErrorRecord {
    let mut record = ErrorRecord::new(
        "System.Management.Automation.ParentContainsErrorRecordException",
        error.message.clone(),
        error.id,
        "ParserError",
    );
    record.position = Some(Position { source: source.clone(), span: error.span });
    record.is_parse_error = true;
    record
}

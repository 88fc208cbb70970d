//! Finding what a name calls: an alias, a function, a cmdlet or a program.

use std::sync::Arc;

use super::super::ast::Source;
use super::super::cmdlets;
use super::super::error::{ErrorRecord, Flow, Result};
use super::super::parse;
use super::super::value::Value;
use super::binding::{Arg, bind_cmdlet};
use super::output::{Output, Signature, Target};
use super::pipeline::{StageKind, native_line};
use super::streaming::{Streaming, StreamingKind};
use super::{Bound, Interpreter};
use crate::machine::io::{Sink, Stdin, captured};
use crate::machine::{codepage, command_line, programs};

/// A program of the machine with its arguments.
#[derive(Debug, Clone)]
pub(super) struct NativeCommand {
    program: String,
    name: String,
    arguments: Vec<String>,
}

impl Interpreter {
    /// Makes a stage of the command a name stands for.
    pub(super) async fn resolve(
        &mut self,
        name: &str,
        arguments: Vec<Arg>,
        dotted: bool,
        pipeline: u64,
    ) -> Result<StageKind> {
        let name = cmdlets::alias(name).unwrap_or(name);
        if let Some(script) = self.function(name) {
            return self.function_stage(script, name.to_owned(), arguments, dotted).await;
        }
        let bare = name
            .rsplit_once('\\')
            .filter(|(module, _)| module.starts_with("Microsoft."))
            .map_or(name, |(_, n)| n);
        if let Some(cmdlet) = cmdlets::find(bare) {
            self.import(cmdlet.module, bare == name).await;
            let signature = Signature { name: cmdlet.name.to_owned(), type_name: cmdlet.type_name };
            let bound = bind_cmdlet(cmdlet, arguments).map_err(|flow| match flow {
                Flow::Throw(record) => Flow::Throw(Box::new(signature.sign(*record))),
                other => other,
            })?;
            return Ok(match streaming_kind(cmdlet.name, &bound) {
                Some(kind) => StageKind::Streaming(cmdlet, Streaming::new(kind, pipeline)),
                None => StageKind::Cmdlet(cmdlet, bound),
            });
        }
        if name.to_lowercase().ends_with(".ps1") {
            return self.script_file(name, arguments, dotted).await;
        }
        let here = self.around.clone();
        let located =
            crate::machine::surroundings::Surroundings { directory: self.around.directory.clone(), ..here };
        match programs::resolve(&located, name) {
            Some(program) => Ok(StageKind::Native(NativeCommand {
                program,
                name: name.to_owned(),
                arguments: native_arguments(&arguments),
            })),
            None => self.not_recognized(name).await,
        }
    }

    async fn script_file(&mut self, name: &str, arguments: Vec<Arg>, dotted: bool) -> Result<StageKind> {
        let path = self.location_path(name);
        let data = self.around.machine.state().files.read(&path);
        let Ok(data) = data else { return self.not_recognized(name).await };
        let text = super::super::types::encoding::Encoding::DEFAULT.decode_file(&data);
        let source = Arc::new(Source { text: text.chars().collect(), file: Some(path) });
        let script = match parse::parse(&source) {
            Ok(script) => script,
            Err(error) => return super::parse_record(&source, &error).throw(),
        };
        self.function_stage(script, name.to_owned(), arguments, dotted).await
    }

    async fn not_recognized<T>(&mut self, name: &str) -> Result<T> {
        // A path is never searched for in modules.
        if !name.contains(['\\', ':']) {
            self.search_ended().await;
        }
        let mut record = ErrorRecord::new(
            "System.Management.Automation.CommandNotFoundException",
            format!(
                "The term '{name}' is not recognized as the name of a cmdlet, function, script file, or operable program. Check the spelling of the name, or if a path was included, verify that the path is correct and try again."
            ),
            "CommandNotFoundException",
            "ObjectNotFound",
        )
        .target(name, "String");
        record.prefix = name.to_owned();
        record.throw()
    }

    /// Runs a program; its output comes as lines, or goes straight to the console when nothing takes it.
    pub(super) async fn run_native(
        &mut self,
        native: &NativeCommand,
        inputs: Option<Vec<Value>>,
        out: &mut dyn Output,
    ) -> Result<()> {
        self.flush_host().await;
        let mut child = self.around.clone();
        if let Some(inputs) = inputs {
            let encoding = self.named_variable("outputencoding");
            let encoding = encoding.as_ref().and_then(super::super::types::objects::encoding_of);
            let encoding = encoding.unwrap_or(super::super::types::encoding::Encoding::Ascii);
            let text: String = inputs.iter().map(|v| native_line(v) + "\r\n").collect();
            child.stdin = Stdin::of(&encoding.encode(&text));
        }
        let error_target = self.streams.get(2).clone();
        let (capture, errors) = Sink::capture();
        if error_target != Target::Host {
            child.stderr = capture;
        }
        let line: Vec<String> = native.arguments.iter().map(|a| command_line::quote(a)).collect();
        let line = line.join(" ");
        let code = if out.is_host() {
            programs::run(&mut child, &native.program, &line).await
        } else {
            self.run_captured(child, &native.program, &line, out).await?
        };
        let errors = codepage::decode(self.around.code_page, &captured(&errors));
        for line in errors.lines() {
            let mut record = ErrorRecord::new(
                "System.Management.Automation.RemoteException",
                line,
                "NativeCommandError",
                "NotSpecified",
            )
            .target(line, "String");
            record.prefix.clone_from(&native.name);
            if error_target == Target::Merge {
                self.merged.push(Value::error(record));
            } else if let Target::File(path) = &error_target {
                self.append_text(path, &format!("{line}\r\n"));
            }
        }
        self.set_global("lastexitcode", Value::Int(code));
        self.succeeded = code == 0;
        Ok(())
    }

    async fn run_captured(
        &mut self,
        mut child: crate::machine::surroundings::Surroundings,
        program: &str,
        line: &str,
        out: &mut dyn Output,
    ) -> Result<i32> {
        let (sender, receiver) = tokio::sync::mpsc::channel(4);
        child.stdout = Sink::Pipe(sender);
        let lines = Stdin::new(receiver);
        let program = program.to_owned();
        let line = line.to_owned();
        let mut running = Box::pin(async move {
            // The pipe closes with the child's surroundings when it ends.
            let mut child = child;
            programs::run(&mut child, &program, &line).await
        });
        let mut code = None;
        loop {
            tokio::select! {
                biased;
                ended = &mut running, if code.is_none() => {
                    code = Some(ended);
                }
                line = lines.read_line() => match line {
                    Some(line) => {
                        let text = codepage::decode(self.around.code_page, &line);
                        out.write(self, text.into()).await?;
                    }
                    None => break,
                },
            }
        }
        Ok(match code {
            Some(code) => code,
            None => running.await,
        })
    }
}

fn native_arguments(arguments: &[Arg]) -> Vec<String> {
    let mut texts = Vec::new();
    for argument in arguments {
        match argument {
            Arg::Name(name, None) => texts.push(format!("-{name}")),
            Arg::Name(name, Some(value)) => texts.push(format!("-{name}:{}", value.to_text())),
            Arg::Value(value) if value.is_collection() => {
                texts.extend(value.items().iter().map(Value::to_text))
            }
            Arg::Value(Value::Script(script)) => texts.push(Value::Script(script.clone()).to_text()),
            Arg::Value(Value::Null) => {}
            Arg::Value(value) => texts.push(value.to_text()),
        }
    }
    texts
}

fn scripts(value: Option<&Value>) -> Vec<Arc<super::super::ast::ScriptAst>> {
    let items = value.map(Value::items).unwrap_or_default();
    items
        .into_iter()
        .filter_map(|v| if let Value::Script(script) = v { Some(script) } else { None })
        .collect()
}

/// What a cmdlet does value by value; none for those that work on a value alone or on all of them.
fn streaming_kind(name: &str, bound: &Bound) -> Option<StreamingKind> {
    Some(match name {
        "ForEach-Object" => {
            let mut process = scripts(bound.get("Process"));
            process.extend(scripts(bound.get("Rest")));
            let mut begin = scripts(bound.get("Begin")).pop();
            let mut end = scripts(bound.get("End")).pop();
            // Several blocks by position are begin, process and end.
            if begin.is_none() && process.len() > 1 {
                begin = Some(process.remove(0));
            }
            if end.is_none() && begin.is_some() && process.len() > 1 {
                end = process.pop();
            }
            let member = match bound.get("Process") {
                Some(Value::Str(member)) => {
                    Some((member.to_string(), bound.get("Rest").map(Value::items).unwrap_or_default()))
                }
                _ => bound.text("MemberName").map(|m| (m, Vec::new())),
            };
            StreamingKind::ForEach { begin, process, end, member, input: bound.get("InputObject").cloned() }
        }
        "Where-Object" => {
            let mut bound = bound.clone();
            let script = scripts(bound.get("FilterScript").or(bound.get("Property"))).pop();
            if script.is_none()
                && let Some(name) = bound.get("FilterScript").cloned()
            {
                bound.set("Property", name);
            }
            StreamingKind::Where { script, bound: Box::new(bound) }
        }
        "Select-Object" if bound.has("First") && !bound.has("Last") && !bound.flag("Unique") => {
            let size = |name| bound.number(name).and_then(|n| usize::try_from(n).ok());
            StreamingKind::First {
                limit: size("First").unwrap_or(0),
                skip: size("Skip").unwrap_or(0),
                bound: Box::new(bound.clone()),
            }
        }
        "Out-Null" => StreamingKind::Null,
        "Out-Host" | "Out-Default" => StreamingKind::Host,
        _ => return None,
    })
}

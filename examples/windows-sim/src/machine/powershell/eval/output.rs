//! Where values, errors and messages go.

use super::super::error::{ErrorRecord, Result};
use super::super::types::native::Native;
use super::super::value::Value;
use super::{Interpreter, Run};
use crate::machine::codepage;

/// The most one pipeline gathers as a value.
const VALUES_MAX: usize = 20_000_000;

/// Takes what a pipeline gives, value by value.
pub(in super::super) trait Output: Send {
    fn write<'a>(&'a mut self, ps: &'a mut Interpreter, value: Value) -> Run<'a, ()>;

    /// Whether this is the console, so that a native program may write to it directly.
    fn is_host(&self) -> bool {
        false
    }
}

/// Gathers.
#[derive(Debug, Default)]
pub(in super::super) struct Collect {
    pub(in super::super) values: Vec<Value>,
}

impl Output for Collect {
    fn write<'a>(&'a mut self, _ps: &'a mut Interpreter, value: Value) -> Run<'a, ()> {
        if self.values.len() >= VALUES_MAX {
            let error = ErrorRecord::new(
                "System.OutOfMemoryException",
                "Exception of type 'System.OutOfMemoryException' was thrown.",
                "System.OutOfMemoryException",
                "NotSpecified",
            );
            return Box::pin(std::future::ready(error.throw()));
        }
        self.values.push(value);
        Box::pin(std::future::ready(Ok(())))
    }
}

/// Formats for the console.
#[derive(Debug)]
pub(in super::super) struct HostOutput;

impl Output for HostOutput {
    fn write<'a>(&'a mut self, ps: &'a mut Interpreter, value: Value) -> Run<'a, ()> {
        Box::pin(async move {
            let text = ps.format_value(&value);
            if !text.is_empty() {
                let bytes = codepage::encode(ps.around.code_page, &text);
                ps.around.stdout.write(&bytes).await;
            }
            Ok(())
        })
    }

    fn is_host(&self) -> bool {
        true
    }
}

/// Throws away.
#[derive(Debug)]
pub(in super::super) struct Discard;

impl Output for Discard {
    fn write<'a>(&'a mut self, _ps: &'a mut Interpreter, _value: Value) -> Run<'a, ()> {
        Box::pin(std::future::ready(Ok(())))
    }
}

/// Puts what was merged in before each value.
pub(super) struct Merging<'o> {
    pub(super) inner: &'o mut dyn Output,
}

impl Output for Merging<'_> {
    fn write<'a>(&'a mut self, ps: &'a mut Interpreter, value: Value) -> Run<'a, ()> {
        Box::pin(async move {
            for merged in std::mem::take(&mut ps.merged) {
                self.inner.write(ps, merged).await?;
            }
            self.inner.write(ps, value).await
        })
    }
}

/// Where one of the side streams goes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in super::super) enum Target {
    #[default]
    Host,
    /// Into the output (`2>&1`).
    Merge,
    Nowhere,
    /// Onto the end of a file.
    File(String),
}

/// The side streams: 2 errors, 3 warnings, 4 verbose, 5 debug, 6 information.
#[derive(Debug, Clone, Default)]
pub(in super::super) struct Streams {
    targets: [Target; 7],
}

impl Streams {
    pub(in super::super) fn get(&self, stream: u8) -> &Target {
        &self.targets[usize::from(stream.min(6))]
    }

    pub(in super::super) fn set(&mut self, stream: u8, target: Target) {
        self.targets[usize::from(stream.min(6))] = target;
    }

    pub(in super::super) fn merges(&self) -> bool {
        self.targets.contains(&Target::Merge)
    }
}

/// What becomes of a non-terminating error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum ErrorAction {
    Continue,
    SilentlyContinue,
    Ignore,
    Stop,
}

impl ErrorAction {
    pub(in super::super) fn parse(text: &str) -> Option<Self> {
        Some(match text.to_ascii_lowercase().as_str() {
            "continue" | "inquire" | "2" => Self::Continue,
            "silentlycontinue" | "0" => Self::SilentlyContinue,
            "ignore" | "4" => Self::Ignore,
            "stop" | "1" => Self::Stop,
            _ => return None,
        })
    }
}

/// What a cmdlet gave: values and messages, in order.
#[derive(Debug)]
pub(in super::super) struct Emits {
    pub(in super::super) items: Vec<Emit>,
    pub(in super::super) action: ErrorAction,
    /// How errors are signed.
    pub(in super::super) signature: Signature,
}

/// What is added to an error of a cmdlet.
#[derive(Debug, Clone, Default)]
pub(in super::super) struct Signature {
    pub(in super::super) name: String,
    pub(in super::super) type_name: &'static str,
}

#[derive(Debug)]
pub(in super::super) enum Emit {
    Value(Value),
    Error(Box<ErrorRecord>),
    /// A side stream's number and the text.
    Message(u8, String),
    /// A line for the console itself, which no redirection takes.
    Host(String),
}

impl Emits {
    pub(in super::super) fn output(&mut self, value: impl Into<Value>) {
        self.items.push(Emit::Value(value.into()));
    }

    pub(in super::super) fn items_of(&mut self, value: Option<Value>) {
        self.items.extend(value.map(Emit::Value));
    }

    /// A non-terminating error, which ends the cmdlet when the action is to stop.
    pub(in super::super) fn error(&mut self, record: ErrorRecord) -> Result<()> {
        let mut record = self.signature.sign(record);
        if self.action == ErrorAction::Stop {
            record.ends_script = true;
            return record.throw();
        }
        self.items.push(Emit::Error(Box::new(record)));
        Ok(())
    }

    pub(in super::super) fn message(&mut self, stream: u8, text: impl Into<String>) {
        self.items.push(Emit::Message(stream, text.into()));
    }

    pub(in super::super) fn host_line(&mut self, text: String) {
        self.items.push(Emit::Host(text));
    }
}

impl Signature {
    pub(in super::super) fn sign(&self, mut record: ErrorRecord) -> ErrorRecord {
        if record.activity.is_empty() && !self.name.is_empty() {
            record.activity.clone_from(&self.name);
            if record.prefix.is_empty() {
                record.prefix.clone_from(&self.name);
            }
            if !record.id.contains(',') && record.id != self.type_name {
                record.id = format!("{},{}", record.id, self.type_name);
            }
        }
        record
    }
}

impl Interpreter {
    /// Shows an error and adds it to `$Error`.
    pub(in super::super) async fn report(&mut self, record: ErrorRecord) {
        self.write_error(record, ErrorAction::Continue).await;
    }

    pub(in super::super) async fn write_error(&mut self, record: ErrorRecord, action: ErrorAction) {
        let action = if action == ErrorAction::Continue && !record.ends_script {
            self.error_preference()
        } else {
            action
        };
        if action == ErrorAction::Ignore {
            return;
        }
        self.remember_error(&record);
        if action == ErrorAction::SilentlyContinue {
            return;
        }
        match self.streams.get(2).clone() {
            Target::Host => self.host_error(&record).await,
            Target::Merge => self.merged.push(Value::error(record)),
            Target::Nowhere => {}
            Target::File(path) => {
                let text = super::super::host::error_text(&record);
                self.append_text(&path, &text);
            }
        }
    }

    /// A warning, a verbose or debug message, or information, by the number of its stream.
    pub(in super::super) async fn write_message(&mut self, stream: u8, text: &str) {
        match self.streams.get(stream).clone() {
            Target::Host => self.host_message(stream, text).await,
            Target::Merge => {
                let type_name = match stream {
                    3 => "System.Management.Automation.WarningRecord",
                    4 => "System.Management.Automation.VerboseRecord",
                    5 => "System.Management.Automation.DebugRecord",
                    _ => "System.Management.Automation.InformationRecord",
                };
                self.merged.push(Value::object(type_name, Vec::new(), Native::Message(text.to_owned())));
            }
            Target::Nowhere => {}
            Target::File(path) => self.append_text(&path, &format!("{text}\r\n")),
        }
    }

    /// Appends to a redirection's file, which was opened before.
    pub(in super::super) fn append_text(&self, path: &str, text: &str) {
        let bytes: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let _gone = self.around.machine.state().files.append(path, &bytes);
    }

    /// Passes on what a cmdlet gave.
    pub(super) async fn pass_on(
        &mut self,
        items: Vec<Emit>,
        action: ErrorAction,
        out: &mut dyn Output,
    ) -> Result<()> {
        for item in items {
            match item {
                Emit::Value(value) => out.write(self, value).await?,
                Emit::Error(record) => {
                    self.succeeded = false;
                    self.write_error(*record, action).await;
                }
                Emit::Message(stream, text) => self.write_message(stream, &text).await,
                Emit::Host(text) => {
                    let bytes = codepage::encode(self.around.code_page, &format!("{text}\r\n"));
                    self.raw_write(false, &bytes).await;
                }
            }
        }
        Ok(())
    }

    /// Writes bytes past the formatter, after what it still holds.
    pub(in super::super) async fn raw_write(&mut self, error: bool, bytes: &[u8]) {
        if error {
            self.around.stderr.clone().write(bytes).await;
        } else {
            self.flush_host().await;
            self.around.stdout.clone().write(bytes).await;
        }
    }

    /// Gives a value to the formatter and takes what is ready to print.
    fn format_value(&mut self, value: &Value) -> String {
        let mut formatter = std::mem::take(&mut self.host.formatter);
        let text = formatter.add(self, value);
        self.host.formatter = formatter;
        text
    }

    /// Writes what the formatter still holds.
    pub(in super::super) async fn flush_host(&mut self) {
        let mut formatter = std::mem::take(&mut self.host.formatter);
        let text = formatter.flush(self);
        self.host.formatter = formatter;
        if !text.is_empty() {
            let bytes = codepage::encode(self.around.code_page, &text);
            self.around.stdout.clone().write(&bytes).await;
        }
    }
}

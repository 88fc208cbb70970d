//! Errors: exceptions, error records, and how they leave a statement.

use std::sync::Arc;

use super::ast::{Source, Span};
use super::value::Value;

/// A .NET exception.
#[derive(Debug, Clone)]
pub(super) struct Exception {
    pub(super) type_name: String,
    pub(super) message: String,
    pub(super) inner: Option<Arc<Exception>>,
}

impl Exception {
    /// `HResult`: for what the system refused, its error number under facility 7.
    pub(super) fn hresult(&self) -> i32 {
        let system = |number: u32| (0x8007_0000 | number).cast_signed();
        let says = |words: &str| self.message.contains(words);
        match self.type_name.as_str() {
            "System.IO.FileNotFoundException" => system(2),
            "System.IO.DirectoryNotFoundException" => system(3),
            "System.UnauthorizedAccessException" => system(5),
            "System.IO.PathTooLongException" => system(206),
            "System.ArgumentException" => system(87),
            "System.IO.IOException" if says("used by another process") => system(32),
            "System.IO.IOException" if says("not enough space") => system(112),
            "System.IO.IOException" if says("directory is not empty") => system(145),
            "System.IO.IOException" if says("already exists") => {
                system(if says("The file '") { 80 } else { 183 })
            }
            "System.IO.IOException" => 0x8013_1620_u32.cast_signed(),
            "System.FormatException" => 0x8013_1537_u32.cast_signed(),
            "System.NotSupportedException" => 0x8013_1515_u32.cast_signed(),
            "System.Management.Automation.RuntimeException" => 0x8013_1501_u32.cast_signed(),
            _ => 0x8013_1500_u32.cast_signed(),
        }
    }
}

/// Where in which script.
#[derive(Debug, Clone)]
pub(super) struct Position {
    pub(super) source: Arc<Source>,
    pub(super) span: Span,
}

/// PowerShell's `ErrorRecord`.
#[derive(Debug, Clone)]
pub(super) struct ErrorRecord {
    pub(super) exception: Arc<Exception>,
    pub(super) category: &'static str,
    pub(super) target: Option<(String, String)>,
    /// The command that failed, for the category line.
    pub(super) activity: String,
    pub(super) id: String,
    /// What stands before the message: the command's name.
    pub(super) prefix: String,
    pub(super) position: Option<Position>,
    /// `throw` and `-ErrorAction Stop` end the script; other exceptions end only their statement.
    pub(super) ends_script: bool,
    /// What was thrown, when it was no exception.
    pub(super) thrown: Option<Value>,
    /// A syntax error shows its place before its message.
    pub(super) is_parse_error: bool,
}

/// How control leaves a statement other than by its end.
#[derive(Debug)]
pub(super) enum Flow {
    Throw(Box<ErrorRecord>),
    Break(Option<String>),
    Continue(Option<String>),
    Return,
    Exit(i32),
    /// The pipeline with this number has had enough (`Select-Object -First`).
    Enough(u64),
}

pub(super) type Result<T> = std::result::Result<T, Flow>;

impl ErrorRecord {
    pub(super) fn new(
        exception_type: &str,
        message: impl Into<String>,
        id: &str,
        category: &'static str,
    ) -> Self {
        Self {
            exception: Arc::new(Exception {
                type_name: exception_type.to_owned(),
                message: message.into(),
                inner: None,
            }),
            category,
            target: None,
            activity: String::new(),
            id: id.to_owned(),
            prefix: String::new(),
            position: None,
            ends_script: false,
            thrown: None,
            is_parse_error: false,
        }
    }

    /// A failure of the language itself, a `RuntimeException`.
    pub(super) fn runtime(message: impl Into<String>, id: &str, category: &'static str) -> Self {
        Self::new("System.Management.Automation.RuntimeException", message, id, category)
    }

    pub(super) fn target(mut self, text: impl Into<String>, type_name: &str) -> Self {
        self.target = Some((text.into(), type_name.to_owned()));
        self
    }

    pub(super) fn throw<T>(self) -> Result<T> {
        Err(Flow::Throw(Box::new(self)))
    }

    /// The last part of the exception's type, as the category line shows it.
    fn reason(&self) -> &str {
        self.exception.type_name.rsplit('.').next().unwrap_or_default()
    }

    pub(super) fn category_line(&self) -> String {
        let target = match &self.target {
            Some((text, type_name)) => {
                let type_name = type_name.rsplit('.').next().unwrap_or_default();
                format!("({}:{type_name})", shorten(text))
            }
            None => "(:)".to_owned(),
        };
        format!("{}: {target} [{}], {}", self.category, self.activity, self.reason())
    }

    /// The lines `At line:1 char:1`, the line of source and the underline.
    pub(super) fn position_message(&self) -> Option<String> {
        let Position { source, span } = self.position.as_ref()?;
        let text = &source.text;
        let start = span.start.min(text.len());
        let line_start = text[..start].iter().rposition(|&c| c == '\n').map_or(0, |at| at + 1);
        let line_end = text[start..].iter().position(|&c| c == '\n').map_or(text.len(), |at| start + at);
        let number = text[..line_start].iter().filter(|&&c| c == '\n').count() + 1;
        let column = start - line_start;
        let line: String = text[line_start..line_end].iter().filter(|&&c| c != '\r').collect();
        let length = span.end.min(line_end).saturating_sub(start).max(1);
        let place = match &source.file {
            Some(file) => format!("At {file}:{number} char:{}", column + 1),
            None => format!("At line:{number} char:{}", column + 1),
        };
        let (line, column, length) = window(&line, column, length);
        Some(format!("{place}\r\n+ {line}\r\n+ {}{}", " ".repeat(column), "~".repeat(length)))
    }
}

/// Long lines are cut around the error, as PowerShell does.
fn window(line: &str, column: usize, length: usize) -> (String, usize, usize) {
    const LINE_CHARS_MAX: usize = 69;
    let chars: Vec<char> = line.chars().collect();
    if chars.len() <= LINE_CHARS_MAX {
        let lead = chars.iter().take_while(|c| **c == ' ').count().min(column);
        return (chars[lead..].iter().collect(), column - lead, length);
    }
    let from = column.saturating_sub(12);
    let to = (from + LINE_CHARS_MAX).min(chars.len());
    let before = if from > 0 { "... " } else { "" };
    let after = if to < chars.len() { " ..." } else { "" };
    let shown: String = chars[from..to].iter().collect();
    let length = length.min(to.saturating_sub(column)).max(1);
    (format!("{before}{shown}{after}"), column - from + before.len(), length)
}

/// Long targets are cut in the middle.
fn shorten(text: &str) -> String {
    let chars: Vec<char> = text.chars().map(|c| if c == '\r' || c == '\n' { ' ' } else { c }).collect();
    if chars.len() <= 40 {
        return chars.into_iter().collect();
    }
    let head: String = chars[..18].iter().collect();
    let tail: String = chars[chars.len() - 19..].iter().collect();
    format!("{head}...{tail}")
}

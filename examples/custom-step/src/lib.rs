//! A step kind of a host's own: `book.append` writes a line into a book, which is a file in a folder of the host's choice.
#![forbid(unsafe_code)]

use std::{fs::OpenOptions, io::Write as _, path::PathBuf};

use async_trait::async_trait;
use opsconductor_core::{
    Error, ErrorKind, Problem, Result,
    job::{StepContext, StepHandler, StepOutcome, TemplateField},
    template::Sink,
    transport::{Protocol, Stream},
};
use serde_json::{Map, Value, json};

/// Writes a line into a book.
pub struct AppendLine {
    folder: PathBuf,
}

impl AppendLine {
    /// Books are files in `folder`, which is there.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }
}

#[async_trait]
impl StepHandler for AppendLine {
    /// What stands in a step as its `type`.
    fn kind(&self) -> &str {
        "book.append"
    }

    /// The members that are this kind's own. What each step may have (`id`, `timeoutSec`, `idempotent` …) is added to them,
    /// and whatever is not named here is refused. `patternErrorMessage` is what people read.
    fn schema(&self) -> Value {
        json!({
            "description": "Writes a line into a book.",
            "required": ["book", "line"],
            "properties": {
                "book": {
                    "type": "string", "pattern": "^[a-z][a-z0-9-]{0,31}$",
                    "patternErrorMessage": "a book is named with at most 32 small letters, digits and `-`",
                    "description": "the name of the book"
                },
                "line": {"type": "string", "minLength": 1, "maxLength": 1000, "description": "the line, a template"}
            }
        })
    }

    /// It acts on no target. A kind with a protocol gets a session to each of its targets: [`StepContext::exec`] and its kin.
    fn protocol(&self) -> Option<Protocol> {
        None
    }

    /// `line` is a template, and nothing interprets what becomes of it. With `Sink::Sh` or `Sink::Json` a value that is not
    /// plain would have to pass `| quote`.
    fn templates(&self, _: &Map<String, Value>) -> Vec<TemplateField> {
        vec![TemplateField::new("/line", Sink::Text)]
    }

    /// What no schema can say. Asked when the job is saved, of members that fit the schema.
    fn check(&self, fields: &Map<String, Value>) -> Vec<Problem> {
        let line = fields.get("line").and_then(Value::as_str).unwrap_or_default();
        let problem = || Problem::new("/line", "must be one line: give each line a step of its own");
        line.contains('\n').then(problem).into_iter().collect()
    }

    async fn run(&self, context: &mut StepContext<'_>) -> Result<StepOutcome> {
        let line = context.text("line").to_owned();
        // What was checked was the template; a value can bring what the author never wrote.
        if line.contains(char::is_control) {
            return Ok(StepOutcome::failed(
                "the rendered line holds a line break or another control character",
            ));
        }
        let path = self.folder.join(context.text("book")).with_extension("txt");

        // From here on it acts. Whatever happens after this without an answer ends as `lost`, and is never done again unless
        // the step says that it may be.
        context.dispatch().await?;
        let bytes = format!("{line}\n");
        let length = bytes.len();
        // A disk may be slow: other tasks run on this thread.
        let written = tokio::task::spawn_blocking(move || {
            OpenOptions::new().create(true).append(true).open(path)?.write_all(bytes.as_bytes())
        });
        written
            .await
            .map_err(|error| Error::new(ErrorKind::Internal, "the writing ended badly").with_source(error))?
            .map_err(|error| {
                Error::new(ErrorKind::InvalidInput, "the book cannot be written").with_source(error)
            })?;

        context.output(Stream::Stdout, line).await?;
        Ok(StepOutcome::succeeded().with_metric("bytes", length))
    }
}

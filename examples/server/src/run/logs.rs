//! `opsconductor run logs`.

use clap::{Args, ValueEnum};
use opsconductor_core::{
    Error,
    engine::{LogPiece, LogQuery, Run},
    id::RunId,
    transport::Stream,
};
use serde_json::json;

use crate::{
    exit::{Ended, answer, pour},
    job::engine,
    runtime,
    store::StoreOptions,
};

/// What `run logs` can be told.
#[derive(Debug, Args)]
pub(crate) struct LogsOptions {
    /// The run.
    id: RunId,
    #[command(flatten)]
    store: StoreOptions,
    /// Only the output of the step with this id.
    #[arg(long, value_name = "ID")]
    step: Option<String>,
    /// Only that of this target.
    #[arg(long, value_name = "NAME")]
    target: Option<String>,
    /// Only what was written to it.
    #[arg(long, value_enum)]
    stream: Option<StreamName>,
    /// Only the lines in which this text occurs.
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,
    /// So many of these lines at most.
    #[arg(long, value_name = "N", default_value_t = 1_000, requires = "search")]
    limit: usize,
    /// The text alone, as it is stored, without target and step before each line.
    #[arg(long, conflicts_with_all = ["json", "search"])]
    bare: bool,
    /// Print one JSON object a line: for each piece of output, or for each line that was found.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum StreamName {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// Shows the output that is there.
pub(super) fn show(options: LogsOptions) -> Result<Ended, Error> {
    let LogsOptions { id, store, step, target, stream, search, limit, bare, json } = options;
    let stream = stream.map(|name| match name {
        StreamName::Stdout => Stream::Stdout,
        StreamName::Stderr => Stream::Stderr,
    });
    let query = LogQuery { step, target, stream, after: None };
    runtime::run(async {
        let run = engine(&store).await?.local().runs().get(id).await?;
        match search {
            Some(text) => found(&run, &text, query, limit, json).await,
            None => whole(&run, query, bare, json).await,
        }
    })?;
    Ok(Ended::Well)
}

async fn found(run: &Run, text: &str, query: LogQuery, limit: usize, as_json: bool) -> Result<(), Error> {
    for line in run.search(text, query, limit).await? {
        match as_json {
            true => {
                let said = json!({
                    "step": line.step,
                    "target": line.target,
                    "attempt": line.place.attempt,
                    "stream": line.stream.as_str(),
                    "line": line.line,
                });
                answer(&said.to_string())?;
            }
            false => answer(&format!("{}{}", prefix(&line.step, line.target.as_deref()), line.line))?,
        }
    }
    Ok(())
}

async fn whole(run: &Run, query: LogQuery, bare: bool, as_json: bool) -> Result<(), Error> {
    let mut log = run.log(query).await?;
    let mut lines = Lines::default();
    while let Some(piece) = log.next().await? {
        let text = match (as_json, bare) {
            (true, _) => format!("{}\n", object(&piece)),
            (false, true) => piece.text,
            (false, false) => lines.of(&piece),
        };
        if !pour(&text)? {
            return Ok(());
        }
    }
    pour(if lines.is_open { "\n" } else { "" }).map(drop)
}

fn object(piece: &LogPiece) -> serde_json::Value {
    json!({
        "step": piece.step,
        "target": piece.target,
        "attempt": piece.place.attempt,
        "seq": piece.place.seq,
        "stream": piece.stream.as_str(),
        "at": piece.at,
        "text": piece.text,
    })
}

fn prefix(step: &str, target: Option<&str>) -> String {
    match target {
        Some(target) => format!("{target} {step} | "),
        None => format!("{step} | "),
    }
}

/// Puts before each line where it comes from. A line may go on in the next piece.
#[derive(Default)]
struct Lines {
    /// Whether the last line has not ended.
    is_open: bool,
    of: Option<(opsconductor_core::id::TaskId, u32, Stream)>,
}

impl Lines {
    fn of(&mut self, piece: &LogPiece) -> String {
        let of = (piece.place.task, piece.place.attempt, piece.stream);
        let mut text = String::with_capacity(piece.text.len() + 64);
        if self.of.replace(of) != Some(of) && self.is_open {
            text.push('\n');
            self.is_open = false;
        }
        for part in piece.text.split_inclusive('\n') {
            if !self.is_open {
                text.push_str(&prefix(&piece.step, piece.target.as_deref()));
            }
            text.push_str(part);
            self.is_open = !part.ends_with('\n');
        }
        text
    }
}

//! The output of a run: piece by piece, of all its tasks or of some, and searched.

use std::{collections::HashMap, ops::Range, sync::Arc};

use super::Run;
use crate::{
    Error, ErrorKind, Result,
    clock::Timestamp,
    id::TaskId,
    run::plan::RunPlan,
    store::{OutputChunk, OutputQuery},
    transport::Stream,
};

/// How many pieces are read at a time, each of at most 64 KiB.
const PIECES_MAX: usize = 64;

/// The longest line that is looked at, or shown, as one.
const LINE_BYTES_MAX: usize = 64 * 1024;

/// Which output of a run to read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogQuery {
    /// Only that of the step with this id.
    pub step: Option<String>,
    /// Only that of the target of this name.
    pub target: Option<String>,
    /// Only this stream.
    pub stream: Option<Stream>,
    /// Only what comes after this place.
    pub after: Option<LogPlace>,
}

/// Where in the output of a run a piece stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogPlace {
    /// The task.
    pub task: TaskId,
    /// Its attempt, from 1.
    pub attempt: u32,
    /// The number of the piece in the attempt, from 1.
    pub seq: u32,
}

/// A piece of output as it was stored.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogPiece {
    /// The id of the step.
    pub step: String,
    /// The name of the target.
    pub target: Option<String>,
    /// Where it stands.
    pub place: LogPlace,
    /// Where it was written to.
    pub stream: Stream,
    /// When it was stored.
    pub at: Timestamp,
    /// The text, redacted.
    pub text: String,
}

/// A line of output in which something was found.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogMatch {
    /// The id of the step.
    pub step: String,
    /// The name of the target.
    pub target: Option<String>,
    /// Where the piece stands in which the line ends.
    pub place: LogPlace,
    /// Where it was written to.
    pub stream: Stream,
    /// When the piece was stored in which the line begins.
    pub at: Timestamp,
    /// The line, or the part of a very long one.
    pub line: String,
}

/// The output of a run that is there, in order: by step, then by target, then as it came.
pub struct RunLog {
    run: Run,
    plan: Arc<RunPlan>,
    stream: Option<Stream>,
    /// The tasks that are left, as places in the plan.
    spans: std::vec::IntoIter<Range<u64>>,
    /// The last task of the span that is being read.
    last: Option<TaskId>,
    after: Option<LogPlace>,
    read: std::vec::IntoIter<OutputChunk>,
}

impl Run {
    /// The output that is stored of the run, whole or in part.
    ///
    /// # Errors
    ///
    /// `NotFound` when the run is not there, or has no such step or target.
    pub async fn log(&self, query: LogQuery) -> Result<RunLog> {
        let plan = self.store().run_plan(self.tenant(), self.id).await?;
        let spans = spans(&plan, &query)?.into_iter();
        let (stream, after) = (query.stream, query.after);
        Ok(RunLog { run: self.clone(), plan, stream, spans, last: None, after, read: Vec::new().into_iter() })
    }

    /// At most `limit` lines of the output in which `text` occurs, in order. A secret is never found: it is not stored.
    ///
    /// # Errors
    ///
    /// As [`Run::log`]; `InvalidInput` for a text that is empty or longer than a line may be.
    pub async fn search(&self, text: &str, query: LogQuery, limit: usize) -> Result<Vec<LogMatch>> {
        if text.is_empty() || text.len() > LINE_BYTES_MAX / 2 {
            let message = "what is searched for is at least one character and at most 32 KiB";
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
        let mut log = self.log(query).await?;
        let mut found = Vec::new();
        let mut lines = Lines::default();
        while found.len() < limit
            && let Some(piece) = log.next().await?
        {
            lines.take(piece, text, &mut found);
        }
        lines.finish(text, &mut found);
        found.truncate(limit);
        Ok(found)
    }
}

impl RunLog {
    /// The next piece; `None` when all that is there was read.
    ///
    /// # Errors
    ///
    /// Those of the store; calling again goes on where it was.
    pub async fn next(&mut self) -> Result<Option<LogPiece>> {
        loop {
            if let Some(chunk) = self.read.next() {
                if self.last.is_some_and(|last| chunk.task > last) {
                    self.last = None;
                    self.read = Vec::new().into_iter();
                    continue;
                }
                let place = LogPlace { task: chunk.task, attempt: chunk.attempt, seq: chunk.seq };
                self.after = Some(place);
                return Ok(Some(self.named(chunk, place)));
            }
            if self.last.is_none() && !self.next_span().await? {
                return Ok(None);
            }
            let after = self.after.map(|place| (place.task, place.attempt, place.seq));
            let query = OutputQuery { task: None, stream: self.stream, after };
            let read = self.run.store().output(self.run.tenant(), self.run.id, query, PIECES_MAX).await?;
            if read.is_empty() {
                // Nothing comes after it for any task that is left.
                return Ok(None);
            }
            self.read = read.into_iter();
        }
    }

    /// Goes on to the tasks that are to be read next; false when there are none.
    async fn next_span(&mut self) -> Result<bool> {
        while let Some(span) = self.spans.as_slice().first().cloned() {
            let (store, tenant, run) = (self.run.store(), self.run.tenant(), self.run.id);
            let first = store.task_at(tenant, run, span.start).await?.id;
            let last = match span.end - span.start {
                1 => first,
                _ => store.task_at(tenant, run, span.end - 1).await?.id,
            };
            self.spans.next();
            if self.after.is_some_and(|after| after.task > last) {
                continue;
            }
            // Attempts count from 1.
            let begin = LogPlace { task: first, attempt: 0, seq: 0 };
            self.after = self.after.max(Some(begin));
            self.last = Some(last);
            return Ok(true);
        }
        Ok(false)
    }

    fn named(&self, chunk: OutputChunk, place: LogPlace) -> LogPiece {
        LogPiece {
            step: self.plan.step(chunk.step).map(|step| step.id.clone()).unwrap_or_default(),
            target: chunk.target.and_then(|id| self.plan.target(id)).map(|target| target.name.clone()),
            place,
            stream: chunk.stream,
            at: chunk.at,
            text: chunk.text,
        }
    }
}

/// The tasks whose output is wanted, as places in the plan.
fn spans(plan: &RunPlan, query: &LogQuery) -> Result<Vec<Range<u64>>> {
    let missing = |what: &'static str, name: &str| {
        Error::new(ErrorKind::NotFound, format!("the run has no such {what}")).with(what, name)
    };
    if let Some(name) = query.step.as_deref().filter(|name| plan.steps.iter().all(|step| step.id != *name)) {
        return Err(missing("step", name));
    }
    let target = match &query.target {
        None => None,
        Some(name) => {
            let at = plan.targets.iter().position(|target| target.name == *name);
            Some(at.ok_or_else(|| missing("target", name))? as u32)
        }
    };
    let mut spans = Vec::new();
    let mut first = 0;
    for step in &plan.steps {
        let tasks = first..first + u64::from(step.task_count());
        first = tasks.end;
        if query.step.as_ref().is_some_and(|name| *name != step.id) {
            continue;
        }
        match target {
            None => spans.push(tasks),
            Some(target) => {
                let at = step.targets.iter().position(|own| *own == target);
                spans.extend(at.map(|at| tasks.start + at as u64..tasks.start + at as u64 + 1));
            }
        }
    }
    Ok(spans)
}

/// Puts pieces together to lines: a line may be split anywhere, between two pieces too.
#[derive(Default)]
struct Lines {
    /// The beginnings of lines that have not ended, of the task that is being read.
    open: HashMap<Stream, LogMatch>,
    of: Option<(TaskId, u32)>,
}

impl Lines {
    fn take(&mut self, piece: LogPiece, text: &str, found: &mut Vec<LogMatch>) {
        let of = (piece.place.task, piece.place.attempt);
        if self.of.replace(of) != Some(of) {
            self.finish(text, found);
        }
        let line = self.open.entry(piece.stream).or_insert_with(|| LogMatch {
            step: piece.step,
            target: piece.target,
            place: piece.place,
            stream: piece.stream,
            at: piece.at,
            line: String::new(),
        });
        line.place = piece.place;
        for part in piece.text.split_inclusive('\n') {
            line.line.push_str(part.trim_end_matches(['\n', '\r']));
            let ended = part.ends_with('\n');
            if !ended && line.line.len() <= LINE_BYTES_MAX {
                continue;
            }
            if line.line.contains(text) {
                found.push(line.clone());
                line.line.clear();
            } else if ended {
                line.line.clear();
            } else {
                // What is searched for may stand across the cut.
                let mut keep = line.line.len() - text.len();
                while !line.line.is_char_boundary(keep) {
                    keep -= 1;
                }
                line.line.drain(..keep);
            }
        }
    }

    /// The lines of a task that ended without a newline.
    fn finish(&mut self, text: &str, found: &mut Vec<LogMatch>) {
        let mut open: Vec<LogMatch> = self.open.drain().map(|(_, line)| line).collect();
        open.retain(|line| line.line.contains(text));
        open.sort_by_key(|line| line.place);
        found.append(&mut open);
    }
}

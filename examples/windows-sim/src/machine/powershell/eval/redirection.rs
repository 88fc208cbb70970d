//! Redirections: `>`, `2>&1` and their like.

use std::sync::Arc;

use super::super::ast::{Element, Redirection};
use super::super::error::Result;
use super::super::value::Value;
use super::output::{Discard, Output, Streams, Target};
use super::{Interpreter, Run};

impl Interpreter {
    /// Runs a pipeline, into a file when `>` says so.
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

    /// The side streams with a command's redirections applied.
    pub(super) async fn redirected(&mut self, redirections: &[Redirection]) -> Result<Streams> {
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

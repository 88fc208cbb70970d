//! The run: which subjects are there, and what they said.

use std::{collections::BTreeSet, ops::RangeInclusive, time::Duration};

use opsconductor_benches::{Better, Figure, Options, subject::Answer};
use serde_json::Value;

use crate::{Failure, subject::Subject};

/// One run of the bench.
pub(crate) struct Run {
    options: Options,
    /// What was said on standard error already: a peer that is missing is named once.
    named: BTreeSet<String>,
    failed: Option<String>,
}

/// How a figure is written.
#[derive(Clone, Copy)]
pub(crate) struct Metric {
    pub(crate) name: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) better: Better,
}

impl Run {
    pub(crate) fn new(options: Options) -> Self {
        Self { options, named: BTreeSet::new(), failed: None }
    }

    pub(crate) fn rounds(&self) -> RangeInclusive<u32> {
        1..=self.options.rounds
    }

    /// Whether any of these is asked for.
    pub(crate) fn wants(&self, metrics: &[Metric]) -> bool {
        metrics.iter().any(|metric| self.options.wants(metric.name))
    }

    pub(crate) fn is_quick(&self) -> bool {
        self.options.is_quick()
    }

    /// Runs one task of one subject. Who cannot do it is named on standard error; that we cannot fails the run at its end.
    pub(crate) fn task(&mut self, subject: Subject, task: &Value, limit: Duration) -> Option<Answer> {
        if subject.is_peer() && self.options.smoke {
            return None;
        }
        match subject.run(task, limit) {
            Ok(answer) => Some(answer),
            Err(error) => {
                let line = format!("{}, {}: {error}", subject.name(), task["task"]);
                if self.named.insert(line.clone()) {
                    eprintln!("bench-ssh: {line}");
                }
                if !subject.is_peer() {
                    self.failed.get_or_insert(line);
                }
                None
            }
        }
    }

    /// Prints a figure of a subject.
    pub(crate) fn print(
        &self,
        metric: Metric,
        (subject, answer): (Subject, &Answer),
        (value, n, round): (f64, u64, u32),
        more: &[(&str, Value)],
    ) -> Result<(), Failure> {
        if !self.options.wants(metric.name) {
            return Ok(());
        }
        let Metric { name, unit, better } = metric;
        let subject = answer.signed(subject.name());
        Figure { bench: "ssh", metric: name, subject: &subject, value, unit, better, n, round, more }
            .print()?;
        Ok(())
    }

    /// The end of the run.
    ///
    /// # Errors
    /// When we failed at something ourselves; what the others did is printed all the same.
    pub(crate) fn end(self) -> Result<(), Failure> {
        self.failed.map_or(Ok(()), |failed| Err(failed.into()))
    }
}

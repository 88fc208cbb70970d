//! The run: which subjects are there, what they said, and what the hosts' books hold against us.

use std::{collections::BTreeSet, ops::RangeInclusive, time::Duration};

use opsconductor_benches::{Better, Figure, Options, subject::Answer};
use serde_json::{Value, json};

use crate::{
    Failure,
    farm::{Books, Farm, Shape},
    protocol::{PASSWORD, USER},
    subject::Subject,
};

const BENCH: &str = "winrm";

/// One run of the bench.
pub(crate) struct Run {
    options: Options,
    /// What was said on standard error already: a peer that is missing is named once.
    named: BTreeSet<String>,
    books: Books,
    asked: u64,
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
        Self { options, named: BTreeSet::new(), books: Books::default(), asked: 0, failed: None }
    }

    pub(crate) fn rounds(&self) -> RangeInclusive<u32> {
        1..=self.options.rounds
    }

    pub(crate) fn wants(&self, metric: &str) -> bool {
        self.options.wants(metric)
    }

    pub(crate) fn is_quick(&self) -> bool {
        self.options.is_quick()
    }

    /// Runs one task of one subject against hosts of its own. `commands` is how many commands the hosts must have seen
    /// from us, where that is known. Who cannot do it is named on standard error; that we cannot fails the run at its end.
    pub(crate) fn task(
        &mut self,
        subject: Subject,
        shape: Shape,
        task: &Value,
        limit: Duration,
        commands: Option<u64>,
    ) -> Result<Option<(Answer, Books)>, Failure> {
        if subject.is_peer() && self.options.smoke {
            return Ok(None);
        }
        let farm = Farm::start(shape)?;
        let mut task = task.clone();
        task["ports"] = json!(farm.ports);
        task["certificate_pem"] = json!(farm.certificate_pem);
        task["user"] = json!(USER);
        task["password"] = json!(PASSWORD);
        let done = subject.run(&task, limit);
        let books = farm.end()?;
        match done {
            Ok(done) => {
                if subject == Subject::Ours {
                    self.enter(books, commands);
                }
                Ok(Some((done, books)))
            }
            Err(error) => {
                let line = format!("{}, {}: {error}", subject.name(), task["task"]);
                if self.named.insert(line.clone()) {
                    eprintln!("bench-winrm: {line}");
                }
                if !subject.is_peer() {
                    self.failed.get_or_insert(line);
                }
                Ok(None)
            }
        }
    }

    /// The end of the run.
    ///
    /// # Errors
    /// When we failed at something ourselves; what the others did is printed all the same.
    pub(crate) fn end(self) -> Result<(), Failure> {
        self.failed.map_or(Ok(()), |failed| Err(failed.into()))
    }

    /// Prints a figure of a subject.
    pub(crate) fn print(
        &self,
        metric: Metric,
        subject: (Subject, &Answer),
        (value, n, round): (f64, u64, u32),
        more: &[(&str, Value)],
    ) -> Result<(), Failure> {
        let Metric { name, unit, better } = metric;
        let (subject, done) = subject;
        let subject = done.signed(subject.name());
        Figure { bench: BENCH, metric: name, subject: &subject, value, unit, better, n, round, more }
            .print()?;
        Ok(())
    }

    /// Prints what the hosts' books hold against us in this round, and opens new ones.
    pub(crate) fn books(&mut self, round: u32) -> Result<(), Failure> {
        let (books, asked) = (std::mem::take(&mut self.books), std::mem::take(&mut self.asked));
        let figures = [
            ("winrm.plaintext", books.plaintext as f64, books.requests),
            ("winrm.leaked_shells", books.shells_open as f64, books.connections),
            ("winrm.duplicates", books.duplicates.max(books.commands - asked) as f64, books.commands),
        ];
        for (metric, value, n) in figures {
            if self.wants(metric) && books.requests > 0 {
                let subject = Subject::Ours.name();
                let (unit, better, more) = ("", Better::Lower, &[]);
                Figure { bench: BENCH, metric, subject, value, unit, better, n, round, more }.print()?;
            }
        }
        Ok(())
    }

    fn enter(&mut self, books: Books, commands: Option<u64>) {
        self.books.connections += books.connections;
        self.books.requests += books.requests;
        self.books.commands += books.commands;
        self.books.duplicates += books.duplicates;
        self.books.plaintext += books.plaintext;
        self.books.shells_open += books.shells_open;
        self.asked += commands.unwrap_or(books.commands).min(books.commands);
    }
}

//! [`KitRun`]: a run whose time goes on when the test says so.

use std::{fmt, sync::Arc, time::Duration};

use super::{
    hosts::Hosts,
    sent::{Sent, What},
    still::Still,
};
use crate::{
    Engine, Error, ErrorKind, Result,
    clock::Clock,
    engine::{Run, StepResult, Worker, WorkerSettings},
    run::RunStatus,
    tenant::DEFAULT_TENANT,
    testing::ManualClock,
};

/// How long [`KitRun::finish`] lets a run take, by its own clock: longer than any wait that a definition may name.
const FINISH_MAX: Duration = Duration::from_secs(100 * 24 * 60 * 60);

const HOUR: Duration = Duration::from_secs(60 * 60);
const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// A run of a [`JobKit`](super::JobKit). Between two calls nothing happens.
pub struct KitRun {
    pub(super) still: Still,
    pub(super) engine: Engine,
    pub(super) run: Run,
    clock: Arc<ManualClock>,
    hosts: Hosts,
    _worker: Worker,
}

impl KitRun {
    /// Begins the run that `enqueue` enqueues, and a worker for it.
    pub(super) fn start(
        engine: Engine,
        clock: Arc<ManualClock>,
        hosts: Hosts,
        enqueue: impl Future<Output = Result<Run>> + Send,
    ) -> Result<Self> {
        let still = Still::new(Arc::clone(&clock))?;
        let (run, _worker) = still.act(async {
            let run = enqueue.await?;
            let is_timed = engine.store().run_plan(DEFAULT_TENANT, run.id()).await?.timeout_sec.is_some();
            Ok((run, engine.worker(settings(is_timed))?))
        })?;
        hosts.check()?;
        Ok(Self { still, engine, run, clock, hosts, _worker })
    }

    /// How the run stands.
    ///
    /// # Errors
    ///
    /// Those of the store, of which there are none.
    pub fn status(&self) -> Result<RunStatus> {
        self.still.within(async { Ok(self.run.record().await?.status) })
    }

    /// The steps as they stand, by step, then by target.
    ///
    /// # Errors
    ///
    /// Those of the store, of which there are none.
    pub fn steps(&self) -> Result<Vec<StepResult>> {
        self.still.within(self.run.steps())
    }

    /// How a step stands that has one target or none.
    ///
    /// # Errors
    ///
    /// `NotFound` when there is no such step; `InvalidInput` when it has several targets.
    pub fn step(&self, id: &str) -> Result<StepResult> {
        let mut found = self.steps()?.into_iter().filter(|step| step.step == id);
        match (found.next(), found.next()) {
            (Some(step), None) => Ok(step),
            (None, _) => Err(Error::new(ErrorKind::NotFound, "the run has no such step").with("step", id)),
            _ => {
                let message = "the step has several targets; say which with `step_on`";
                Err(Error::new(ErrorKind::InvalidInput, message).with("step", id))
            }
        }
    }

    /// How a step stands on one of its targets.
    ///
    /// # Errors
    ///
    /// `NotFound` when there is no such step, or it does not act on the target.
    pub fn step_on(&self, id: &str, target: &str) -> Result<StepResult> {
        let mut steps = self.steps()?.into_iter();
        let found = steps.find(|step| step.step == id && step.target.as_deref() == Some(target));
        found.ok_or_else(|| {
            let message = "the run has no such step on this target";
            Error::new(ErrorKind::NotFound, message).with("step", id).with("target", target)
        })
    }

    /// The commands that a target received, rendered, in order.
    pub fn commands(&self, target: &str) -> Vec<String> {
        let received = self.hosts.sent().into_iter().filter(|sent| sent.target == target);
        let commands = received.filter_map(|sent| match sent.what {
            What::Command { command, .. } => Some(command),
            _ => None,
        });
        commands.collect()
    }

    /// Everything that was sent, in order.
    pub fn sent(&self) -> Vec<Sent> {
        self.hosts.sent()
    }

    /// What a file of a target holds now.
    pub fn file(&self, target: &str, path: &str) -> Option<Vec<u8>> {
        self.hosts.file(target, path)
    }

    /// How long the run has taken by its own clock.
    pub fn elapsed(&self) -> Duration {
        self.clock.monotonic()
    }

    /// Lets time pass: what becomes due in it happens, in its order.
    ///
    /// # Errors
    ///
    /// `InvalidInput` when something is sent that the test does not answer.
    pub fn advance(&mut self, time: Duration) -> Result<()> {
        self.still.advance(time)?;
        self.hosts.check()
    }

    /// Lets time pass until the run has ended, and says how.
    ///
    /// # Errors
    ///
    /// `InvalidInput` when it waits for a person: [answer](KitRun::approve), or let the time for it pass with
    /// [`KitRun::advance`]; and when something is sent that the test does not answer. `Timeout` after a hundred days.
    pub fn finish(&mut self) -> Result<RunStatus> {
        let end = self.clock.monotonic() + FINISH_MAX;
        loop {
            let status = self.status()?;
            if status.is_final() {
                return Ok(status);
            }
            if let Some(question) = self.questions()?.into_iter().next() {
                let message = "the run waits for an answer; give it with `approve` or `refuse`";
                return Err(Error::new(ErrorKind::InvalidInput, message)
                    .with("step", question.step)
                    .with("question", question.message));
            }
            match self.clock.next_sleeper() {
                Some(left) if self.clock.monotonic() + left <= end => self.advance(left)?,
                _ => {
                    let message = "the run has not ended in a hundred days by its own clock";
                    return Err(Error::new(ErrorKind::Timeout, message));
                }
            }
        }
    }

    /// Cancels the run, as a person does.
    ///
    /// # Errors
    ///
    /// `InvalidInput` when something is sent that the test does not answer, such as by a step of `finally`.
    pub fn cancel(&mut self) -> Result<()> {
        self.act(self.run.cancel()).map(|_| ())
    }

    /// Does something with the engine, and lets happen what follows at once.
    pub(super) fn act<T: Send>(&self, work: impl Future<Output = Result<T>> + Send) -> Result<T> {
        let done = self.still.act(work)?;
        self.hosts.check()?;
        Ok(done)
    }
}

impl fmt::Debug for KitRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KitRun")
            .field("run", &self.run.id())
            .field("elapsed", &self.elapsed())
            .finish_non_exhaustive()
    }
}

/// A worker that looks for nothing on its own: the store tells it of everything but runs that take too long.
fn settings(is_timed: bool) -> WorkerSettings {
    WorkerSettings {
        heartbeat: YEAR,
        lease_ttl: 3 * YEAR,
        poll: YEAR,
        rescue: if is_timed { Duration::from_secs(1) } else { HOUR },
        cleanup: YEAR,
        ..WorkerSettings::default()
    }
}

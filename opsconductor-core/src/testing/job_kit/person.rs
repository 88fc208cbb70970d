//! People in a test: what a run asks them, and what they answer.

use std::{collections::HashMap, time::Duration};

use super::run::KitRun;
use crate::{
    Result,
    engine::{Answer, Scoped},
    id::UserId,
    run::{EventKind, TaskStatus},
    store::{Page, WaitsFor},
    tenant::{Actor, DEFAULT_TENANT, Role, Scope},
};

/// More events than the run of a test has.
const EVENTS_MAX: usize = 1_000_000;

/// What a run waits for an answer to.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Question {
    /// The id of the step.
    pub step: String,
    /// The name of the target, for a step that acts on one.
    pub target: Option<String>,
    /// What is asked.
    pub message: String,
}

impl KitRun {
    /// What the run waits for an answer to: approvals, and steps whose outcome is unknown with `onLost: ask`.
    ///
    /// # Errors
    ///
    /// Those of the store, of which there are none.
    pub fn questions(&self) -> Result<Vec<Question>> {
        let (store, id) = (self.engine.store(), self.run.id());
        self.still.within(async {
            let plan = store.run_plan(DEFAULT_TENANT, id).await?;
            let mut said = HashMap::new();
            for event in store.events(DEFAULT_TENANT, id, 0, EVENTS_MAX).await? {
                if let (Some(task), EventKind::StepRequeued { reason }) = (event.task, event.kind) {
                    said.insert(task, reason);
                }
            }
            let tasks = store.tasks(DEFAULT_TENANT, id, Page { skip: 0, limit: u32::MAX }).await?.items;
            let waiting = tasks.into_iter().filter(|task| task.status == TaskStatus::Waiting);
            let questions = waiting.filter_map(|task| {
                // One that waits for the steps before it has said nothing yet.
                let message = said.remove(&task.id)?;
                let step = plan.step(task.step)?;
                let timeout = Duration::from_secs(step.timeout_sec.into());
                let handler = self.engine.step_kinds().get(&step.kind)?;
                let sleeps =
                    handler.waits(&step.fields, timeout).is_some_and(|waits| waits.what == WaitsFor::Time);
                let target = task.target.and_then(|id| plan.target(id)).map(|target| target.name.clone());
                (!sleeps).then(|| Question { step: step.id.clone(), target, message })
            });
            Ok(questions.collect())
        })
    }

    /// Says yes to the step `id`, as an administrator.
    ///
    /// # Errors
    ///
    /// Those of [`Run::decide`](crate::engine::Run::decide); `InvalidInput` when something is sent then that the test does
    /// not answer.
    pub fn approve(&mut self, id: &str) -> Result<()> {
        self.answer(id).yes()
    }

    /// Says no to the step `id`, as an administrator.
    ///
    /// # Errors
    ///
    /// As [`KitRun::approve`].
    pub fn refuse(&mut self, id: &str) -> Result<()> {
        self.answer(id).no()
    }

    /// An answer to the step `id`, to say more of it.
    pub fn answer(&mut self, id: &str) -> PersonAnswer<'_> {
        PersonAnswer { run: self, step: id.to_owned(), target: None, note: None, by: None }
    }
}

/// An answer to a step that waits for one. It is given by [`PersonAnswer::yes`] or [`PersonAnswer::no`].
#[derive(Debug)]
#[must_use = "it is given by `yes` or `no`"]
pub struct PersonAnswer<'r> {
    run: &'r mut KitRun,
    step: String,
    target: Option<String>,
    note: Option<String>,
    by: Option<(String, Role)>,
}

impl PersonAnswer<'_> {
    /// It is about this target.
    pub fn on(mut self, target: impl Into<String>) -> Self {
        self.target = Some(target.into());
        self
    }

    /// It has a note.
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.note = Some(note.into());
        self
    }

    /// It is given by a user of this name and role.
    pub fn by(mut self, name: impl Into<String>, role: Role) -> Self {
        self.by = Some((name.into(), role));
        self
    }

    /// Yes.
    ///
    /// # Errors
    ///
    /// As [`KitRun::approve`].
    pub fn yes(self) -> Result<()> {
        self.give(true)
    }

    /// No.
    ///
    /// # Errors
    ///
    /// As [`KitRun::approve`].
    pub fn no(self) -> Result<()> {
        self.give(false)
    }

    fn give(self, approve: bool) -> Result<()> {
        let Self { run, step, target, note, by } = self;
        let scoped: Scoped = match by {
            None => run.engine.local(),
            Some((name, role)) => {
                let actor = Actor::User { id: UserId::new(1), name, role };
                run.engine.scope(Scope::new(DEFAULT_TENANT, actor))
            }
        };
        let id = run.run.id();
        run.act(async move {
            let found = scoped.runs().get(id).await?;
            found.decide(&step, target.as_deref(), Answer { approve, note }).await
        })
    }
}

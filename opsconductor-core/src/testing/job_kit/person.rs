//! People in a test: what a run asks them, and what they answer.

use super::run::KitRun;
use crate::{
    Result,
    engine::{Answer, Scoped},
    id::UserId,
    store::Page,
    tenant::{Actor, DEFAULT_TENANT, Role, Scope},
};

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
        let (ops, id) = (self.engine.local(), self.run.id());
        self.still.within(async {
            let open = ops.approvals().list(Page { skip: 0, limit: u32::MAX }).await?.items;
            // What was asked first comes first.
            let of_run = open.into_iter().rev().filter(|open| open.run == id);
            Ok(of_run
                .map(|open| Question { step: open.step, target: open.target, message: open.message })
                .collect())
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

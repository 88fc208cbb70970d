//! What is recorded of what people do: every change, allowed or refused, in one list.
//!
//! A call that changes something asks for its [`Change`] first ([`Scoped::permit`]) and makes the change inside
//! [`Scoped::noted`], which hands the entry to the store's transaction. What a record says of a change is a name and a few plain facts;
//! parameters, notes of people and whatever else may hold a secret are left out.

use std::future::Future;

use super::{Inner, Scoped};
use crate::{
    Error, ErrorKind, Result,
    audit::{
        Entry, Outcome,
        staging::{self, Staged},
    },
    auth::policy::{Action, Resource, authorize},
};

/// A change that is recorded.
#[derive(Debug, Clone, Copy)]
pub(super) struct Change {
    /// What records call it.
    action: &'static str,
    /// What records call the kind of thing.
    kind: &'static str,
    /// The right that it takes.
    right: (Action, Resource),
}

macro_rules! changes {
    ($($name:ident = $action:literal on $kind:literal takes $right:ident $resource:ident;)+) => {
        $(pub(super) const $name: Change =
            Change { action: $action, kind: $kind, right: (Action::$right, Resource::$resource) };)+
    };
}

changes! {
    CREDENTIAL_CREATED = "credentials.create" on "credential" takes Create Credential;
    CREDENTIAL_ROTATED = "credentials.rotate" on "credential" takes Update Credential;
    CREDENTIAL_DELETED = "credentials.delete" on "credential" takes Delete Credential;
    TARGET_CREATED = "targets.create" on "target" takes Create Target;
    TARGET_UPDATED = "targets.update" on "target" takes Update Target;
    TARGET_DELETED = "targets.delete" on "target" takes Delete Target;
    TARGET_TESTED = "targets.test" on "target" takes Execute Target;
    JOB_CREATED = "jobs.create" on "job" takes Create Job;
    JOB_UPDATED = "jobs.update" on "job" takes Update Job;
    JOB_DELETED = "jobs.delete" on "job" takes Delete Job;
    RUN_CREATED = "runs.create" on "run" takes Execute Job;
    RUN_CANCELED = "runs.cancel" on "run" takes Cancel Run;
    RUN_RETRIED = "runs.retry" on "run" takes Execute Job;
    APPROVAL_ANSWERED = "approvals.answer" on "run" takes Execute Job;
    LIMIT_SET = "queue.limit" on "queue" takes Update Queue;
    QUEUE_PAUSED = "queue.pause" on "queue" takes Update Queue;
    QUEUE_RESUMED = "queue.resume" on "queue" takes Update Queue;
    LETTER_DISCARDED = "dead_letters.discard" on "dead_letter" takes Delete DeadLetter;
    LETTER_REDRIVEN = "dead_letters.redrive" on "dead_letter" takes Execute DeadLetter;
    AUDIT_CHECKPOINTED = "audit.checkpoint" on "audit" takes Create Audit;
    AUDIT_REMOVED = "audit.remove" on "audit" takes Delete Audit;
}

/// The use of a credential by tasks, which no person asks for.
pub(super) const CREDENTIAL_USED: (&str, &str) = ("credentials.use", "credential");

impl Scoped {
    /// Lets the caller make `change` to the thing called `name`, and answers with the entry for it. A refusal is recorded.
    pub(super) async fn permit(&self, change: Change, name: &str) -> Result<Entry> {
        let entry = Entry::new(&self.scope, change.action, change.kind);
        let entry = if name.is_empty() { entry } else { entry.with("name", name) };
        let (action, resource) = change.right;
        match authorize(&self.scope, action, resource) {
            Ok(()) => Ok(entry),
            Err(refusal) => Err(self.refused(entry, refusal).await),
        }
    }

    /// Records that something was refused, and answers with the refusal, whatever comes of that.
    pub(super) async fn refused(&self, entry: Entry, refusal: Error) -> Error {
        let staged = self.inner.staged(entry.with_outcome(Outcome::Refused));
        match self.inner.store.append_audit(vec![staged]).await {
            Ok(()) => {}
            // A tenant that is not there has no record.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => {
                tracing::warn!(error = %error.report(), "that something was refused could not be recorded");
            }
        }
        refusal
    }

    /// Makes the one call of the store that `entry` tells of: both are committed, or neither.
    pub(super) async fn noted<T>(&self, entry: Entry, call: impl Future<Output = Result<T>>) -> Result<T> {
        staging::with(self.inner.staged(entry), call).await
    }
}

impl Inner {
    /// An entry on its way, to be chained as this engine chains.
    pub(super) fn staged(&self, entry: Entry) -> Staged {
        Staged { entry, strict: self.strict_audit }
    }
}

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
    id::UserId,
    store::UserRecord,
    tenant::DEFAULT_TENANT,
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
    CREDENTIAL_RESTORED = "credentials.restore" on "credential" takes Update Credential;
    CREDENTIAL_EXPIRY_SET = "credentials.expiry" on "credential" takes Update Credential;
    CREDENTIAL_REVEALED = "credentials.reveal" on "credential" takes Decrypt Credential;
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
    KEYS_REWRAPPED = "keys.rewrap" on "key" takes Update Key;
    KEYS_RESEALED = "keys.reseal" on "key" takes Update Key;
    KEY_RETIRED = "keys.retire" on "key" takes Update Key;
    USER_CREATED = "users.create" on "user" takes Create User;
    USER_UPDATED = "users.update" on "user" takes Update User;
    USER_PASSWORD_SET = "users.password" on "user" takes Update User;
    USER_ROLE_SET = "users.role" on "user" takes Update User;
    USER_ACTIVATED = "users.activate" on "user" takes Update User;
    USER_DEACTIVATED = "users.deactivate" on "user" takes Update User;
    USER_TOKENS_REVOKED = "users.revoke_all" on "user" takes Update User;
    USER_DELETED = "users.delete" on "user" takes Delete User;
    TOKEN_CREATED = "tokens.create" on "api_token" takes Update Account;
    TOKEN_REVOKED = "tokens.revoke" on "api_token" takes Update Account;
    NOTIFICATION_CREATED = "notifications.create" on "notification" takes Create Notification;
    NOTIFICATION_REDRIVEN = "notifications.redrive" on "notification" takes Execute Notification;
    NOTIFICATION_RULES_SET = "notifications.rules" on "notification" takes Update Notification;
    DELIVERIES_STARTED = "notifications.start" on "notification" takes Update Notification;
    DELIVERIES_STOPPED = "notifications.stop" on "notification" takes Update Notification;
    WEBHOOK_SECRET_ROTATED = "notifications.rotate_secret" on "notification" takes Update Notification;
    WEBHOOK_SECRET_REVEALED = "notifications.reveal_secret" on "notification" takes Decrypt Notification;
    SMTP_SET = "smtp.update" on "smtp" takes Update Smtp;
    SMTP_TESTED = "smtp.test" on "smtp" takes Execute Smtp;
    USER_PREFERENCES_SET = "users.notifications" on "user" takes Update User;
    AUDIT_CHECKPOINTED = "audit.checkpoint" on "audit" takes Create Audit;
    AUDIT_REMOVED = "audit.remove" on "audit" takes Delete Audit;
}

/// The use of a credential by tasks, which no person asks for.
pub(super) const CREDENTIAL_USED: (&str, &str) = ("credentials.use", "credential");

/// A login, and a refresh token that was used before. Nobody has rights yet then.
pub(super) const LOGGED_IN: (&str, &str) = ("auth.login", "user");
pub(super) const TOKEN_REUSED: (&str, &str) = ("auth.refresh", "user");

impl Scoped {
    /// Lets the caller make `change` to the thing called `name`, and answers with the entry for it. A refusal is recorded.
    pub(super) async fn permit(&self, change: Change, name: &str) -> Result<Entry> {
        let entry = Entry::new(&self.scope, change.action, change.kind);
        let entry = if name.is_empty() { entry } else { entry.with("name", name) };
        self.permitted(entry, change.right).await
    }

    /// The same for a change of the account with the id `user`, which the own one takes a lesser right for.
    pub(super) async fn permit_account(&self, change: Change, user: UserId) -> Result<Entry> {
        let own = self.scope.actor.user_id() == Some(user);
        let (action, resource) = change.right;
        let right = (action, if own { Resource::Account } else { resource });
        self.permitted(Entry::new(&self.scope, change.action, change.kind).about(user.get()), right).await
    }

    async fn permitted(&self, entry: Entry, (action, resource): (Action, Resource)) -> Result<Entry> {
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

    /// Records what is about to be done where no change of the store goes with it. Without the record it is not done.
    pub(super) async fn note(&self, entry: Entry) -> Result<()> {
        self.inner.store.append_audit(vec![self.inner.staged(entry)]).await
    }

    /// Makes the one call of the store that `entry` tells of: both are committed, or neither.
    pub(super) async fn noted<T>(&self, entry: Entry, call: impl Future<Output = Result<T>>) -> Result<T> {
        staging::with(self.inner.staged(entry), call).await
    }
}

impl Inner {
    /// Records that somebody was not let in. A name that nobody has is not written down, for a password may be among those.
    pub(super) async fn note_refused_login(&self, known: Option<&UserRecord>) -> Result<()> {
        match known {
            Some(user) => self.note_of(LOGGED_IN, user, Outcome::Refused).await,
            None => {
                let (action, kind) = LOGGED_IN;
                let entry = Entry::by(DEFAULT_TENANT, None, "unknown", action, kind);
                self.store.append_audit(vec![self.staged(entry.with_outcome(Outcome::Refused))]).await
            }
        }
    }

    /// Records what happened to an account before anybody could call as it.
    pub(super) async fn note_of(
        &self,
        (action, kind): (&'static str, &'static str),
        user: &UserRecord,
        outcome: Outcome,
    ) -> Result<()> {
        let entry = Entry::by(user.tenant, Some(user.id), &user.name, action, kind).about(user.id.get());
        self.store.append_audit(vec![self.staged(entry.with_outcome(outcome))]).await
    }

    /// An entry on its way, to be chained as this engine chains.
    pub(super) fn staged(&self, entry: Entry) -> Staged {
        Staged { entry, strict: self.strict_audit }
    }
}

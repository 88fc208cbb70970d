//! Notifications that wait to be delivered, and what tenants and people say about them.

use std::{fmt, time::Duration};

use async_trait::async_trait;

use super::{Listing, Page};
use crate::{
    Result,
    clock::Timestamp,
    id::{NotificationId, RunId, TenantId, UserId},
    notify::{
        Channel, NewNotification, Notification, NotificationStatus, Preferences, Rule, Settlement,
        SmtpSettings, words,
    },
    vault::RecordContext,
};

/// Which notifications are wanted; the default wants all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NotificationFilter {
    /// Those of this run.
    pub run: Option<RunId>,
    /// Those that stand so.
    pub status: Option<NotificationStatus>,
}

/// A notification that was claimed.
#[derive(Debug, Clone, PartialEq)]
pub struct ClaimedNotification {
    /// The tenant.
    pub tenant: TenantId,
    /// The notification.
    pub notification: Notification,
    /// As in [`NewNotification::template`].
    pub template: Option<String>,
    /// Which attempt this is, from 1 on: the right to say what came of it.
    pub attempt: u32,
}

/// How a tenant's notifications stand.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NotificationCounts {
    /// How many wait.
    pub pending: u64,
    /// How many were given up.
    pub failed: u64,
}

words! {
    /// What a secret is for.
    SecretPurpose, "what a secret is for" {
        /// The account on the mail server.
        Smtp = "smtp",
        /// The signatures of webhooks.
        Webhook = "webhook",
    }
}

/// A secret to be kept, sealed.
#[derive(Clone, PartialEq, Eq)]
pub struct NewSecret {
    /// What it is bound to; made for it.
    pub id: String,
    /// The sealed record, as [`RecordContext::notification_secret`].
    pub sealed: Vec<u8>,
}

impl fmt::Debug for NewSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewSecret").field("id", &self.id).finish_non_exhaustive()
    }
}

/// A secret that is kept.
#[derive(Clone, PartialEq, Eq)]
pub struct NotificationSecret {
    /// What it is bound to.
    pub id: String,
    /// What it is for.
    pub purpose: SecretPurpose,
    /// The sealed record.
    pub sealed: Vec<u8>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Until when it is good, if another has taken its place.
    pub ends_at: Option<Timestamp>,
}

impl NotificationSecret {
    /// The place that it opens in.
    pub fn context(&self, tenant: TenantId) -> RecordContext<'_> {
        RecordContext::notification_secret(tenant, &self.id, self.purpose.as_str())
    }
}

impl fmt::Debug for NotificationSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NotificationSecret")
            .field("id", &self.id)
            .field("purpose", &self.purpose)
            .finish_non_exhaustive()
    }
}

/// What a tenant says about notifications. Where it has said nothing: no mail server, no rules, and deliveries go on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NotificationSettings {
    /// Its mail server.
    pub smtp: Option<SmtpSettings>,
    /// Its rules for every run.
    pub rules: Vec<Rule>,
    /// Whether deliveries are stopped.
    pub stopped: bool,
}

/// What is to be otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SettingsChange {
    /// The mail server.
    Smtp(SmtpSettings, PasswordChange),
    /// The rules.
    Rules(Vec<Rule>),
    /// Whether deliveries are stopped.
    Stopped(bool),
    /// The secret that webhooks are signed with; the former one stays good beside it for so long.
    WebhookSecret(NewSecret, Duration),
}

/// What becomes of a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PasswordChange {
    /// It stays.
    Keep,
    /// There is none any more.
    Remove,
    /// It is this one.
    Set(NewSecret),
}

/// Notifications.
///
/// [`Queue::complete`](super::Queue::complete), [`cancel_run`](super::Queue::cancel_run) and
/// [`stop_overdue`](super::Queue::stop_overdue) write, in the transaction that ends a run, what
/// [`outbox::of`](crate::notify::outbox::of) makes of its plan, due at once. Notifications go with their run.
#[async_trait]
pub trait Notifications: Send + Sync {
    /// Stores a notification, due at once.
    ///
    /// # Errors
    ///
    /// `NotFound` for a run that is not the tenant's.
    async fn insert_notification(&self, tenant: TenantId, new: NewNotification) -> Result<Notification>;

    /// One of them.
    ///
    /// # Errors
    ///
    /// `NotFound`.
    async fn notification(&self, tenant: TenantId, id: NotificationId) -> Result<Notification>;

    /// Those that the filter wants, newest first (by id).
    ///
    /// # Errors
    ///
    /// Only those of the store itself.
    async fn list_notifications(
        &self,
        tenant: TenantId,
        filter: NotificationFilter,
        page: Page,
    ) -> Result<Listing<Notification>>;

    /// Makes one that was given up pending again, due at once, with all attempts before it.
    ///
    /// # Errors
    ///
    /// `NotFound`; `Conflict` for one that was not given up.
    async fn redrive_notification(&self, tenant: TenantId, id: NotificationId) -> Result<Notification>;

    /// Claims at most `limit` that are pending, due and of one of the channels, over all tenants whose deliveries are not stopped,
    /// those first that are due first. Nobody else gets one for as long as `lease`; then it is due again.
    ///
    /// # Errors
    ///
    /// Only those of the store itself.
    async fn claim_notifications(
        &self,
        channels: &[Channel],
        limit: usize,
        lease: Duration,
    ) -> Result<Vec<ClaimedNotification>>;

    /// Records what came of an attempt, and says whether it did: not when it was claimed again since, or is not pending.
    ///
    /// # Errors
    ///
    /// Only those of the store itself.
    async fn settle_notification(
        &self,
        id: NotificationId,
        attempt: u32,
        settlement: Settlement,
    ) -> Result<bool>;

    /// How they stand.
    ///
    /// # Errors
    ///
    /// Only those of the store itself.
    async fn notification_counts(&self, tenant: TenantId) -> Result<NotificationCounts>;

    /// Removes at most `limit` that are not pending and were made longer ago than `age`, over all tenants, and says how many went.
    ///
    /// # Errors
    ///
    /// Only those of the store itself.
    async fn remove_notifications(&self, age: Duration, limit: usize) -> Result<u64>;

    /// What the tenant says.
    ///
    /// # Errors
    ///
    /// Only those of the store itself.
    async fn notification_settings(&self, tenant: TenantId) -> Result<NotificationSettings>;

    /// Changes what the tenant says, with the secret that belongs to it, in one transaction.
    ///
    /// # Errors
    ///
    /// `NotFound` for a tenant that is not there; `Conflict` for a secret whose id is taken.
    async fn change_notification_settings(&self, tenant: TenantId, change: SettingsChange) -> Result<()>;

    /// The secrets that are good, the newest first.
    ///
    /// # Errors
    ///
    /// Only those of the store itself.
    async fn notification_secrets(&self, tenant: TenantId) -> Result<Vec<NotificationSecret>>;

    /// What a user wants, if they have ever said.
    ///
    /// # Errors
    ///
    /// `NotFound` for an account that is not the tenant's.
    async fn notification_preferences(&self, tenant: TenantId, user: UserId) -> Result<Option<Preferences>>;

    /// Keeps what a user wants.
    ///
    /// # Errors
    ///
    /// `NotFound` for an account that is not the tenant's.
    async fn set_notification_preferences(
        &self,
        tenant: TenantId,
        user: UserId,
        preferences: &Preferences,
    ) -> Result<()>;
}

/// What a store answers for a notification that was not given up.
pub fn not_given_up(id: NotificationId, status: NotificationStatus) -> crate::Error {
    let message = format!("only a notification that was given up is sent again; this one is {status}");
    crate::Error::new(crate::ErrorKind::Conflict, message).with("notification", id)
}

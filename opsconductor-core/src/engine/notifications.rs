//! Notifications as people see them, the rules for them, and the mail server.

use std::time::Duration;

use serde_json::json;

use super::{Scoped, deliver, noted};
use crate::{
    Error, ErrorKind, Result, Secret,
    auth::policy::{Action, Resource},
    clock::Timestamp,
    id::NotificationId,
    notify::{
        ATTEMPT_MAX, Channel, Delivered, Delivery, Message, NewNotification, Notification, RULES_MAX, Rule,
        SmtpSettings, check_address, signature,
    },
    store::{
        Listing, NotificationFilter, Page, PasswordChange, SecretPurpose, SettingsChange, WorkerRecord,
        WorkerState,
    },
};

/// How many workers are looked at to see whether one delivers.
const WORKERS_LOOKED_AT: Page = Page { skip: 0, limit: 1_000 };

/// Calls on the notifications of a tenant.
pub struct Notifications<'a> {
    pub(super) at: &'a Scoped,
}

/// How deliveries stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryStatus {
    /// Whether they go on: nobody has stopped them, and a worker is there.
    pub worker_running: bool,
    /// How many wait.
    pub pending_notifications: u64,
    /// How many were given up.
    pub failed_notifications: u64,
    /// When this process looked for some last, or, where it does not deliver, when a worker was last heard of.
    pub last_check: Option<Timestamp>,
}

impl Notifications<'_> {
    /// Notifications, newest first.
    ///
    /// # Errors
    ///
    /// `Forbidden`.
    pub async fn list(&self, filter: NotificationFilter, page: Page) -> Result<Listing<Notification>> {
        self.at.authorize(Action::Read, Resource::Notification)?;
        self.at.inner.store.list_notifications(self.at.scope.tenant, filter, page).await
    }

    /// One notification.
    ///
    /// # Errors
    ///
    /// `Forbidden`; `NotFound`.
    pub async fn get(&self, id: NotificationId) -> Result<Notification> {
        self.at.authorize(Action::Read, Resource::Notification)?;
        self.at.inner.store.notification(self.at.scope.tenant, id).await
    }

    /// Makes a notification about a run, to be delivered soon.
    ///
    /// # Errors
    ///
    /// `Forbidden`; `NotFound` for a run that is not there; `InvalidInput` for what is no address or no URL.
    pub async fn create(&self, new: NewNotification) -> Result<Notification> {
        let entry = self.at.permit(noted::NOTIFICATION_CREATED, "").await?;
        let rule = Rule {
            on: crate::notify::NotifyOn::Always,
            channel: new.channel,
            dest: new.dest.clone(),
            template: new.template.clone(),
        };
        rule.check()?;
        new.check()?;
        let entry = entry.with("run", new.run.get()).with("channel", new.channel.as_str());
        let insert = self.at.inner.store.insert_notification(self.at.scope.tenant, new);
        self.at.noted(entry, insert).await
    }

    /// Sends one again that was given up.
    ///
    /// # Errors
    ///
    /// `Forbidden`; `NotFound`; `Conflict` for one that was not given up.
    pub async fn redrive(&self, id: NotificationId) -> Result<Notification> {
        let entry = self.at.permit(noted::NOTIFICATION_REDRIVEN, "").await?.about(id.get());
        self.at.noted(entry, self.at.inner.store.redrive_notification(self.at.scope.tenant, id)).await
    }

    /// How deliveries stand.
    ///
    /// # Errors
    ///
    /// `Forbidden`.
    pub async fn status(&self) -> Result<DeliveryStatus> {
        self.at.authorize(Action::Read, Resource::Notification)?;
        let (inner, tenant) = (&self.at.inner, self.at.scope.tenant);
        let counts = inner.store.notification_counts(tenant).await?;
        let stopped = inner.store.notification_settings(tenant).await?.stopped;
        let workers = inner.store.list_workers(WORKERS_LOOKED_AT).await?.items;
        let alive = |worker: &&WorkerRecord| worker.state != WorkerState::Gone;
        let heard = workers.iter().filter(alive).map(|worker| worker.seen_at).max();
        Ok(DeliveryStatus {
            worker_running: !stopped && heard.is_some(),
            pending_notifications: counts.pending,
            failed_notifications: counts.failed,
            last_check: inner.notifiers.last_check().or(heard),
        })
    }

    /// Lets deliveries go on.
    ///
    /// # Errors
    ///
    /// `Forbidden`; `InvalidInput` when they do.
    pub async fn start(&self) -> Result<()> {
        self.set_stopped(noted::DELIVERIES_STARTED, false, "deliveries are not stopped").await
    }

    /// Stops deliveries of the tenant, until they are started again, whatever process ends meanwhile. What is on its way goes on.
    ///
    /// # Errors
    ///
    /// `Forbidden`; `InvalidInput` when they are stopped.
    pub async fn stop(&self) -> Result<()> {
        self.set_stopped(noted::DELIVERIES_STOPPED, true, "deliveries are stopped already").await
    }

    async fn set_stopped(&self, change: noted::Change, stopped: bool, is_so: &str) -> Result<()> {
        let entry = self.at.permit(change, "").await?;
        let (store, tenant) = (&self.at.inner.store, self.at.scope.tenant);
        if store.notification_settings(tenant).await?.stopped == stopped {
            return Err(Error::new(ErrorKind::InvalidInput, is_so));
        }
        let change = store.change_notification_settings(tenant, SettingsChange::Stopped(stopped));
        self.at.noted(entry, change).await
    }

    /// The rules that hold for every run of the tenant.
    ///
    /// # Errors
    ///
    /// `Forbidden`.
    pub async fn rules(&self) -> Result<Vec<Rule>> {
        self.at.authorize(Action::Read, Resource::Notification)?;
        Ok(self.at.inner.store.notification_settings(self.at.scope.tenant).await?.rules)
    }

    /// Puts these in the place of all rules, for runs that are enqueued from now on.
    ///
    /// # Errors
    ///
    /// `Forbidden`; `InvalidInput` for one that cannot work, and for more than [`RULES_MAX`].
    pub async fn set_rules(&self, rules: Vec<Rule>) -> Result<()> {
        let entry = self.at.permit(noted::NOTIFICATION_RULES_SET, "").await?.with("rules", rules.len());
        if rules.len() > RULES_MAX {
            let message = format!("there are at most {RULES_MAX} rules");
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
        for (index, rule) in rules.iter().enumerate() {
            rule.check().map_err(|error| error.with("rule", index))?;
        }
        let (store, tenant) = (&self.at.inner.store, self.at.scope.tenant);
        let change = store.change_notification_settings(tenant, SettingsChange::Rules(rules));
        self.at.noted(entry, change).await?;
        self.at.inner.notices.forget(tenant);
        Ok(())
    }

    /// The secret that webhooks are signed with, for those who receive them. It is made when there is none.
    ///
    /// # Errors
    ///
    /// `Forbidden`; `Vault`.
    pub async fn webhook_secret(&self) -> Result<Secret<String>> {
        let entry = self.at.permit(noted::WEBHOOK_SECRET_REVEALED, "").await?;
        self.at.note(entry).await?;
        let secrets = deliver::webhook_secrets(&self.at.inner, self.at.scope.tenant).await?;
        let none = || Error::new(ErrorKind::Conflict, "the secret was replaced at this moment; ask again");
        secrets.into_iter().next().ok_or_else(none)
    }

    /// Puts another secret in its place: this one, or one that is made. The former one signs beside it for a day, so that receivers
    /// can follow one by one.
    ///
    /// # Errors
    ///
    /// `Forbidden`; `InvalidInput` for what is no such secret; `Vault`.
    pub async fn rotate_webhook_secret(&self, secret: Option<Secret<String>>) -> Result<Secret<String>> {
        let entry = self.at.permit(noted::WEBHOOK_SECRET_ROTATED, "").await?;
        let secret = secret.map_or_else(signature::generate, Ok)?;
        signature::check_secret(&secret)?;
        let (inner, tenant) = (&self.at.inner, self.at.scope.tenant);
        let new = deliver::seal(inner, tenant, SecretPurpose::Webhook, &secret).await?;
        let change = SettingsChange::WebhookSecret(new, deliver::FORMER_SECRET_LIFE);
        self.at.noted(entry, inner.store.change_notification_settings(tenant, change)).await?;
        Ok(secret)
    }
}

/// Calls on the mail server of a tenant.
pub struct Smtp<'a> {
    pub(super) at: &'a Scoped,
}

/// What is shown of a mail server: everything but the password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SmtpInfo {
    /// What was set.
    pub settings: SmtpSettings,
    /// Whether there is a password.
    pub has_password: bool,
}

/// What becomes of the password of a mail server.
#[derive(Debug, Clone)]
pub enum Password {
    /// It stays.
    Keep,
    /// There is none.
    Remove,
    /// It is this.
    Set(Secret<String>),
}

impl Smtp<'_> {
    /// The mail server; none when it was not set.
    ///
    /// # Errors
    ///
    /// `Forbidden` for anyone but an admin.
    pub async fn settings(&self) -> Result<Option<SmtpInfo>> {
        self.at.authorize(Action::Read, Resource::Smtp)?;
        let (store, tenant) = (&self.at.inner.store, self.at.scope.tenant);
        let Some(settings) = store.notification_settings(tenant).await?.smtp else { return Ok(None) };
        let secrets = store.notification_secrets(tenant).await?;
        let has_password = secrets.iter().any(|secret| secret.purpose == SecretPurpose::Smtp);
        Ok(Some(SmtpInfo { settings, has_password }))
    }

    /// Sets the mail server. From then on whoever asks for a run gets a mail when it ends, unless they
    /// [want it otherwise](super::Users::set_notification_preferences).
    ///
    /// A password that stays goes to no other host: with another `host` or `port` it has to be given again.
    ///
    /// # Errors
    ///
    /// `Forbidden` for anyone but an admin; `InvalidInput`; `Vault`.
    pub async fn set(&self, settings: SmtpSettings, password: Password) -> Result<()> {
        let entry = self.at.permit(noted::SMTP_SET, "").await?.with("host", settings.host.as_str());
        settings.check()?;
        let (inner, tenant) = (&self.at.inner, self.at.scope.tenant);
        let change = match password {
            Password::Remove => PasswordChange::Remove,
            Password::Set(password) => {
                if settings.username.is_none() {
                    let message = "a password takes a user name";
                    return Err(Error::new(ErrorKind::InvalidInput, message).with("field", "username"));
                }
                PasswordChange::Set(deliver::seal(inner, tenant, SecretPurpose::Smtp, &password).await?)
            }
            Password::Keep => {
                // Or whoever may set the server could have the password sent to one of their own.
                let same = |old: &SmtpInfo| {
                    (&old.settings.host, old.settings.port) == (&settings.host, settings.port)
                };
                if self.settings().await?.is_some_and(|old| old.has_password && !same(&old)) {
                    let message = "another mail server takes the password anew; the one that is kept goes to no other host";
                    return Err(Error::new(ErrorKind::InvalidInput, message).with("field", "password"));
                }
                PasswordChange::Keep
            }
        };
        let change = SettingsChange::Smtp(settings, change);
        self.at.noted(entry, inner.store.change_notification_settings(tenant, change)).await?;
        inner.notices.forget(tenant);
        Ok(())
    }

    /// Sends a mail to this address, now, and says what came of that.
    ///
    /// # Errors
    ///
    /// `Forbidden` for anyone but an admin; `InvalidInput` for what is no address, and when no server is set; `Unsupported` for an
    /// engine that sends no mail; `Transport` with what the server said.
    pub async fn test(&self, address: &str) -> Result<()> {
        let entry = self.at.permit(noted::SMTP_TESTED, "").await?;
        check_address("test_email", address)?;
        let (inner, tenant) = (&self.at.inner, self.at.scope.tenant);
        let notifier = inner.notifiers.of(Channel::Email).ok_or_else(|| {
            let message = "this engine was built without a way to send mail; add one with `notifier`";
            Error::new(ErrorKind::Unsupported, message)
        })?;
        let means = deliver::means(inner, tenant, Channel::Email).await?;
        self.at.note(entry).await?;
        let payload = json!({"subject": "OpsConductor can send mail", "message": "This is a test of the mail settings."});
        let at = inner.clock.now();
        let delivery = Delivery {
            tenant,
            // No notification has it, and no two tests have the same.
            id: NotificationId::new(-at.timestamp_micros()),
            attempt: 1,
            dest: address.to_owned(),
            message: Message::new(payload, None),
            at,
            means,
        };
        let limit: Duration = ATTEMPT_MAX;
        let failed = |reason: String| Err(Error::transport(crate::error::Layer::Protocol, reason));
        match tokio::time::timeout(limit, notifier.deliver(&delivery)).await {
            Ok(Delivered::Sent) => Ok(()),
            Ok(Delivered::Later { reason, .. } | Delivered::Never { reason }) => failed(reason),
            Err(_) => failed(format!("it took longer than {} s", limit.as_secs())),
        }
    }
}

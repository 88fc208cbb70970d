//! Notifications in memory.

use std::{collections::BTreeMap, time::Duration};

use async_trait::async_trait;

use super::{MemoryStore, State, missing};
use crate::{
    Error, ErrorKind, Result,
    id::{NotificationId, RunId, TenantId, UserId},
    notify::{
        Channel, NewNotification, Notification, NotificationStatus, Preferences, Settlement,
        outbox::{self, EndedRun, TROUBLES_MAX, Trouble},
    },
    run::state::TaskStatus,
    store::{
        ClaimedNotification, Listing, NewSecret, NotificationCounts, NotificationFilter, NotificationSecret,
        NotificationSettings, Notifications, Page, PasswordChange, SecretPurpose, SettingsChange,
        notifications::not_given_up,
    },
};

/// All rows about notifications.
#[derive(Default)]
pub(super) struct Told {
    rows: BTreeMap<NotificationId, Row>,
    settings: BTreeMap<TenantId, NotificationSettings>,
    pub(super) secrets: BTreeMap<String, (TenantId, NotificationSecret)>,
    preferences: BTreeMap<UserId, Preferences>,
}

struct Row {
    tenant: TenantId,
    notification: Notification,
    template: Option<String>,
    attempts: u32,
}

impl Told {
    /// They go with their run.
    pub(super) fn forget_run(&mut self, run: RunId) {
        self.rows.retain(|_, row| row.notification.run != run);
    }

    /// What an account wants goes with it.
    pub(super) fn forget_user(&mut self, user: UserId) {
        self.preferences.remove(&user);
    }
}

#[async_trait]
impl Notifications for MemoryStore {
    async fn insert_notification(&self, tenant: TenantId, new: NewNotification) -> Result<Notification> {
        self.noted(|state| {
            state.run_of(tenant, new.run)?;
            let told = state.tell(tenant, new);
            state.concerns(told.id.get());
            Ok(told)
        })
    }

    async fn notification(&self, tenant: TenantId, id: NotificationId) -> Result<Notification> {
        self.with(|state| state.told_of(tenant, id).map(|row| row.notification.clone()))
    }

    async fn list_notifications(
        &self,
        tenant: TenantId,
        filter: NotificationFilter,
        page: Page,
    ) -> Result<Listing<Notification>> {
        Ok(self.with(|state| {
            let wanted = |row: &&Row| {
                let notification = &row.notification;
                row.tenant == tenant
                    && filter.run.is_none_or(|run| notification.run == run)
                    && filter.status.is_none_or(|status| notification.status == status)
            };
            let all: Vec<_> = state.told.rows.values().rev().filter(wanted).collect();
            let part = all.iter().skip(page.skip as usize).take(page.limit as usize);
            Listing { items: part.map(|row| row.notification.clone()).collect(), total: all.len() as u64 }
        }))
    }

    async fn redrive_notification(&self, tenant: TenantId, id: NotificationId) -> Result<Notification> {
        self.noted(|state| {
            let now = state.now;
            let status = state.told_of(tenant, id)?.notification.status;
            if status != NotificationStatus::Failed {
                return Err(not_given_up(id, status));
            }
            let row = state.told.rows.get_mut(&id).ok_or_else(|| missing("notification", id))?;
            (row.attempts, row.notification.retries, row.notification.error) = (0, 0, None);
            (row.notification.status, row.notification.due_at) = (NotificationStatus::Pending, now);
            Ok(row.notification.clone())
        })
    }

    async fn claim_notifications(
        &self,
        channels: &[Channel],
        limit: usize,
        lease: Duration,
    ) -> Result<Vec<ClaimedNotification>> {
        Ok(self.with(|state| {
            let (now, until) = (state.now, state.after(lease));
            let Told { rows, settings, .. } = &mut state.told;
            let mut due: Vec<_> = rows
                .values_mut()
                .filter(|row| {
                    let notification = &row.notification;
                    notification.status == NotificationStatus::Pending
                        && notification.due_at <= now
                        && channels.contains(&notification.channel)
                        && !settings.get(&row.tenant).is_some_and(|settings| settings.stopped)
                })
                .collect();
            due.sort_by_key(|row| (row.notification.due_at, row.notification.id));
            let claimed = due.into_iter().take(limit).map(|row| {
                row.attempts += 1;
                row.notification.due_at = until;
                ClaimedNotification {
                    tenant: row.tenant,
                    notification: row.notification.clone(),
                    template: row.template.clone(),
                    attempt: row.attempts,
                }
            });
            claimed.collect()
        }))
    }

    async fn settle_notification(
        &self,
        id: NotificationId,
        attempt: u32,
        settlement: Settlement,
    ) -> Result<bool> {
        Ok(self.with(|state| {
            let now = state.now;
            let again = match &settlement {
                Settlement::Again(wait, _) => state.after(*wait),
                _ => now,
            };
            let Some(row) = state.told.rows.get_mut(&id).filter(|row| {
                row.attempts == attempt && row.notification.status == NotificationStatus::Pending
            }) else {
                return false;
            };
            let notification = &mut row.notification;
            match settlement {
                Settlement::Sent => {
                    (notification.status, notification.sent_at) = (NotificationStatus::Sent, Some(now));
                    notification.error = None;
                }
                Settlement::Again(_, reason) => {
                    (notification.due_at, notification.error) = (again, Some(reason));
                    notification.retries += 1;
                }
                Settlement::Failed(reason) => {
                    (notification.status, notification.error) = (NotificationStatus::Failed, Some(reason));
                }
            }
            true
        }))
    }

    async fn notification_counts(&self, tenant: TenantId) -> Result<NotificationCounts> {
        Ok(self.with(|state| {
            let own = || state.told.rows.values().filter(|row| row.tenant == tenant);
            let count = |status| own().filter(|row| row.notification.status == status).count() as u64;
            NotificationCounts {
                pending: count(NotificationStatus::Pending),
                failed: count(NotificationStatus::Failed),
            }
        }))
    }

    async fn remove_notifications(&self, age: Duration, limit: usize) -> Result<u64> {
        Ok(self.with(|state| {
            let before =
                chrono::TimeDelta::from_std(age).ok().and_then(|age| state.now.checked_sub_signed(age));
            let old = state.told.rows.values().map(|row| &row.notification).filter(|notification| {
                notification.status != NotificationStatus::Pending
                    && before.is_some_and(|before| notification.created_at < before)
            });
            let old: Vec<_> = old.map(|notification| notification.id).take(limit).collect();
            old.iter().for_each(|id| drop(state.told.rows.remove(id)));
            old.len() as u64
        }))
    }

    async fn notification_settings(&self, tenant: TenantId) -> Result<NotificationSettings> {
        Ok(self.with(|state| state.told.settings.get(&tenant).cloned().unwrap_or_default()))
    }

    async fn change_notification_settings(&self, tenant: TenantId, change: SettingsChange) -> Result<()> {
        self.noted(|state| state.change_settings(tenant, change))
    }

    async fn notification_secrets(&self, tenant: TenantId) -> Result<Vec<NotificationSecret>> {
        Ok(self.with(|state| {
            let now = state.now;
            let own = state.told.secrets.values().filter(|(owner, _)| *owner == tenant);
            let good =
                own.map(|(_, secret)| secret).filter(|secret| secret.ends_at.is_none_or(|end| end > now));
            let mut good: Vec<_> = good.cloned().collect();
            good.sort_by(|one, other| {
                let key = |secret: &NotificationSecret| {
                    (secret.ends_at.is_some(), std::cmp::Reverse(secret.ends_at))
                };
                key(one).cmp(&key(other)).then_with(|| one.id.cmp(&other.id))
            });
            good
        }))
    }

    async fn notification_preferences(&self, tenant: TenantId, user: UserId) -> Result<Option<Preferences>> {
        self.with(|state| {
            state.user_of(tenant, user)?;
            Ok(state.told.preferences.get(&user).cloned())
        })
    }

    async fn set_notification_preferences(
        &self,
        tenant: TenantId,
        user: UserId,
        preferences: &Preferences,
    ) -> Result<()> {
        self.noted(|state| {
            state.user_of(tenant, user)?;
            state.told.preferences.insert(user, preferences.clone());
            Ok(())
        })
    }
}

impl State {
    fn told_of(&self, tenant: TenantId, id: NotificationId) -> Result<&Row> {
        self.told.rows.get(&id).filter(|row| row.tenant == tenant).ok_or_else(|| missing("notification", id))
    }

    fn tell(&mut self, tenant: TenantId, new: NewNotification) -> Notification {
        let id = NotificationId::new(self.next_id());
        let notification = Notification {
            id,
            run: new.run,
            channel: new.channel,
            dest: new.dest,
            payload: new.payload,
            status: NotificationStatus::Pending,
            sent_at: None,
            retries: 0,
            error: None,
            due_at: self.now,
            created_at: self.now,
        };
        let row = Row { tenant, notification: notification.clone(), template: new.template, attempts: 0 };
        self.told.rows.insert(id, row);
        notification
    }

    /// Writes what is told of a run that has just ended.
    pub(super) fn tell_of_end(&mut self, id: RunId) {
        let Some(run) = self.runs.get(&id).filter(|run| !run.plan.notify.is_empty()) else { return };
        let wrong = run.tasks.iter().filter_map(|task| self.tasks.get(task)).map(|task| &task.record);
        let wrong = wrong.filter(|task| matches!(task.status, TaskStatus::Failed | TaskStatus::Lost));
        let mut wrong: Vec<_> = wrong.collect();
        wrong.sort_by_key(|task| (task.status != TaskStatus::Lost, task.id));
        let troubles = wrong.into_iter().take(TROUBLES_MAX).map(|task| Trouble {
            step: task.step,
            target: task.target,
            status: task.status,
            reason: task.reason.clone(),
        });
        let told = outbox::of(
            &run.plan,
            &EndedRun {
                id,
                job: run.record.job,
                status: run.record.status,
                started_at: run.record.started_at,
                finished_at: run.record.finished_at.unwrap_or(self.now),
                counters: &run.counters,
                troubles: troubles.collect(),
            },
        );
        let tenant = run.tenant;
        told.into_iter().for_each(|new| drop(self.tell(tenant, new)));
    }

    fn change_settings(&mut self, tenant: TenantId, change: SettingsChange) -> Result<()> {
        self.tenant_exists(tenant)?;
        let settings = self.told.settings.get(&tenant).cloned().unwrap_or_default();
        let settings = match change {
            SettingsChange::Smtp(smtp, password) => {
                match password {
                    PasswordChange::Keep => {}
                    PasswordChange::Remove => self.drop_passwords(tenant),
                    PasswordChange::Set(new) => {
                        self.check_secret_id(&new)?;
                        self.drop_passwords(tenant);
                        self.keep_secret(tenant, SecretPurpose::Smtp, new);
                    }
                }
                NotificationSettings { smtp: Some(smtp), ..settings }
            }
            SettingsChange::Rules(rules) => NotificationSettings { rules, ..settings },
            SettingsChange::Stopped(stopped) => NotificationSettings { stopped, ..settings },
            SettingsChange::WebhookSecret(new, former_life) => {
                self.check_secret_id(&new)?;
                let (now, end) = (self.now, self.after(former_life));
                self.told.secrets.retain(|_, (_, secret)| secret.ends_at.is_none_or(|end| end > now));
                let own = self.told.secrets.values_mut().filter(|(owner, _)| *owner == tenant);
                for (_, secret) in own.filter(|(_, secret)| secret.purpose == SecretPurpose::Webhook) {
                    secret.ends_at.get_or_insert(end);
                }
                self.keep_secret(tenant, SecretPurpose::Webhook, new);
                settings
            }
        };
        self.told.settings.insert(tenant, settings);
        Ok(())
    }

    fn check_secret_id(&self, new: &NewSecret) -> Result<()> {
        if self.told.secrets.contains_key(&new.id) {
            return Err(Error::new(ErrorKind::Conflict, "there is a secret with this id already"));
        }
        Ok(())
    }

    fn drop_passwords(&mut self, tenant: TenantId) {
        self.told
            .secrets
            .retain(|_, (owner, secret)| (*owner, secret.purpose) != (tenant, SecretPurpose::Smtp));
    }

    fn keep_secret(&mut self, tenant: TenantId, purpose: SecretPurpose, new: NewSecret) {
        let created_at = self.now;
        let secret =
            NotificationSecret { id: new.id.clone(), purpose, sealed: new.sealed, created_at, ends_at: None };
        self.told.secrets.insert(new.id, (tenant, secret));
    }
}

//! [`Notifications`] in SQLite.

mod ended;
mod settings;

use std::time::Duration;

use async_trait::async_trait;
use opsconductor_core::{
    Result,
    id::{NotificationId, RunId, TenantId, UserId},
    notify::{Channel, NewNotification, Notification, NotificationStatus, Preferences, Settlement},
    store::{
        ClaimedNotification, Listing, NotificationCounts, NotificationFilter, NotificationSecret,
        NotificationSettings, Notifications, Page, SettingsChange, notifications::not_given_up,
    },
};
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::{
    SqliteStore, accounts, columns,
    error::{DbResult, missing},
    history,
    writer::Tx,
};

pub(crate) use ended::tell_of_end;

const COLUMNS: &str =
    "id, job_run_id, channel, dest, payload, status, sent_at, retries, error, due_at, created_at";

/// Those that are due ($1: now) of a channel ($2 and $3) whose tenant has not stopped them.
const DUE: &str = "FROM notifications AS n
    WHERE n.status = 'pending' AND n.due_at <= ?1 AND n.channel IN (?2, ?3)
        AND NOT EXISTS (SELECT 1 FROM notification_settings AS s WHERE s.tenant_id = n.tenant_id AND s.stopped)";

#[async_trait]
impl Notifications for SqliteStore {
    async fn insert_notification(&self, tenant: TenantId, new: NewNotification) -> Result<Notification> {
        self.writer
            .write(move |tx| {
                history::run(tx.db, tenant, new.run)?;
                let id = insert(tx, tenant, &new)?;
                tx.concerns(id);
                by_id(tx.db, tenant, NotificationId::new(id))
            })
            .await
    }

    async fn notification(&self, tenant: TenantId, id: NotificationId) -> Result<Notification> {
        self.readers.read(move |db| by_id(db, tenant, id)).await
    }

    async fn list_notifications(
        &self,
        tenant: TenantId,
        filter: NotificationFilter,
        page: Page,
    ) -> Result<Listing<Notification>> {
        self.readers.read(move |db| list(db, tenant, filter, page)).await
    }

    async fn redrive_notification(&self, tenant: TenantId, id: NotificationId) -> Result<Notification> {
        self.writer
            .write(move |tx| {
                let found = by_id(tx.db, tenant, id)?;
                if found.status != NotificationStatus::Failed {
                    return Err(not_given_up(id, found.status).into());
                }
                let sql = "UPDATE notifications
                    SET status = 'pending', due_at = ?2, attempts = 0, retries = 0, error = NULL WHERE id = ?1";
                tx.db.prepare_cached(sql)?.execute([id.get(), tx.now])?;
                by_id(tx.db, tenant, id)
            })
            .await
    }

    async fn claim_notifications(
        &self,
        channels: &[Channel],
        limit: usize,
        lease: Duration,
    ) -> Result<Vec<ClaimedNotification>> {
        let name = |channel: Channel| channels.contains(&channel).then_some(channel.as_str());
        let (email, webhook) = (name(Channel::Email), name(Channel::Webhook));
        // Most looks find nothing, and those need not wait for the writer.
        let now = self.clock.now().timestamp_micros();
        let any = self.readers.glance(move |db| {
            let sql = format!("SELECT 1 {DUE} LIMIT 1");
            Ok(db.prepare_cached(&sql)?.exists(params![now, email, webhook])?)
        });
        if !any.await? {
            return Ok(Vec::new());
        }
        let limit = columns::count(limit);
        self.writer.write(move |tx| claim(tx, (email, webhook), limit, lease)).await
    }

    async fn settle_notification(
        &self,
        id: NotificationId,
        attempt: u32,
        settlement: Settlement,
    ) -> Result<bool> {
        self.writer.write(move |tx| settle(tx, id, attempt, &settlement)).await
    }

    async fn notification_counts(&self, tenant: TenantId) -> Result<NotificationCounts> {
        self.readers
            .glance(move |db| {
                let sql = "SELECT count(*) FROM notifications WHERE tenant_id = ?1 AND status = ?2";
                let mut count = db.prepare_cached(sql)?;
                let mut of = |status: NotificationStatus| {
                    count.query_row(params![tenant.get(), status.as_str()], |row| row.get::<_, i64>(0))
                };
                Ok(NotificationCounts {
                    pending: of(NotificationStatus::Pending)? as u64,
                    failed: of(NotificationStatus::Failed)? as u64,
                })
            })
            .await
    }

    async fn remove_notifications(&self, age: Duration, limit: usize) -> Result<u64> {
        self.writer
            .write(move |tx| {
                let sql = "DELETE FROM notifications WHERE id IN (
                    SELECT id FROM notifications WHERE status <> 'pending' AND created_at < ?1
                    ORDER BY created_at, id LIMIT ?2)";
                let before = tx.now.saturating_sub(columns::count(age.as_micros()));
                Ok(tx.db.prepare_cached(sql)?.execute([before, columns::count(limit)])? as u64)
            })
            .await
    }

    async fn notification_settings(&self, tenant: TenantId) -> Result<NotificationSettings> {
        self.readers.glance(move |db| settings::read(db, tenant)).await
    }

    async fn change_notification_settings(&self, tenant: TenantId, change: SettingsChange) -> Result<()> {
        self.writer.write(move |tx| settings::change(tx, tenant, &change)).await
    }

    async fn notification_secrets(&self, tenant: TenantId) -> Result<Vec<NotificationSecret>> {
        let now = self.clock.now().timestamp_micros();
        self.readers.glance(move |db| settings::secrets(db, tenant, now)).await
    }

    async fn notification_preferences(&self, tenant: TenantId, user: UserId) -> Result<Option<Preferences>> {
        self.readers
            .glance(move |db| {
                accounts::by_id(db, tenant, user)?;
                let sql = "SELECT preferences FROM notification_preferences WHERE user_id = ?1";
                let found = db.prepare_cached(sql)?.query_row([user.get()], |row| columns::json(row, 0));
                Ok(found.optional()?)
            })
            .await
    }

    async fn set_notification_preferences(
        &self,
        tenant: TenantId,
        user: UserId,
        preferences: &Preferences,
    ) -> Result<()> {
        let preferences = columns::to_json(preferences)?;
        self.writer
            .write(move |tx| {
                accounts::by_id(tx.db, tenant, user)?;
                let sql = "INSERT INTO notification_preferences (user_id, tenant_id, preferences) VALUES (?1, ?2, ?3)
                    ON CONFLICT (user_id) DO UPDATE SET preferences = excluded.preferences";
                tx.db.prepare_cached(sql)?.execute(params![user.get(), tenant.get(), preferences])?;
                Ok(())
            })
            .await
    }
}

fn insert(tx: &Tx<'_>, tenant: TenantId, new: &NewNotification) -> DbResult<i64> {
    let sql = "INSERT INTO notifications (tenant_id, job_run_id, channel, dest, payload, template, due_at, created_at)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7)";
    tx.db.prepare_cached(sql)?.execute(params![
        tenant.get(),
        new.run.get(),
        new.channel.as_str(),
        new.dest,
        columns::to_json(&new.payload)?,
        new.template,
        tx.now
    ])?;
    Ok(tx.db.last_insert_rowid())
}

fn by_id(db: &Connection, tenant: TenantId, id: NotificationId) -> DbResult<Notification> {
    let sql = format!("SELECT {COLUMNS} FROM notifications WHERE id = ?1 AND tenant_id = ?2");
    let found = db.prepare_cached(&sql)?.query_row([id.get(), tenant.get()], notification).optional()?;
    Ok(found.ok_or_else(|| missing("notification", id))?)
}

fn list(
    db: &Connection,
    tenant: TenantId,
    filter: NotificationFilter,
    page: Page,
) -> DbResult<Listing<Notification>> {
    // Written out for each, so that each has its index.
    let run = match filter.run {
        Some(_) => "+tenant_id = ?1 AND job_run_id = ?2",
        None => "tenant_id = ?1 AND ?2 IS NULL",
    };
    let status = match filter.status {
        Some(_) => "status = ?3",
        None => "?3 IS NULL",
    };
    let (id, word) = (filter.run.map(RunId::get), filter.status.map(NotificationStatus::as_str));
    let total: i64 = db
        .prepare_cached(&format!("SELECT count(*) FROM notifications WHERE {run} AND {status}"))?
        .query_row(params![tenant.get(), id, word], |row| row.get(0))?;
    let mut find = db.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM notifications WHERE {run} AND {status} ORDER BY id DESC LIMIT ?4 OFFSET ?5"
    ))?;
    let page = params![tenant.get(), id, word, page.limit, columns::count(page.skip)];
    let rows = find.query_map(page, notification)?;
    Ok(Listing { items: rows.collect::<rusqlite::Result<_>>()?, total: total as u64 })
}

fn claim(
    tx: &Tx<'_>,
    (email, webhook): (Option<&str>, Option<&str>),
    limit: i64,
    lease: Duration,
) -> DbResult<Vec<ClaimedNotification>> {
    let sql = format!(
        "SELECT n.id, n.tenant_id, n.template, n.attempts + 1 {DUE} ORDER BY n.due_at, n.id LIMIT ?4"
    );
    let read = |row: &Row<'_>| Ok((row.get(0)?, TenantId::new(row.get(1)?), row.get(2)?, row.get(3)?));
    let mut find = tx.db.prepare_cached(&sql)?;
    let due = find.query_map(params![tx.now, email, webhook, limit], read)?;
    let due: Vec<(i64, TenantId, Option<String>, u32)> = due.collect::<rusqlite::Result<_>>()?;
    let mut claimed = Vec::with_capacity(due.len());
    for (id, tenant, template, attempt) in due {
        let sql = "UPDATE notifications SET attempts = ?2, due_at = ?3 WHERE id = ?1";
        tx.db.prepare_cached(sql)?.execute(params![id, attempt, columns::after(tx.now, lease)])?;
        let notification = by_id(tx.db, tenant, NotificationId::new(id))?;
        claimed.push(ClaimedNotification { tenant, notification, template, attempt });
    }
    Ok(claimed)
}

fn settle(tx: &Tx<'_>, id: NotificationId, attempt: u32, settlement: &Settlement) -> DbResult<bool> {
    let held = "WHERE id = ?1 AND attempts = ?2 AND status = 'pending'";
    let changed = match settlement {
        Settlement::Sent => tx
            .db
            .prepare_cached(&format!(
                "UPDATE notifications SET status = 'sent', sent_at = ?3, error = NULL {held}"
            ))?
            .execute(params![id.get(), attempt, tx.now])?,
        Settlement::Again(wait, reason) => tx
            .db
            .prepare_cached(&format!(
                "UPDATE notifications SET retries = retries + 1, due_at = ?3, error = ?4 {held}"
            ))?
            .execute(params![id.get(), attempt, columns::after(tx.now, *wait), reason])?,
        Settlement::Failed(reason) => tx
            .db
            .prepare_cached(&format!("UPDATE notifications SET status = 'failed', error = ?3 {held}"))?
            .execute(params![id.get(), attempt, reason])?,
    };
    Ok(changed > 0)
}

fn notification(row: &Row<'_>) -> rusqlite::Result<Notification> {
    Ok(Notification {
        id: NotificationId::new(row.get(0)?),
        run: RunId::new(row.get(1)?),
        channel: columns::parsed(row, 2)?,
        dest: row.get(3)?,
        payload: columns::json(row, 4)?,
        status: columns::parsed(row, 5)?,
        sent_at: columns::time_or_none(row, 6)?,
        retries: row.get(7)?,
        error: row.get(8)?,
        due_at: columns::time(row, 9)?,
        created_at: columns::time(row, 10)?,
    })
}

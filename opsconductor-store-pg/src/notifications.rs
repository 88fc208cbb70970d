//! [`Notifications`] in PostgreSQL. Workers claim and settle by the connections that serve all tenants.

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
use sqlx::{PgConnection, postgres::PgRow, types::Json};

use crate::{
    PgStore, columns,
    error::{DbResult, missing},
    history,
};

pub(crate) use ended::{Ending, tell_of_ends};

const BY_ID: &str =
    "SELECT id, job_run_id, channel, dest, payload, status, sent_at, retries, error, due_at, created_at
    FROM :schema.notifications WHERE tenant_id = $1 AND id = $2";

const LIST: &str =
    "SELECT id, job_run_id, channel, dest, payload, status, sent_at, retries, error, due_at, created_at
    FROM :schema.notifications
    WHERE tenant_id = $1 AND ($2::bigint IS NULL OR job_run_id = $2) AND ($3::text IS NULL OR status = $3)
    ORDER BY id DESC LIMIT $4 OFFSET $5";

const INSERT: &str = "INSERT INTO :schema.notifications
        (tenant_id, job_run_id, channel, dest, payload, template, due_at, created_at)
    SELECT $1, $2, $3, $4, $5, $6, now, now FROM (SELECT coalesce($7::timestamptz, clock_timestamp()) AS now) AS moment
    RETURNING id";

const CLAIM: &str = "WITH moment AS MATERIALIZED (SELECT coalesce($1::timestamptz, clock_timestamp()) AS now),
    due AS MATERIALIZED (
        SELECT n.id FROM :schema.notifications AS n
        WHERE n.status = 'pending' AND n.due_at <= (SELECT now FROM moment) AND n.channel = ANY ($2)
            AND NOT EXISTS (SELECT 1 FROM :schema.notification_settings AS s WHERE s.tenant_id = n.tenant_id AND s.stopped)
        ORDER BY n.due_at, n.id LIMIT $3 FOR UPDATE OF n SKIP LOCKED
    )
    UPDATE :schema.notifications AS n
    SET attempts = n.attempts + 1, due_at = (SELECT now FROM moment) + $4 * interval '1 microsecond'
    FROM due WHERE n.id = due.id
    RETURNING n.id, job_run_id, channel, dest, payload, status, sent_at, retries, error, due_at, created_at,
        n.tenant_id, n.template, n.attempts";

#[async_trait]
impl Notifications for PgStore {
    async fn insert_notification(&self, tenant: TenantId, new: NewNotification) -> Result<Notification> {
        Ok(store_one(self, tenant, &new).await?)
    }

    async fn notification(&self, tenant: TenantId, id: NotificationId) -> Result<Notification> {
        Ok(get(self, tenant, id).await?)
    }

    async fn list_notifications(
        &self,
        tenant: TenantId,
        filter: NotificationFilter,
        page: Page,
    ) -> Result<Listing<Notification>> {
        Ok(list(self, tenant, filter, page).await?)
    }

    async fn redrive_notification(&self, tenant: TenantId, id: NotificationId) -> Result<Notification> {
        Ok(redrive(self, tenant, id).await?)
    }

    async fn claim_notifications(
        &self,
        channels: &[Channel],
        limit: usize,
        lease: Duration,
    ) -> Result<Vec<ClaimedNotification>> {
        Ok(claim(self, channels, limit, lease).await?)
    }

    async fn settle_notification(
        &self,
        id: NotificationId,
        attempt: u32,
        settlement: Settlement,
    ) -> Result<bool> {
        Ok(settle(self, id, attempt, &settlement).await?)
    }

    async fn notification_counts(&self, tenant: TenantId) -> Result<NotificationCounts> {
        Ok(counts(self, tenant).await?)
    }

    async fn remove_notifications(&self, age: Duration, limit: usize) -> Result<u64> {
        Ok(remove(self, age, limit).await?)
    }

    async fn notification_settings(&self, tenant: TenantId) -> Result<NotificationSettings> {
        Ok(settings::read(self, tenant).await?)
    }

    async fn change_notification_settings(&self, tenant: TenantId, change: SettingsChange) -> Result<()> {
        Ok(settings::change(self, tenant, &change).await?)
    }

    async fn notification_secrets(&self, tenant: TenantId) -> Result<Vec<NotificationSecret>> {
        Ok(settings::secrets(self, tenant).await?)
    }

    async fn notification_preferences(&self, tenant: TenantId, user: UserId) -> Result<Option<Preferences>> {
        Ok(preferences(self, tenant, user).await?)
    }

    async fn set_notification_preferences(
        &self,
        tenant: TenantId,
        user: UserId,
        preferences: &Preferences,
    ) -> Result<()> {
        Ok(set_preferences(self, tenant, user, preferences).await?)
    }
}

/// Writes one in a transaction that goes on.
async fn insert(
    store: &PgStore,
    tx: &mut PgConnection,
    tenant: TenantId,
    new: &NewNotification,
) -> DbResult<i64> {
    let mut payload = new.payload.clone();
    columns::storable_json(&mut payload);
    Ok(sqlx::query_scalar(store.statements.of(INSERT))
        .bind(tenant.get())
        .bind(new.run.get())
        .bind(new.channel.as_str())
        .bind(columns::storable(&new.dest))
        .bind(Json(payload))
        .bind(new.template.as_deref().map(columns::storable))
        .bind(store.moment())
        .fetch_one(tx)
        .await?)
}

async fn store_one(store: &PgStore, tenant: TenantId, new: &NewNotification) -> DbResult<Notification> {
    let mut tx = store.pools.write(tenant).await?;
    history::run(store, &mut tx, tenant, new.run).await?;
    let id = insert(store, &mut tx, tenant, new).await?;
    tx.concerns(id);
    let made = by_id(store, &mut tx, tenant, NotificationId::new(id)).await?;
    tx.commit().await?;
    Ok(made)
}

async fn by_id(
    store: &PgStore,
    tx: &mut PgConnection,
    tenant: TenantId,
    id: NotificationId,
) -> DbResult<Notification> {
    let found = sqlx::query(store.statements.of(BY_ID)).bind(tenant.get()).bind(id.get()).fetch_optional(tx);
    Ok(notification(&found.await?.ok_or_else(|| missing("notification", id))?)?)
}

async fn get(store: &PgStore, tenant: TenantId, id: NotificationId) -> DbResult<Notification> {
    let mut tx = store.pools.read(tenant).await?;
    let found = by_id(store, &mut tx, tenant, id).await?;
    tx.commit().await?;
    Ok(found)
}

async fn list(
    store: &PgStore,
    tenant: TenantId,
    filter: NotificationFilter,
    page: Page,
) -> DbResult<Listing<Notification>> {
    let (run, status) = (filter.run.map(RunId::get), filter.status.map(NotificationStatus::as_str));
    let mut tx = store.pools.read(tenant).await?;
    let sql = "SELECT count(*) FROM :schema.notifications
        WHERE tenant_id = $1 AND ($2::bigint IS NULL OR job_run_id = $2) AND ($3::text IS NULL OR status = $3)";
    let total: i64 = sqlx::query_scalar(store.statements.of(sql))
        .bind(tenant.get())
        .bind(run)
        .bind(status)
        .fetch_one(&mut *tx)
        .await?;
    let rows = sqlx::query(store.statements.of(LIST))
        .bind(tenant.get())
        .bind(run)
        .bind(status)
        .bind(i64::from(page.limit))
        .bind(columns::count(page.skip))
        .fetch_all(&mut *tx)
        .await?;
    tx.commit().await?;
    let items = rows.iter().map(notification).collect::<sqlx::Result<_>>()?;
    Ok(Listing { items, total: total as u64 })
}

async fn redrive(store: &PgStore, tenant: TenantId, id: NotificationId) -> DbResult<Notification> {
    let mut tx = store.pools.write(tenant).await?;
    let sql = "UPDATE :schema.notifications
        SET status = 'pending', due_at = coalesce($3::timestamptz, clock_timestamp()), attempts = 0, retries = 0, error = NULL
        WHERE tenant_id = $1 AND id = $2 AND status = 'failed'";
    let changed = sqlx::query(store.statements.of(sql))
        .bind(tenant.get())
        .bind(id.get())
        .bind(store.moment())
        .execute(&mut *tx)
        .await?;
    let found = by_id(store, &mut tx, tenant, id).await?;
    if changed.rows_affected() == 0 {
        return Err(not_given_up(id, found.status).into());
    }
    tx.commit().await?;
    Ok(found)
}

async fn claim(
    store: &PgStore,
    channels: &[Channel],
    limit: usize,
    lease: Duration,
) -> DbResult<Vec<ClaimedNotification>> {
    let channels: Vec<&str> = channels.iter().map(|channel| channel.as_str()).collect();
    let mut db = store.pools.queue().await?;
    let rows = sqlx::query(store.statements.of(CLAIM))
        .bind(store.moment())
        .bind(channels)
        .bind(columns::count(limit))
        .bind(columns::micros(lease))
        .fetch_all(&mut *db)
        .await?;
    let read = |row: &PgRow| -> sqlx::Result<ClaimedNotification> {
        Ok(ClaimedNotification {
            tenant: TenantId::new(columns::get(row, 11)?),
            notification: notification(row)?,
            template: columns::get(row, 12)?,
            attempt: columns::unsigned(row, 13)?,
        })
    };
    let mut claimed = rows.iter().map(read).collect::<sqlx::Result<Vec<_>>>()?;
    // As they were due, not as they are now: the order of their ids comes close, and is the same each time.
    claimed.sort_by_key(|claimed| (claimed.notification.created_at, claimed.notification.id));
    Ok(claimed)
}

async fn settle(
    store: &PgStore,
    id: NotificationId,
    attempt: u32,
    settlement: &Settlement,
) -> DbResult<bool> {
    let sql = "UPDATE :schema.notifications AS n
        SET status = $3, retries = n.retries + $4, error = $5,
            sent_at = CASE $3 WHEN 'sent' THEN m.now END,
            due_at = CASE $3 WHEN 'pending' THEN m.now + $6 * interval '1 microsecond' ELSE n.due_at END
        FROM (SELECT coalesce($7::timestamptz, clock_timestamp()) AS now) AS m
        WHERE n.id = $1 AND n.attempts = $2 AND n.status = 'pending'";
    let (status, retries, reason, wait) = match settlement {
        Settlement::Sent => (NotificationStatus::Sent, 0, None, Duration::ZERO),
        Settlement::Again(wait, reason) => (NotificationStatus::Pending, 1, Some(reason), *wait),
        Settlement::Failed(reason) => (NotificationStatus::Failed, 0, Some(reason), Duration::ZERO),
    };
    let mut db = store.pools.queue().await?;
    let changed = sqlx::query(store.statements.of(sql))
        .bind(id.get())
        .bind(columns::int(attempt))
        .bind(status.as_str())
        .bind(retries)
        .bind(reason.map(|reason| columns::storable(reason)))
        .bind(columns::micros(wait))
        .bind(store.moment())
        .execute(&mut *db)
        .await?;
    Ok(changed.rows_affected() > 0)
}

async fn counts(store: &PgStore, tenant: TenantId) -> DbResult<NotificationCounts> {
    let mut tx = store.pools.read(tenant).await?;
    let sql = "SELECT count(*) FILTER (WHERE status = 'pending'), count(*) FILTER (WHERE status = 'failed')
        FROM :schema.notifications WHERE tenant_id = $1 AND status IN ('pending', 'failed')";
    let (pending, failed): (i64, i64) =
        sqlx::query_as(store.statements.of(sql)).bind(tenant.get()).fetch_one(&mut *tx).await?;
    tx.commit().await?;
    Ok(NotificationCounts { pending: pending as u64, failed: failed as u64 })
}

async fn remove(store: &PgStore, age: Duration, limit: usize) -> DbResult<u64> {
    let sql = "DELETE FROM :schema.notifications WHERE id = ANY (ARRAY(
        SELECT id FROM :schema.notifications
        WHERE status <> 'pending' AND created_at < coalesce($1::timestamptz, clock_timestamp()) - $2 * interval '1 microsecond'
        ORDER BY created_at, id LIMIT $3 FOR UPDATE SKIP LOCKED))";
    let mut db = store.pools.queue().await?;
    let gone = sqlx::query(store.statements.of(sql))
        .bind(store.moment())
        .bind(columns::micros(age))
        .bind(columns::count(limit))
        .execute(&mut *db)
        .await?;
    Ok(gone.rows_affected())
}

async fn check_user(store: &PgStore, tx: &mut PgConnection, tenant: TenantId, user: UserId) -> DbResult<()> {
    let sql = "SELECT 1 FROM :schema.users WHERE tenant_id = $1 AND id = $2";
    let found: Option<i32> = sqlx::query_scalar(store.statements.of(sql))
        .bind(tenant.get())
        .bind(user.get())
        .fetch_optional(tx)
        .await?;
    Ok(found.map(drop).ok_or_else(|| missing("user", user))?)
}

async fn preferences(store: &PgStore, tenant: TenantId, user: UserId) -> DbResult<Option<Preferences>> {
    let mut tx = store.pools.read(tenant).await?;
    check_user(store, &mut tx, tenant, user).await?;
    let sql =
        "SELECT preferences FROM :schema.notification_preferences WHERE tenant_id = $1 AND user_id = $2";
    let found: Option<String> = sqlx::query_scalar(store.statements.of(sql))
        .bind(tenant.get())
        .bind(user.get())
        .fetch_optional(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok(found.as_deref().map(serde_json::from_str).transpose()?)
}

async fn set_preferences(
    store: &PgStore,
    tenant: TenantId,
    user: UserId,
    preferences: &Preferences,
) -> DbResult<()> {
    let preferences = columns::to_json(preferences)?;
    let mut tx = store.pools.write(tenant).await?;
    check_user(store, &mut tx, tenant, user).await?;
    let sql =
        "INSERT INTO :schema.notification_preferences (user_id, tenant_id, preferences) VALUES ($1, $2, $3)
        ON CONFLICT (user_id) DO UPDATE SET preferences = excluded.preferences";
    sqlx::query(store.statements.of(sql))
        .bind(user.get())
        .bind(tenant.get())
        .bind(preferences)
        .execute(&mut *tx)
        .await?;
    tx.commit().await
}

fn notification(row: &PgRow) -> sqlx::Result<Notification> {
    let Json(payload) = columns::get(row, 4)?;
    Ok(Notification {
        id: NotificationId::new(columns::get(row, 0)?),
        run: RunId::new(columns::get(row, 1)?),
        channel: columns::parsed(row, 2)?,
        dest: columns::get(row, 3)?,
        payload,
        status: columns::parsed(row, 5)?,
        sent_at: columns::get(row, 6)?,
        retries: columns::unsigned(row, 7)?,
        error: columns::get(row, 8)?,
        due_at: columns::get(row, 9)?,
        created_at: columns::get(row, 10)?,
    })
}

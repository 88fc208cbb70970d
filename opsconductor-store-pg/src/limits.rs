//! [`Limits`] in PostgreSQL. Setting one concerns tasks of the queue, so it is done on the queue's side of the wall, with the
//! tenant in every condition.

pub(crate) mod under_way;

use std::collections::HashMap;

use async_trait::async_trait;
use opsconductor_core::{
    Result,
    id::TenantId,
    store::{Limit, LimitRecord, LimitScope, Limits, Listing, Notice, Page, Pause},
};
use sqlx::{PgConnection, postgres::PgRow};

use crate::{
    PgStore, columns,
    error::{DbResult, missing},
    queue::parking::{self, Lots},
};

#[async_trait]
impl Limits for PgStore {
    async fn set_limit(&self, tenant: TenantId, scope: LimitScope, limit: Limit) -> Result<LimitRecord> {
        limit.check()?;
        Ok(change(self, tenant, scope, Change::Limit(limit)).await?)
    }

    async fn limit(&self, tenant: TenantId, scope: LimitScope) -> Result<LimitRecord> {
        Ok(get(self, tenant, scope).await?)
    }

    async fn list_limits(&self, tenant: TenantId, page: Page) -> Result<Listing<LimitRecord>> {
        Ok(list(self, tenant, page).await?)
    }

    async fn pause(&self, tenant: TenantId, scope: LimitScope, reason: &str) -> Result<LimitRecord> {
        Ok(change(self, tenant, scope, Change::Pause(&columns::storable(reason))).await?)
    }

    async fn resume(&self, tenant: TenantId, scope: LimitScope) -> Result<LimitRecord> {
        Ok(change(self, tenant, scope, Change::Resume).await?)
    }

    async fn wake_limited(&self) -> Result<()> {
        Ok(parking::look_again(self).await?)
    }
}

/// What becomes of a scope.
enum Change<'a> {
    Limit(Limit),
    Pause(&'a str),
    Resume,
}

async fn change(
    store: &PgStore,
    tenant: TenantId,
    scope: LimitScope,
    change: Change<'_>,
) -> DbResult<LimitRecord> {
    let mut tx = store.pools.queue_writing().await?;
    exists(store, &mut tx, tenant, scope).await?;
    let (id, is_new) = row_of(store, &mut tx, tenant, scope).await?;
    let written = match change {
        Change::Limit(limit) => {
            let sql = "UPDATE :schema.limits
                SET next_start = CASE WHEN (rate_starts, rate_per, rate_burst) IS NOT DISTINCT FROM ($3, $4, $5)
                        THEN next_start END,
                    running_max = $2, rate_starts = $3, rate_per = $4, rate_burst = $5
                WHERE id = $1";
            sqlx::query(store.statements.of(sql))
                .bind(id)
                .bind(limit.running.map(i64::from))
                .bind(limit.rate.map(|rate| i64::from(rate.starts)))
                .bind(limit.rate.map(|rate| columns::micros(rate.per)))
                .bind(limit.rate.map(|rate| i64::from(rate.burst)))
        }
        Change::Pause(reason) => {
            let sql = "UPDATE :schema.limits
                SET paused_at = coalesce($3::timestamptz, clock_timestamp()), pause_reason = $2
                WHERE id = $1 AND paused_at IS NULL";
            sqlx::query(store.statements.of(sql)).bind(id).bind(reason).bind(store.moment())
        }
        Change::Resume => {
            let sql = "UPDATE :schema.limits SET paused_at = NULL, pause_reason = NULL WHERE id = $1";
            sqlx::query(store.statements.of(sql)).bind(id)
        }
    };
    written.execute(&mut *tx).await?;
    let record = find(store, &mut tx, tenant, scope).await?;
    let holds = !record.limit.is_none() || record.paused.is_some();
    if holds {
        let all = HashMap::from([(id, u32::MAX)]);
        Lots::lock(store, &mut tx, &[id]).await?.settle(store, &mut tx, &all).await?;
    } else {
        forget(store, &mut tx, tenant, scope).await?;
    }
    tx.commit().await?;
    if is_new && holds {
        under_way::count(store).await?;
    }
    store.notices.tell([Notice::Ready]);
    Ok(record)
}

/// The row of a scope that is there, made if need be and locked, and whether it was. What runs in it is counted from now on.
async fn row_of(
    store: &PgStore,
    tx: &mut PgConnection,
    tenant: TenantId,
    scope: LimitScope,
) -> DbResult<(i64, bool)> {
    let (kind, id) = scope.parts();
    let sql = "INSERT INTO :schema.limits (tenant_id, kind, ref) VALUES ($1, $2, $3)
        ON CONFLICT ON CONSTRAINT limits_scope DO UPDATE SET ref = excluded.ref
        RETURNING id, xmax = 0";
    let (row, is_new): (i64, bool) = sqlx::query_as(store.statements.of(sql))
        .bind(tenant.get())
        .bind(kind)
        .bind(id)
        .fetch_one(&mut *tx)
        .await?;
    if is_new {
        under_way::count_now(store, tx).await?;
    }
    Ok((row, is_new))
}

/// Removes what was set in a scope, and lets go on what it held back.
pub(crate) async fn forget(
    store: &PgStore,
    tx: &mut PgConnection,
    tenant: TenantId,
    scope: LimitScope,
) -> DbResult<()> {
    let (kind, id) = scope.parts();
    let sql = "DELETE FROM :schema.limits WHERE tenant_id = $1 AND kind = $2 AND ref = $3 RETURNING id";
    let gone: Option<i64> = sqlx::query_scalar(store.statements.of(sql))
        .bind(tenant.get())
        .bind(kind)
        .bind(id)
        .fetch_optional(&mut *tx)
        .await?;
    if let Some(limit) = gone {
        let sql = "UPDATE :schema.queue SET parked_on = NULL WHERE parked_on = $1";
        sqlx::query(store.statements.of(sql)).bind(limit).execute(tx).await?;
    }
    Ok(())
}

async fn exists(store: &PgStore, tx: &mut PgConnection, tenant: TenantId, scope: LimitScope) -> DbResult<()> {
    scope.check_settable()?;
    let (kind, id) = scope.parts();
    let sql = match scope {
        LimitScope::Job(_) => "SELECT EXISTS (SELECT 1 FROM :schema.jobs WHERE id = $1 AND tenant_id = $2)",
        LimitScope::Target(_) => {
            "SELECT EXISTS (SELECT 1 FROM :schema.targets WHERE id = $1 AND tenant_id = $2)"
        }
        LimitScope::Credential(_) => {
            "SELECT EXISTS (SELECT 1 FROM :schema.credentials WHERE id = $1 AND tenant_id = $2)"
        }
        _ => "SELECT EXISTS (SELECT 1 FROM :schema.tenants WHERE id = $2 AND $1::bigint = 0)",
    };
    let found: bool =
        sqlx::query_scalar(store.statements.of(sql)).bind(id).bind(tenant.get()).fetch_one(tx).await?;
    if found { Ok(()) } else { Err(missing(kind, id).into()) }
}

const FIND: &str = "SELECT kind, ref, running_max, rate_starts, rate_per, rate_burst, paused_at, pause_reason
    FROM :schema.limits WHERE tenant_id = $1 AND kind = $2 AND ref = $3";

const LIST: &str = "SELECT kind, ref, running_max, rate_starts, rate_per, rate_burst, paused_at, pause_reason
    FROM :schema.limits WHERE tenant_id = $1 AND kind <> 'run' ORDER BY id DESC LIMIT $2 OFFSET $3";

async fn find(
    store: &PgStore,
    tx: &mut PgConnection,
    tenant: TenantId,
    scope: LimitScope,
) -> DbResult<LimitRecord> {
    let (kind, id) = scope.parts();
    let found = sqlx::query(store.statements.of(FIND))
        .bind(tenant.get())
        .bind(kind)
        .bind(id)
        .fetch_optional(tx)
        .await?;
    Ok(found.as_ref().map(record).transpose()?.unwrap_or_else(|| LimitRecord::none(scope)))
}

async fn get(store: &PgStore, tenant: TenantId, scope: LimitScope) -> DbResult<LimitRecord> {
    let mut tx = store.pools.read(tenant).await?;
    exists(store, &mut tx, tenant, scope).await?;
    let record = find(store, &mut tx, tenant, scope).await?;
    tx.commit().await?;
    Ok(record)
}

async fn list(store: &PgStore, tenant: TenantId, page: Page) -> DbResult<Listing<LimitRecord>> {
    let mut tx = store.pools.read(tenant).await?;
    let sql = "SELECT count(*) FROM :schema.limits WHERE tenant_id = $1 AND kind <> 'run'";
    let total: i64 =
        sqlx::query_scalar(store.statements.of(sql)).bind(tenant.get()).fetch_one(&mut *tx).await?;
    let rows = sqlx::query(store.statements.of(LIST))
        .bind(tenant.get())
        .bind(i64::from(page.limit))
        .bind(columns::count(page.skip))
        .fetch_all(&mut *tx)
        .await?;
    tx.commit().await?;
    let items = rows.iter().map(record).collect::<sqlx::Result<_>>()?;
    Ok(Listing { items, total: total as u64 })
}

fn record(row: &PgRow) -> sqlx::Result<LimitRecord> {
    // The column's CHECK knows no other kind.
    let scope = LimitScope::from_parts(columns::get(row, 0)?, columns::get(row, 1)?);
    let paused = match columns::get(row, 6)? {
        Some(since) => Some(Pause { since, reason: columns::text_or_empty(row, 7)? }),
        None => None,
    };
    Ok(LimitRecord { scope: scope.unwrap_or(LimitScope::Tenant), limit: parking::limit(row, 2)?, paused })
}

//! Tenants: over all of them, because a name is looked for before anyone acts in it.

use opsconductor_core::{id::TenantId, tenant::Tenant};
use sqlx::postgres::PgRow;

use crate::{
    PgStore, columns,
    error::{DbResult, missing, taken},
};

pub(super) async fn create(store: &PgStore, name: &str) -> DbResult<Tenant> {
    let sql = "INSERT INTO :schema.tenants (name, created_at) VALUES ($1, coalesce($2::timestamptz, clock_timestamp()))
        ON CONFLICT (name) DO NOTHING RETURNING id, name, created_at";
    let mut db = store.pools.queue().await?;
    let made = sqlx::query(store.statements.of(sql))
        .bind(name)
        .bind(store.moment())
        .fetch_optional(&mut *db)
        .await?;
    read(&made.ok_or_else(|| taken("tenant", name))?)
}

pub(super) async fn by_name(store: &PgStore, name: &str) -> DbResult<Tenant> {
    let sql = "SELECT id, name, created_at FROM :schema.tenants WHERE name = $1";
    let mut db = store.pools.queue().await?;
    let found = sqlx::query(store.statements.of(sql)).bind(name).fetch_optional(&mut *db).await?;
    read(&found.ok_or_else(|| missing("tenant", name))?)
}

fn read(row: &PgRow) -> DbResult<Tenant> {
    Ok(Tenant {
        id: TenantId::new(columns::get(row, 0)?),
        name: columns::get(row, 1)?,
        created_at: columns::get(row, 2)?,
    })
}

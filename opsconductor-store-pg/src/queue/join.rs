//! A run comes in with a transaction of the host's.

use opsconductor_core::{
    Result,
    id::TenantId,
    store::{Enqueued, NewRun},
};
use sqlx::{Connection, PgConnection, Postgres, Transaction};

use super::enqueue::{self, Prepared};
use crate::{PgStore, error::DbResult, notices};

impl PgStore {
    /// Enqueues a run in a transaction of the host's: it is there when that commits, together with the host's own rows, and
    /// gone when that is rolled back. The promises are those of [`Queue::enqueue`](opsconductor_core::store::Queue::enqueue).
    ///
    /// The transaction may be of any pool of the same database. Its role needs the rights of the
    /// [tenant role](crate::roles); its `search_path` and its settings are found again as they were. Workers are told when
    /// it commits. When this fails, what it did is undone and the transaction goes on as it stood before.
    ///
    /// # Errors
    ///
    /// As [`Queue::enqueue`](opsconductor_core::store::Queue::enqueue); an idempotency key that a transaction under way has
    /// used too is waited for.
    pub async fn enqueue_in(
        &self,
        tx: &mut Transaction<'_, Postgres>,
        tenant: TenantId,
        new: NewRun,
    ) -> Result<Enqueued> {
        let prepared = Prepared::of(new)?;
        Ok(enqueue_in(self, tx, tenant, &prepared).await?)
    }
}

async fn enqueue_in(
    store: &PgStore,
    tx: &mut PgConnection,
    tenant: TenantId,
    prepared: &Prepared,
) -> DbResult<Enqueued> {
    // A savepoint: dropped before it is released, it takes the setting back with everything else.
    let mut inner = tx.begin().await?;
    let before: Option<String> = sqlx::query_scalar("SELECT current_setting('opsconductor.tenant', true)")
        .fetch_one(&mut *inner)
        .await?;
    say_tenant(&mut inner, &tenant.to_string()).await?;
    let enqueued = enqueue::write(store, &mut inner, tenant, prepared).await?;
    if !enqueued.repeated {
        sqlx::query("SELECT pg_notify($1, $2)")
            .bind(&store.channel)
            .bind(notices::READY)
            .execute(&mut *inner)
            .await?;
    }
    say_tenant(&mut inner, before.as_deref().unwrap_or_default()).await?;
    inner.commit().await?;
    Ok(enqueued)
}

/// Says for the rest of the transaction whose rows are meant.
async fn say_tenant(tx: &mut PgConnection, tenant: &str) -> DbResult<()> {
    sqlx::query("SELECT set_config('opsconductor.tenant', $1, true)").bind(tenant).execute(tx).await?;
    Ok(())
}

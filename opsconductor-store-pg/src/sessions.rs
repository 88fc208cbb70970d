//! [`Sessions`] in PostgreSQL. Keys are the deployment's, and a refresh token is looked at before its tenant is known: both by
//! the connections that serve all tenants.

use std::time::Duration;

use async_trait::async_trait;
use opsconductor_core::{
    Error, ErrorKind, Result,
    id::{TenantId, UserId},
    store::{FAMILIES_MAX, NewFamily, NewSigningKey, Sessions, SigningKeyRecord, Turn, Turned},
};
use sqlx::{PgConnection, postgres::PgRow};

use crate::{
    PgStore, accounts, columns,
    error::{DbResult, Failure, missing},
};

const KEYS: &str = "SELECT id, purpose, sealed, created_at, ends_at FROM :schema.signing_keys
    WHERE ends_at IS NULL OR ends_at > coalesce($1::timestamptz, clock_timestamp()) ORDER BY created_at DESC, id";

#[async_trait]
impl Sessions for PgStore {
    async fn signing_keys(&self) -> Result<Vec<SigningKeyRecord>> {
        Ok(signing_keys(self).await?)
    }

    async fn rotate_signing_key(
        &self,
        new: NewSigningKey,
        expected: Option<&str>,
        former_life: Duration,
    ) -> Result<()> {
        Ok(rotate(self, &new, expected, former_life).await?)
    }

    async fn begin_family(&self, tenant: TenantId, new: NewFamily) -> Result<()> {
        Ok(begin(self, tenant, &new).await?)
    }

    async fn turn(&self, given: Turn) -> Result<Turned> {
        Ok(turn(self, &given).await?)
    }

    async fn end_family(&self, id: &str) -> Result<()> {
        let mut db = self.pools.queue().await.map_err(Error::from)?;
        Ok(end(self, &mut db, id).await?)
    }
}

async fn signing_keys(store: &PgStore) -> DbResult<Vec<SigningKeyRecord>> {
    let mut db = store.pools.queue().await?;
    let rows = sqlx::query(store.statements.of(KEYS)).bind(store.moment()).fetch_all(&mut *db).await?;
    let read = |row: &PgRow| -> sqlx::Result<SigningKeyRecord> {
        Ok(SigningKeyRecord {
            id: columns::get(row, 0)?,
            purpose: columns::parsed(row, 1)?,
            sealed: columns::get(row, 2)?,
            created_at: columns::get(row, 3)?,
            ends_at: columns::get(row, 4)?,
        })
    };
    Ok(rows.iter().map(read).collect::<sqlx::Result<_>>()?)
}

async fn rotate(
    store: &PgStore,
    new: &NewSigningKey,
    expected: Option<&str>,
    former_life: Duration,
) -> DbResult<()> {
    let conflict =
        || Failure::from(Error::new(ErrorKind::Conflict, "another signing key is the current one"));
    let mut tx = store.pools.queue_transaction().await?;
    let sql = "SELECT id FROM :schema.signing_keys WHERE purpose = $1 AND ends_at IS NULL FOR UPDATE";
    let present: Option<String> = sqlx::query_scalar(store.statements.of(sql))
        .bind(new.purpose.as_str())
        .fetch_optional(&mut *tx)
        .await?;
    if present.as_deref() != expected {
        return Err(conflict());
    }
    let sql = "UPDATE :schema.signing_keys
        SET ends_at = coalesce($2::timestamptz, clock_timestamp()) + $3 * interval '1 microsecond'
        WHERE purpose = $1 AND ends_at IS NULL AND id = $4";
    // Only the one that was expected: another may have become the first meanwhile.
    sqlx::query(store.statements.of(sql))
        .bind(new.purpose.as_str())
        .bind(store.moment())
        .bind(columns::micros(former_life))
        .bind(expected)
        .execute(&mut *tx)
        .await?;
    let sql =
        "DELETE FROM :schema.signing_keys WHERE ends_at <= coalesce($1::timestamptz, clock_timestamp())";
    sqlx::query(store.statements.of(sql)).bind(store.moment()).execute(&mut *tx).await?;
    // Of two that would be the first, an index lets one through.
    let sql = "INSERT INTO :schema.signing_keys (id, purpose, sealed, created_at)
        VALUES ($1, $2, $3, coalesce($4::timestamptz, clock_timestamp()))";
    let written = sqlx::query(store.statements.of(sql))
        .bind(&new.id)
        .bind(new.purpose.as_str())
        .bind(&new.sealed)
        .bind(store.moment())
        .execute(&mut *tx)
        .await;
    written.map_err(|error| {
        let failure = Failure::from(error);
        match failure.constraint() {
            Some("signing_keys_current" | "signing_keys_pkey") => conflict(),
            _ => failure,
        }
    })?;
    Ok(tx.commit().await?)
}

async fn begin(store: &PgStore, owner: TenantId, new: &NewFamily) -> DbResult<()> {
    let mut tx = store.pools.write(owner).await?;
    // Locked, so that two logins of one account together leave no more families than there may be.
    let sql = "SELECT 1 FROM :schema.users WHERE tenant_id = $1 AND id = $2 AND is_active AND token_version = $3 FOR UPDATE";
    let found: Option<i32> = sqlx::query_scalar(store.statements.of(sql))
        .bind(owner.get())
        .bind(new.user.get())
        .bind(new.token_version)
        .fetch_optional(&mut *tx)
        .await?;
    found.ok_or_else(|| missing("user", new.user))?;
    // Those that have ended, and of the others all but the newest that leave room for one more.
    let sql = "DELETE FROM :schema.refresh_families
        WHERE tenant_id = $1 AND user_id = $2
            AND (expires_at <= coalesce($3::timestamptz, clock_timestamp()) OR id NOT IN (
                SELECT id FROM :schema.refresh_families
                WHERE tenant_id = $1 AND user_id = $2 AND expires_at > coalesce($3::timestamptz, clock_timestamp())
                ORDER BY rotated_at DESC, id DESC LIMIT $4))";
    sqlx::query(store.statements.of(sql))
        .bind(owner.get())
        .bind(new.user.get())
        .bind(store.moment())
        .bind(i64::from(FAMILIES_MAX) - 1)
        .execute(&mut *tx)
        .await?;
    let sql = "INSERT INTO :schema.refresh_families
            (id, tenant_id, user_id, token_version, generation, token, created_at, rotated_at, expires_at, ends_at)
        SELECT $1, $2, $3, $4, 0, $5, now, now, now + least($7, $8) * interval '1 microsecond',
            now + $8 * interval '1 microsecond'
        FROM (SELECT coalesce($6::timestamptz, clock_timestamp()) AS now) AS moment";
    sqlx::query(store.statements.of(sql))
        .bind(&new.id)
        .bind(owner.get())
        .bind(new.user.get())
        .bind(new.token_version)
        .bind(&new.token[..])
        .bind(store.moment())
        .bind(columns::micros(new.token_life))
        .bind(columns::micros(new.family_life))
        .execute(&mut *tx)
        .await?;
    tx.commit().await
}

async fn turn(store: &PgStore, given: &Turn) -> DbResult<Turned> {
    let mut tx = store.pools.queue_transaction().await?;
    // The row's lock puts those that come together one after the other.
    let sql = "SELECT tenant_id, user_id, token_version, generation, token,
            expires_at > coalesce($2::timestamptz, clock_timestamp()),
            coalesce($2::timestamptz, clock_timestamp()) <= rotated_at + $3 * interval '1 microsecond'
        FROM :schema.refresh_families WHERE id = $1 FOR UPDATE";
    let found = sqlx::query(store.statements.of(sql))
        .bind(&given.family)
        .bind(store.moment())
        .bind(columns::micros(given.grace))
        .fetch_optional(&mut *tx)
        .await?;
    let Some(row) = found else { return Ok(Turned::Gone) };
    let (owner, user): (i64, i64) = (columns::get(&row, 0)?, columns::get(&row, 1)?);
    let (token_version, present): (i32, i64) = (columns::get(&row, 2)?, columns::get(&row, 3)?);
    let (token, lives, in_time): (Vec<u8>, bool, bool) =
        (columns::get(&row, 4)?, columns::get(&row, 5)?, columns::get(&row, 6)?);
    let user = accounts::by_id(store, &mut tx, TenantId::new(owner), UserId::new(user)).await?;
    let generation = columns::count(given.generation);
    let turned = if !user.is_active || user.token_version != token_version || !lives {
        end(store, &mut tx, &given.family).await?;
        Turned::Gone
    } else if generation == present && token == given.token {
        let sql = "UPDATE :schema.refresh_families
            SET generation = generation + 1, token = $2, rotated_at = now,
                expires_at = least(now + $4 * interval '1 microsecond', ends_at)
            FROM (SELECT coalesce($3::timestamptz, clock_timestamp()) AS now) AS moment WHERE id = $1";
        sqlx::query(store.statements.of(sql))
            .bind(&given.family)
            .bind(&given.next[..])
            .bind(store.moment())
            .bind(columns::micros(given.token_life))
            .execute(&mut *tx)
            .await?;
        Turned::Rotated(user)
    } else if generation.checked_add(1) == Some(present) && token == given.next && in_time {
        Turned::Repeated(user)
    } else {
        end(store, &mut tx, &given.family).await?;
        Turned::Reused(user)
    };
    tx.commit().await?;
    Ok(turned)
}

async fn end(store: &PgStore, db: &mut PgConnection, id: &str) -> DbResult<()> {
    let sql = store.statements.of("DELETE FROM :schema.refresh_families WHERE id = $1");
    sqlx::query(sql).bind(id).execute(db).await?;
    Ok(())
}

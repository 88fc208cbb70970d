//! [`ApiTokens`] in PostgreSQL. A token is looked for over all tenants, because it is known before its tenant is.

use async_trait::async_trait;
use opsconductor_core::{
    Error, ErrorKind, Result,
    id::{ApiTokenId, TenantId, UserId},
    store::{
        API_TOKENS_MAX, ApiTokenRecord, ApiTokens, LAST_USE_STANDS, Listing, NewApiToken, Page, UserRecord,
    },
};
use sqlx::{PgConnection, postgres::PgRow};

use crate::{
    PgStore, accounts, columns,
    error::{DbResult, Failure, missing, taken},
};

const BY_ID: &str = "SELECT id, user_id, name, prefix, role, actions, created_at, expires_at, last_used_at
    FROM :schema.api_tokens WHERE tenant_id = $1 AND id = $2";

const LIST: &str = "SELECT id, user_id, name, prefix, role, actions, created_at, expires_at, last_used_at
    FROM :schema.api_tokens WHERE tenant_id = $1 AND user_id = $2 ORDER BY id DESC LIMIT $3 OFFSET $4";

const FIND: &str = "SELECT t.id, t.user_id, t.name, t.prefix, t.role, t.actions, t.created_at, t.expires_at, t.last_used_at,
        t.tenant_id,
        coalesce(t.last_used_at + $3 * interval '1 microsecond' > coalesce($2::timestamptz, clock_timestamp()), false)
    FROM :schema.api_tokens AS t
    JOIN :schema.users AS u ON u.tenant_id = t.tenant_id AND u.id = t.user_id
    WHERE t.digest = $1 AND u.is_active AND u.token_version = t.token_version
        AND (t.expires_at IS NULL OR t.expires_at > coalesce($2::timestamptz, clock_timestamp()))";

#[async_trait]
impl ApiTokens for PgStore {
    async fn insert_api_token(&self, tenant: TenantId, new: NewApiToken) -> Result<ApiTokenRecord> {
        Ok(insert(self, tenant, &new).await?)
    }

    async fn api_token(&self, tenant: TenantId, id: ApiTokenId) -> Result<ApiTokenRecord> {
        Ok(get(self, tenant, id).await?)
    }

    async fn list_api_tokens(
        &self,
        tenant: TenantId,
        user: UserId,
        page: Page,
    ) -> Result<Listing<ApiTokenRecord>> {
        Ok(list(self, tenant, user, page).await?)
    }

    async fn delete_api_token(&self, tenant: TenantId, id: ApiTokenId) -> Result<()> {
        Ok(delete(self, tenant, id).await?)
    }

    async fn use_api_token(&self, digest: &[u8; 32]) -> Result<Option<(UserRecord, ApiTokenRecord)>> {
        Ok(use_it(self, digest).await?)
    }
}

async fn insert(store: &PgStore, owner: TenantId, new: &NewApiToken) -> DbResult<ApiTokenRecord> {
    let mut tx = store.pools.write(owner).await?;
    // Locked, so that an account has no more tokens than it may.
    let sql = "SELECT 1 FROM :schema.users WHERE tenant_id = $1 AND id = $2 AND is_active AND token_version = $3 FOR UPDATE";
    let found: Option<i32> = sqlx::query_scalar(store.statements.of(sql))
        .bind(owner.get())
        .bind(new.user.get())
        .bind(new.token_version)
        .fetch_optional(&mut *tx)
        .await?;
    found.ok_or_else(|| missing("user", new.user))?;
    let sql = "SELECT count(*), count(*) FILTER (WHERE name = $3) FROM :schema.api_tokens WHERE tenant_id = $1 AND user_id = $2";
    let (all, of_this_name): (i64, i64) = sqlx::query_as(store.statements.of(sql))
        .bind(owner.get())
        .bind(new.user.get())
        .bind(&new.name)
        .fetch_one(&mut *tx)
        .await?;
    if of_this_name > 0 {
        return Err(taken("token", &new.name).into());
    }
    if all >= i64::from(API_TOKENS_MAX) {
        let message = format!("an account has at most {API_TOKENS_MAX} tokens; remove one first");
        return Err(Error::new(ErrorKind::Conflict, message).into());
    }
    let sql = "INSERT INTO :schema.api_tokens
            (tenant_id, user_id, token_version, name, prefix, digest, role, actions, created_at, expires_at)
        SELECT $1, $2, $3, $4, $5, $6, $7, $8, now, now + $10 * interval '1 microsecond'
        FROM (SELECT coalesce($9::timestamptz, clock_timestamp()) AS now) AS moment
        RETURNING id";
    let actions = new.actions.as_ref().map(columns::to_json).transpose()?;
    let id: i64 = sqlx::query_scalar(store.statements.of(sql))
        .bind(owner.get())
        .bind(new.user.get())
        .bind(new.token_version)
        .bind(&new.name)
        .bind(&new.prefix)
        .bind(&new.digest[..])
        .bind(new.role.as_str())
        .bind(actions)
        .bind(store.moment())
        .bind(new.life.map(columns::micros))
        .fetch_one(&mut *tx)
        .await?;
    tx.concerns(id);
    let record = by_id(store, &mut tx, owner, ApiTokenId::new(id)).await?;
    tx.commit().await?;
    Ok(record)
}

async fn by_id(
    store: &PgStore,
    db: &mut PgConnection,
    owner: TenantId,
    id: ApiTokenId,
) -> DbResult<ApiTokenRecord> {
    let found =
        sqlx::query(store.statements.of(BY_ID)).bind(owner.get()).bind(id.get()).fetch_optional(db).await?;
    record(&found.ok_or_else(|| missing("token", id))?)
}

async fn get(store: &PgStore, owner: TenantId, id: ApiTokenId) -> DbResult<ApiTokenRecord> {
    let mut tx = store.pools.read(owner).await?;
    let record = by_id(store, &mut tx, owner, id).await?;
    tx.commit().await?;
    Ok(record)
}

async fn list(
    store: &PgStore,
    owner: TenantId,
    user: UserId,
    page: Page,
) -> DbResult<Listing<ApiTokenRecord>> {
    let mut tx = store.pools.read(owner).await?;
    let sql = "SELECT count(*) FROM :schema.api_tokens WHERE tenant_id = $1 AND user_id = $2";
    let total: i64 = sqlx::query_scalar(store.statements.of(sql))
        .bind(owner.get())
        .bind(user.get())
        .fetch_one(&mut *tx)
        .await?;
    let rows = sqlx::query(store.statements.of(LIST))
        .bind(owner.get())
        .bind(user.get())
        .bind(i64::from(page.limit))
        .bind(columns::count(page.skip))
        .fetch_all(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok(Listing { items: rows.iter().map(record).collect::<DbResult<_>>()?, total: total as u64 })
}

async fn delete(store: &PgStore, owner: TenantId, id: ApiTokenId) -> DbResult<()> {
    let mut tx = store.pools.write(owner).await?;
    let sql = "DELETE FROM :schema.api_tokens WHERE tenant_id = $1 AND id = $2";
    let gone =
        sqlx::query(store.statements.of(sql)).bind(owner.get()).bind(id.get()).execute(&mut *tx).await?;
    tx.commit().await?;
    if gone.rows_affected() == 0 { Err(missing("token", id).into()) } else { Ok(()) }
}

async fn use_it(store: &PgStore, digest: &[u8; 32]) -> DbResult<Option<(UserRecord, ApiTokenRecord)>> {
    let mut db = store.pools.queue().await?;
    let found = sqlx::query(store.statements.of(FIND))
        .bind(&digest[..])
        .bind(store.moment())
        .bind(columns::micros(LAST_USE_STANDS))
        .fetch_optional(&mut *db)
        .await?;
    let Some(row) = found else { return Ok(None) };
    let mut token = record(&row)?;
    let (tenant, stands): (i64, bool) = (columns::get(&row, 9)?, columns::get(&row, 10)?);
    let user = accounts::by_id(store, &mut db, TenantId::new(tenant), token.user).await?;
    if !stands {
        let sql = "UPDATE :schema.api_tokens SET last_used_at = coalesce($2::timestamptz, clock_timestamp())
            WHERE id = $1 RETURNING last_used_at";
        // One that was removed meanwhile is not written.
        token.last_used_at = sqlx::query_scalar(store.statements.of(sql))
            .bind(token.id.get())
            .bind(store.moment())
            .fetch_optional(&mut *db)
            .await?;
    }
    Ok(Some((user, token)))
}

fn record(row: &PgRow) -> DbResult<ApiTokenRecord> {
    let actions: Option<&str> = columns::get(row, 5)?;
    Ok(ApiTokenRecord {
        id: ApiTokenId::new(columns::get(row, 0)?),
        user: UserId::new(columns::get(row, 1)?),
        name: columns::get(row, 2)?,
        prefix: columns::get(row, 3)?,
        role: columns::parsed(row, 4)?,
        actions: actions.map(serde_json::from_str).transpose().map_err(Failure::Json)?,
        created_at: columns::get(row, 6)?,
        expires_at: columns::get(row, 7)?,
        last_used_at: columns::get(row, 8)?,
    })
}

//! [`Accounts`] in PostgreSQL. A login is looked for over all tenants, because a name is known before its tenant is.

use std::time::Duration;

use async_trait::async_trait;
use opsconductor_core::{
    Error, ErrorKind, Result, Secret,
    id::{TenantId, UserId},
    store::{
        Accounts, LOGIN_ATTEMPTS_KEPT, Listing, Login, LoginKey, NewUser, Page, UserChange, UserRecord,
        last_admin, login_wait,
    },
};
use sqlx::{PgConnection, postgres::PgRow};

use crate::{
    PgStore,
    catalog::refused,
    columns,
    error::{DbResult, missing, taken},
};

const BY_ID: &str = "SELECT id, tenant_id, username, email, role, is_active, token_version, created_at
    FROM :schema.users WHERE tenant_id = $1 AND id = $2";

const BY_NAME: &str = "SELECT id, tenant_id, username, email, role, is_active, token_version, created_at
    FROM :schema.users WHERE tenant_id = $1 AND username = $2";

const LIST: &str = "SELECT id, tenant_id, username, email, role, is_active, token_version, created_at
    FROM :schema.users WHERE tenant_id = $1 ORDER BY id DESC LIMIT $2 OFFSET $3";

const LOGIN: &str =
    "SELECT id, tenant_id, username, email, role, is_active, token_version, created_at, pwd_hash
    FROM :schema.users WHERE username = $1";

#[async_trait]
impl Accounts for PgStore {
    async fn insert_user(&self, tenant: TenantId, new: NewUser) -> Result<UserRecord> {
        Ok(insert(self, tenant, &new).await?)
    }

    async fn user(&self, tenant: TenantId, id: UserId) -> Result<UserRecord> {
        Ok(get(self, tenant, id).await?)
    }

    async fn user_by_name(&self, tenant: TenantId, name: &str) -> Result<UserRecord> {
        Ok(by_name(self, tenant, name).await?)
    }

    async fn list_users(&self, tenant: TenantId, page: Page) -> Result<Listing<UserRecord>> {
        Ok(list(self, tenant, page).await?)
    }

    async fn change_user(&self, tenant: TenantId, id: UserId, change: UserChange) -> Result<UserRecord> {
        Ok(update(self, tenant, id, &change).await?)
    }

    async fn delete_user(&self, tenant: TenantId, id: UserId) -> Result<()> {
        Ok(delete(self, tenant, id).await?)
    }

    async fn login(&self, name: &str) -> Result<Option<Login>> {
        Ok(login(self, name).await?)
    }

    async fn upgrade_password(
        &self,
        tenant: TenantId,
        id: UserId,
        old: &Secret<String>,
        new: &Secret<String>,
    ) -> Result<bool> {
        Ok(upgrade(self, tenant, id, (old, new)).await?)
    }

    async fn count_login(&self, key: &LoginKey) -> Result<Option<Duration>> {
        Ok(count_login(self, key).await?)
    }

    async fn forget_logins(&self, key: &LoginKey) -> Result<()> {
        Ok(forget_logins(self, key).await?)
    }
}

async fn insert(store: &PgStore, owner: TenantId, new: &NewUser) -> DbResult<UserRecord> {
    let sql = "INSERT INTO :schema.users (tenant_id, username, email, role, pwd_hash, created_at)
        VALUES ($1, $2, $3, $4, $5, coalesce($6::timestamptz, clock_timestamp())) RETURNING id";
    let mut tx = store.pools.write(owner).await?;
    let written = sqlx::query_scalar(store.statements.of(sql))
        .bind(owner.get())
        .bind(&new.name)
        .bind(&new.email)
        .bind(new.role.as_str())
        .bind(new.password.expose())
        .bind(store.moment())
        .fetch_one(&mut *tx)
        .await;
    let because = |constraint: &str| because(constraint, Some(&new.name), Some(&new.email));
    let id = written.map_err(|error| refused(error, owner, because))?;
    tx.concerns(id);
    let record = by_id(store, &mut tx, owner, UserId::new(id)).await?;
    tx.commit().await?;
    Ok(record)
}

async fn update(store: &PgStore, owner: TenantId, id: UserId, change: &UserChange) -> DbResult<UserRecord> {
    let mut tx = store.pools.write(owner).await?;
    let present = locked(store, &mut tx, owner, id).await?;
    if change.takes_an_admin(&present) {
        another_admin(store, &mut tx, owner, id).await?;
    }
    let sql = "UPDATE :schema.users
        SET username = coalesce($3, username), email = coalesce($4, email), role = coalesce($5, role),
            is_active = coalesce($6, is_active), pwd_hash = coalesce($7, pwd_hash), token_version = token_version + $8
        WHERE tenant_id = $1 AND id = $2";
    let written = sqlx::query(store.statements.of(sql))
        .bind(owner.get())
        .bind(id.get())
        .bind(&change.name)
        .bind(&change.email)
        .bind(change.role.map(|role| role.as_str()))
        .bind(change.is_active)
        .bind(change.password.as_ref().map(|hash| hash.expose().as_str()))
        .bind(i32::from(change.ends_tokens(&present)))
        .execute(&mut *tx)
        .await;
    let because = |constraint: &str| because(constraint, change.name.as_deref(), change.email.as_deref());
    written.map_err(|error| refused(error, owner, because))?;
    let record = by_id(store, &mut tx, owner, id).await?;
    tx.commit().await?;
    Ok(record)
}

async fn delete(store: &PgStore, owner: TenantId, id: UserId) -> DbResult<()> {
    let mut tx = store.pools.write(owner).await?;
    if locked(store, &mut tx, owner, id).await?.is_admin() {
        another_admin(store, &mut tx, owner, id).await?;
    }
    // What lets someone act for the account goes with its row.
    let sql = "DELETE FROM :schema.users WHERE tenant_id = $1 AND id = $2";
    sqlx::query(store.statements.of(sql)).bind(owner.get()).bind(id.get()).execute(&mut *tx).await?;
    tx.commit().await
}

/// The account and every active admin of the tenant, locked in the order of their ids, so that two who would each take an
/// admin see one another and neither waits for the other in a circle.
async fn locked(store: &PgStore, tx: &mut PgConnection, owner: TenantId, id: UserId) -> DbResult<UserRecord> {
    let sql = "SELECT id FROM :schema.users
        WHERE tenant_id = $1 AND (id = $2 OR (role = 'admin' AND is_active)) ORDER BY id FOR UPDATE";
    sqlx::query(store.statements.of(sql)).bind(owner.get()).bind(id.get()).execute(&mut *tx).await?;
    by_id(store, tx, owner, id).await
}

async fn another_admin(
    store: &PgStore,
    tx: &mut PgConnection,
    owner: TenantId,
    than: UserId,
) -> DbResult<()> {
    let sql = "SELECT EXISTS (
        SELECT 1 FROM :schema.users WHERE tenant_id = $1 AND id <> $2 AND role = 'admin' AND is_active)";
    let found: bool =
        sqlx::query_scalar(store.statements.of(sql)).bind(owner.get()).bind(than.get()).fetch_one(tx).await?;
    if found { Ok(()) } else { Err(last_admin(than).into()) }
}

/// Why an account was not written, by the constraint that refused it.
fn because(constraint: &str, name: Option<&str>, email: Option<&str>) -> Option<Error> {
    match constraint {
        "users_name_taken" => Some(taken("user", name.unwrap_or_default())),
        "users_email_taken" => {
            let error = Error::new(ErrorKind::Conflict, "a user with this address exists already");
            Some(error.with("address", email.unwrap_or_default()))
        }
        _ => None,
    }
}

pub(crate) async fn by_id(
    store: &PgStore,
    db: &mut PgConnection,
    owner: TenantId,
    id: UserId,
) -> DbResult<UserRecord> {
    let found =
        sqlx::query(store.statements.of(BY_ID)).bind(owner.get()).bind(id.get()).fetch_optional(db).await?;
    Ok(record(&found.ok_or_else(|| missing("user", id))?)?)
}

async fn get(store: &PgStore, owner: TenantId, id: UserId) -> DbResult<UserRecord> {
    let mut tx = store.pools.read(owner).await?;
    let record = by_id(store, &mut tx, owner, id).await?;
    tx.commit().await?;
    Ok(record)
}

async fn by_name(store: &PgStore, owner: TenantId, name: &str) -> DbResult<UserRecord> {
    let mut tx = store.pools.read(owner).await?;
    let sql = store.statements.of(BY_NAME);
    let found = sqlx::query(sql).bind(owner.get()).bind(name).fetch_optional(&mut *tx).await?;
    tx.commit().await?;
    Ok(record(&found.ok_or_else(|| missing("user", name))?)?)
}

async fn list(store: &PgStore, owner: TenantId, page: Page) -> DbResult<Listing<UserRecord>> {
    let mut tx = store.pools.read(owner).await?;
    let sql = "SELECT count(*) FROM :schema.users WHERE tenant_id = $1";
    let total: i64 =
        sqlx::query_scalar(store.statements.of(sql)).bind(owner.get()).fetch_one(&mut *tx).await?;
    let rows = sqlx::query(store.statements.of(LIST))
        .bind(owner.get())
        .bind(i64::from(page.limit))
        .bind(columns::count(page.skip))
        .fetch_all(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok(Listing { items: rows.iter().map(record).collect::<sqlx::Result<_>>()?, total: total as u64 })
}

async fn login(store: &PgStore, name: &str) -> DbResult<Option<Login>> {
    // No name holds the character that PostgreSQL cannot, and to say so would tell nobody anything.
    if name.contains('\0') {
        return Ok(None);
    }
    let mut db = store.pools.queue().await?;
    let found = sqlx::query(store.statements.of(LOGIN)).bind(name).fetch_optional(&mut *db).await?;
    let read = |row: PgRow| -> sqlx::Result<Login> {
        Ok(Login { user: record(&row)?, password: Secret::new(columns::get(&row, 8)?) })
    };
    Ok(found.map(read).transpose()?)
}

async fn upgrade(
    store: &PgStore,
    owner: TenantId,
    id: UserId,
    (old, new): (&Secret<String>, &Secret<String>),
) -> DbResult<bool> {
    let sql = "UPDATE :schema.users SET pwd_hash = $4 WHERE tenant_id = $1 AND id = $2 AND pwd_hash = $3";
    let mut tx = store.pools.write(owner).await?;
    let written = sqlx::query(store.statements.of(sql))
        .bind(owner.get())
        .bind(id.get())
        .bind(old.expose())
        .bind(new.expose())
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok(written.rows_affected() > 0)
}

async fn count_login(store: &PgStore, key: &LoginKey) -> DbResult<Option<Duration>> {
    let mut tx = store.pools.queue_transaction().await?;
    // The row is made if need be, and locked, so that attempts that come together are counted one after the other.
    let sql =
        "INSERT INTO :schema.login_attempts AS a (key, failed, not_before, last_at) VALUES ($1, 0, 0, 0)
        ON CONFLICT (key) DO UPDATE SET key = excluded.key
        RETURNING a.failed, a.not_before, a.last_at,
            (extract(epoch FROM coalesce($2::timestamptz, clock_timestamp())) * 1000000)::bigint";
    let (failed, not_before, last_at, now): (i64, i64, i64, i64) = sqlx::query_as(store.statements.of(sql))
        .bind(&key[..])
        .bind(store.moment())
        .fetch_one(&mut *tx)
        .await?;
    if not_before > now {
        return Ok(Some(Duration::from_micros(not_before.abs_diff(now))));
    }
    let kept_since = now - columns::micros(LOGIN_ATTEMPTS_KEPT);
    let failed = if last_at < kept_since { 1 } else { failed.saturating_add(1) };
    let wait = login_wait(u32::try_from(failed).unwrap_or(u32::MAX));
    let sql = "UPDATE :schema.login_attempts SET failed = $2, not_before = $3, last_at = $4 WHERE key = $1";
    sqlx::query(store.statements.of(sql))
        .bind(&key[..])
        .bind(failed)
        .bind(now + columns::micros(wait))
        .bind(now)
        .execute(&mut *tx)
        .await?;
    // A few of those that are forgotten go; someone else's row is left to him.
    let sql = "DELETE FROM :schema.login_attempts WHERE key IN (
        SELECT key FROM :schema.login_attempts WHERE last_at < $1 ORDER BY last_at LIMIT 100 FOR UPDATE SKIP LOCKED)";
    sqlx::query(store.statements.of(sql)).bind(kept_since).execute(&mut *tx).await?;
    tx.commit().await?;
    Ok(None)
}

async fn forget_logins(store: &PgStore, key: &LoginKey) -> DbResult<()> {
    let mut db = store.pools.queue().await?;
    let sql = store.statements.of("DELETE FROM :schema.login_attempts WHERE key = $1");
    sqlx::query(sql).bind(&key[..]).execute(&mut *db).await?;
    Ok(())
}

pub(crate) fn record(row: &PgRow) -> sqlx::Result<UserRecord> {
    Ok(UserRecord {
        id: UserId::new(columns::get(row, 0)?),
        tenant: TenantId::new(columns::get(row, 1)?),
        name: columns::get(row, 2)?,
        email: columns::get(row, 3)?,
        role: columns::parsed(row, 4)?,
        is_active: columns::get(row, 5)?,
        token_version: columns::get(row, 6)?,
        created_at: columns::get(row, 7)?,
    })
}

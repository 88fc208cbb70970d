//! [`Accounts`] in SQLite.

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
use rusqlite::{Connection, OptionalExtension, Row, named_params, params};

use crate::{
    SqliteStore,
    catalog::tenant,
    columns,
    error::{DbResult, missing, taken},
    writer::Tx,
};

/// In this order everywhere; `pwd_hash` is last.
const COLUMNS: &str = "id, tenant_id, username, email, role, is_active, token_version, created_at, pwd_hash";

#[async_trait]
impl Accounts for SqliteStore {
    async fn insert_user(&self, tenant: TenantId, new: NewUser) -> Result<UserRecord> {
        self.writer.write(move |tx| insert(tx, tenant, &new)).await
    }

    async fn user(&self, tenant: TenantId, id: UserId) -> Result<UserRecord> {
        self.readers.glance(move |db| by_id(db, tenant, id)).await
    }

    async fn user_by_name(&self, tenant: TenantId, name: &str) -> Result<UserRecord> {
        let name = name.to_owned();
        self.readers.glance(move |db| by_name(db, tenant, &name)).await
    }

    async fn list_users(&self, tenant: TenantId, page: Page) -> Result<Listing<UserRecord>> {
        self.readers.read(move |db| list(db, tenant, page)).await
    }

    async fn change_user(&self, tenant: TenantId, id: UserId, change: UserChange) -> Result<UserRecord> {
        self.writer.write(move |tx| update(tx, tenant, id, &change)).await
    }

    async fn delete_user(&self, tenant: TenantId, id: UserId) -> Result<()> {
        self.writer.write(move |tx| delete(tx, tenant, id)).await
    }

    async fn login(&self, name: &str) -> Result<Option<Login>> {
        let name = name.to_owned();
        self.readers.glance(move |db| login(db, &name)).await
    }

    async fn upgrade_password(
        &self,
        tenant: TenantId,
        id: UserId,
        old: &Secret<String>,
        new: &Secret<String>,
    ) -> Result<bool> {
        let (old, new) = (old.clone(), new.clone());
        self.writer
            .write(move |tx| {
                let sql = "UPDATE users SET pwd_hash = ?4 WHERE id = ?1 AND tenant_id = ?2 AND pwd_hash = ?3";
                let given = params![id.get(), tenant.get(), old.expose(), new.expose()];
                Ok(tx.db.prepare_cached(sql)?.execute(given)? > 0)
            })
            .await
    }

    async fn count_login(&self, key: &LoginKey) -> Result<Option<Duration>> {
        let key = *key;
        self.writer.write(move |tx| count_login(tx, &key)).await
    }

    async fn forget_logins(&self, key: &LoginKey) -> Result<()> {
        let key = *key;
        self.writer
            .write(move |tx| {
                tx.db.prepare_cached("DELETE FROM login_attempts WHERE key = ?1")?.execute([key])?;
                Ok(())
            })
            .await
    }
}

fn insert(tx: &mut Tx<'_>, owner: TenantId, new: &NewUser) -> DbResult<UserRecord> {
    tenant::check(tx.db, owner)?;
    check_names(tx.db, None, Some(&new.name), Some(&new.email))?;
    let sql = "INSERT INTO users (tenant_id, username, email, role, pwd_hash, created_at)
        VALUES (:tenant, :name, :email, :role, :password, :now)";
    tx.db.prepare_cached(sql)?.execute(named_params! {
        ":tenant": owner.get(),
        ":name": new.name,
        ":email": new.email,
        ":role": new.role.as_str(),
        ":password": new.password.expose(),
        ":now": tx.now,
    })?;
    let id = tx.db.last_insert_rowid();
    tx.concerns(id);
    by_id(tx.db, owner, UserId::new(id))
}

fn update(tx: &mut Tx<'_>, owner: TenantId, id: UserId, change: &UserChange) -> DbResult<UserRecord> {
    let present = by_id(tx.db, owner, id)?;
    check_names(tx.db, Some(id), change.name.as_deref(), change.email.as_deref())?;
    if change.takes_an_admin(&present) {
        another_admin(tx.db, owner, id)?;
    }
    let sql = "UPDATE users
        SET username = coalesce(:name, username), email = coalesce(:email, email), role = coalesce(:role, role),
            is_active = coalesce(:active, is_active), pwd_hash = coalesce(:password, pwd_hash),
            token_version = token_version + :raised
        WHERE id = :id";
    tx.db.prepare_cached(sql)?.execute(named_params! {
        ":id": id.get(),
        ":name": change.name,
        ":email": change.email,
        ":role": change.role.map(|role| role.as_str()),
        ":active": change.is_active,
        ":password": change.password.as_ref().map(Secret::expose),
        ":raised": i32::from(change.ends_tokens(&present)),
    })?;
    by_id(tx.db, owner, id)
}

fn delete(tx: &mut Tx<'_>, owner: TenantId, id: UserId) -> DbResult<()> {
    if by_id(tx.db, owner, id)?.is_admin() {
        another_admin(tx.db, owner, id)?;
    }
    // What lets someone act for the account goes with its row.
    tx.db.prepare_cached("DELETE FROM users WHERE id = ?1")?.execute([id.get()])?;
    Ok(())
}

/// Refuses a name or an address that someone else has, in whatever tenant. There is one writer, so it stays true.
fn check_names(db: &Connection, id: Option<UserId>, name: Option<&str>, email: Option<&str>) -> DbResult<()> {
    let id = id.map_or(0, UserId::get);
    if let Some(name) = name
        && db
            .prepare_cached("SELECT 1 FROM users WHERE username = ?1 AND id <> ?2")?
            .exists(params![name, id])?
    {
        return Err(taken("user", name).into());
    }
    if let Some(email) = email
        && db
            .prepare_cached("SELECT 1 FROM users WHERE email = ?1 AND id <> ?2")?
            .exists(params![email, id])?
    {
        let error = Error::new(ErrorKind::Conflict, "a user with this address exists already");
        return Err(error.with("address", email).into());
    }
    Ok(())
}

fn another_admin(db: &Connection, owner: TenantId, than: UserId) -> DbResult<()> {
    let sql = "SELECT 1 FROM users WHERE tenant_id = ?1 AND id <> ?2 AND role = 'admin' AND is_active = 1";
    let found = db.prepare_cached(sql)?.exists([owner.get(), than.get()])?;
    if found { Ok(()) } else { Err(last_admin(than).into()) }
}

fn count_login(tx: &mut Tx<'_>, key: &LoginKey) -> DbResult<Option<Duration>> {
    let now = tx.steady;
    let kept_since = now.saturating_sub(columns::after(0, LOGIN_ATTEMPTS_KEPT));
    tx.db.prepare_cached("DELETE FROM login_attempts WHERE last_at < ?1")?.execute([kept_since])?;
    let mut find = tx.db.prepare_cached("SELECT failed, not_before FROM login_attempts WHERE key = ?1")?;
    let found: Option<(u32, i64)> = find.query_row([key], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    let failed = match found {
        Some((_, not_before)) if not_before > now => {
            return Ok(Some(Duration::from_micros(not_before.abs_diff(now))));
        }
        found => found.map_or(0, |(failed, _)| failed).saturating_add(1),
    };
    let sql = "INSERT INTO login_attempts (key, failed, not_before, last_at) VALUES (?1, ?2, ?3, ?4)
        ON CONFLICT (key) DO UPDATE
        SET failed = excluded.failed, not_before = excluded.not_before, last_at = excluded.last_at";
    let not_before = columns::after(now, login_wait(failed));
    tx.db.prepare_cached(sql)?.execute(params![key, failed, not_before, now])?;
    Ok(None)
}

pub(crate) fn by_id(db: &Connection, owner: TenantId, id: UserId) -> DbResult<UserRecord> {
    let sql = format!("SELECT {COLUMNS} FROM users WHERE id = ?1 AND tenant_id = ?2");
    let found = db.prepare_cached(&sql)?.query_row([id.get(), owner.get()], record).optional()?;
    Ok(found.ok_or_else(|| missing("user", id))?)
}

fn by_name(db: &Connection, owner: TenantId, name: &str) -> DbResult<UserRecord> {
    let sql = format!("SELECT {COLUMNS} FROM users WHERE tenant_id = ?1 AND username = ?2");
    let found = db.prepare_cached(&sql)?.query_row(params![owner.get(), name], record).optional()?;
    Ok(found.ok_or_else(|| missing("user", name))?)
}

fn list(db: &Connection, owner: TenantId, page: Page) -> DbResult<Listing<UserRecord>> {
    let total: i64 = db
        .prepare_cached("SELECT count(*) FROM users WHERE tenant_id = ?1")?
        .query_row([owner.get()], |row| row.get(0))?;
    let sql = format!("SELECT {COLUMNS} FROM users WHERE tenant_id = ?1 ORDER BY id DESC LIMIT ?2 OFFSET ?3");
    let mut find = db.prepare_cached(&sql)?;
    let rows = find.query_map(params![owner.get(), page.limit, columns::count(page.skip)], record)?;
    Ok(Listing { items: rows.collect::<rusqlite::Result<_>>()?, total: total as u64 })
}

fn login(db: &Connection, name: &str) -> DbResult<Option<Login>> {
    let sql = format!("SELECT {COLUMNS} FROM users WHERE username = ?1");
    let mut find = db.prepare_cached(&sql)?;
    let found =
        find.query_row([name], |row| Ok(Login { user: record(row)?, password: Secret::new(row.get(8)?) }));
    Ok(found.optional()?)
}

pub(crate) fn record(row: &Row<'_>) -> rusqlite::Result<UserRecord> {
    Ok(UserRecord {
        id: UserId::new(row.get(0)?),
        tenant: TenantId::new(row.get(1)?),
        name: row.get(2)?,
        email: row.get(3)?,
        role: columns::parsed(row, 4)?,
        is_active: row.get(5)?,
        token_version: row.get(6)?,
        created_at: columns::time(row, 7)?,
    })
}

//! [`Sessions`] in SQLite.

use std::time::Duration;

use async_trait::async_trait;
use opsconductor_core::{
    Error, ErrorKind, Result,
    id::{TenantId, UserId},
    store::{FAMILIES_MAX, NewFamily, NewSigningKey, Sessions, SigningKeyRecord, Turn, Turned},
};
use rusqlite::{Connection, OptionalExtension, named_params, params};

use crate::{
    SqliteStore, accounts, columns,
    error::{DbResult, Failure, missing},
    writer::Tx,
};

#[async_trait]
impl Sessions for SqliteStore {
    async fn signing_keys(&self) -> Result<Vec<SigningKeyRecord>> {
        let now = self.clock.now().timestamp_micros();
        self.readers.glance(move |db| signing_keys(db, now)).await
    }

    async fn rotate_signing_key(
        &self,
        new: NewSigningKey,
        expected: Option<&str>,
        former_life: Duration,
    ) -> Result<()> {
        let expected = expected.map(str::to_owned);
        self.writer.write(move |tx| rotate(tx, &new, expected.as_deref(), former_life)).await
    }

    async fn begin_family(&self, tenant: TenantId, new: NewFamily) -> Result<()> {
        self.writer.write(move |tx| begin(tx, tenant, &new)).await
    }

    async fn turn(&self, given: Turn) -> Result<Turned> {
        self.writer.write(move |tx| turn(tx, &given)).await
    }

    async fn end_family(&self, id: &str) -> Result<()> {
        let id = id.to_owned();
        self.writer.write(move |tx| end(tx.db, &id)).await
    }
}

fn signing_keys(db: &Connection, now: i64) -> DbResult<Vec<SigningKeyRecord>> {
    let sql = "SELECT id, purpose, sealed, created_at, ends_at FROM signing_keys
        WHERE ends_at IS NULL OR ends_at > ?1 ORDER BY created_at DESC, rowid DESC";
    let mut find = db.prepare_cached(sql)?;
    let rows = find.query_map([now], |row| {
        Ok(SigningKeyRecord {
            id: row.get(0)?,
            purpose: columns::parsed(row, 1)?,
            sealed: row.get(2)?,
            created_at: columns::time(row, 3)?,
            ends_at: columns::time_or_none(row, 4)?,
        })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn rotate(
    tx: &mut Tx<'_>,
    new: &NewSigningKey,
    expected: Option<&str>,
    former_life: Duration,
) -> DbResult<()> {
    let conflict =
        || Failure::from(Error::new(ErrorKind::Conflict, "another signing key is the current one"));
    let sql = "SELECT id FROM signing_keys WHERE purpose = ?1 AND ends_at IS NULL";
    let present: Option<String> =
        tx.db.prepare_cached(sql)?.query_row([new.purpose.as_str()], |row| row.get(0)).optional()?;
    if present.as_deref() != expected
        || tx.db.prepare_cached("SELECT 1 FROM signing_keys WHERE id = ?1")?.exists([&new.id])?
    {
        return Err(conflict());
    }
    let sql = "UPDATE signing_keys SET ends_at = ?2 WHERE purpose = ?1 AND ends_at IS NULL";
    let ends_at = columns::after(tx.now, former_life);
    tx.db.prepare_cached(sql)?.execute(params![new.purpose.as_str(), ends_at])?;
    tx.db.prepare_cached("DELETE FROM signing_keys WHERE ends_at <= ?1")?.execute([tx.now])?;
    let sql = "INSERT INTO signing_keys (id, purpose, sealed, created_at) VALUES (?1, ?2, ?3, ?4)";
    tx.db.prepare_cached(sql)?.execute(params![new.id, new.purpose.as_str(), new.sealed, tx.now])?;
    Ok(())
}

fn begin(tx: &mut Tx<'_>, owner: TenantId, new: &NewFamily) -> DbResult<()> {
    let user = accounts::by_id(tx.db, owner, new.user)?;
    if !user.is_active || user.token_version != new.token_version {
        return Err(missing("user", new.user).into());
    }
    // Those that have ended, and of the others all but the newest that leave room for one more.
    let sql = "DELETE FROM refresh_families WHERE user_id = ?1 AND (expires_at <= ?2 OR id NOT IN (
        SELECT id FROM refresh_families WHERE user_id = ?1 AND expires_at > ?2
        ORDER BY rotated_at DESC, id DESC LIMIT ?3))";
    tx.db.prepare_cached(sql)?.execute(params![new.user.get(), tx.now, FAMILIES_MAX - 1])?;
    let sql = "INSERT INTO refresh_families
            (id, tenant_id, user_id, token_version, generation, token, created_at, rotated_at, expires_at, ends_at)
        VALUES (:id, :tenant, :user, :version, 0, :token, :now, :now, :expires, :ends)";
    let ends = columns::after(tx.now, new.family_life);
    tx.db.prepare_cached(sql)?.execute(named_params! {
        ":id": new.id,
        ":tenant": owner.get(),
        ":user": new.user.get(),
        ":version": new.token_version,
        ":token": new.token,
        ":now": tx.now,
        ":expires": columns::after(tx.now, new.token_life).min(ends),
        ":ends": ends,
    })?;
    Ok(())
}

/// A family's row.
struct Family {
    tenant: TenantId,
    user: UserId,
    token_version: i32,
    generation: i64,
    token: [u8; 32],
    rotated_at: i64,
    expires_at: i64,
}

fn turn(tx: &mut Tx<'_>, given: &Turn) -> DbResult<Turned> {
    let sql = "SELECT tenant_id, user_id, token_version, generation, token, rotated_at, expires_at
        FROM refresh_families WHERE id = ?1";
    let found = tx.db.prepare_cached(sql)?.query_row([&given.family], |row| {
        Ok(Family {
            tenant: TenantId::new(row.get(0)?),
            user: UserId::new(row.get(1)?),
            token_version: row.get(2)?,
            generation: row.get(3)?,
            token: row.get(4)?,
            rotated_at: row.get(5)?,
            expires_at: row.get(6)?,
        })
    });
    let Some(family) = found.optional()? else { return Ok(Turned::Gone) };
    let user = accounts::by_id(tx.db, family.tenant, family.user)?;
    if !user.is_active || user.token_version != family.token_version || family.expires_at <= tx.now {
        end(tx.db, &given.family)?;
        return Ok(Turned::Gone);
    }
    let generation = columns::count(given.generation);
    if generation == family.generation && given.token == family.token {
        let sql = "UPDATE refresh_families
            SET generation = generation + 1, token = ?2, rotated_at = ?3, expires_at = min(?4, ends_at) WHERE id = ?1";
        let expires_at = columns::after(tx.now, given.token_life);
        tx.db.prepare_cached(sql)?.execute(params![given.family, given.next, tx.now, expires_at])?;
        return Ok(Turned::Rotated(user));
    }
    let in_time = tx.now <= columns::after(family.rotated_at, given.grace);
    if generation.checked_add(1) == Some(family.generation) && given.next == family.token && in_time {
        return Ok(Turned::Repeated(user));
    }
    end(tx.db, &given.family)?;
    Ok(Turned::Reused(user))
}

fn end(db: &Connection, id: &str) -> DbResult<()> {
    db.prepare_cached("DELETE FROM refresh_families WHERE id = ?1")?.execute([id])?;
    Ok(())
}

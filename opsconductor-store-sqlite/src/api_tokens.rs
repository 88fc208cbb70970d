//! [`ApiTokens`] in SQLite.

use async_trait::async_trait;
use opsconductor_core::{
    Error, ErrorKind, Result,
    id::{ApiTokenId, TenantId, UserId},
    store::{
        API_TOKENS_MAX, ApiTokenRecord, ApiTokens, LAST_USE_STANDS, Listing, NewApiToken, Page, UserRecord,
    },
};
use rusqlite::{Connection, OptionalExtension, Row, named_params, params};

use crate::{
    SqliteStore, accounts, columns,
    error::{DbResult, missing, taken},
    writer::Tx,
};

const COLUMNS: &str = "id, user_id, name, prefix, role, actions, created_at, expires_at, last_used_at";

#[async_trait]
impl ApiTokens for SqliteStore {
    async fn insert_api_token(&self, tenant: TenantId, new: NewApiToken) -> Result<ApiTokenRecord> {
        let actions = new.actions.as_ref().map(columns::to_json).transpose()?;
        self.writer.write(move |tx| insert(tx, tenant, &new, actions.as_deref())).await
    }

    async fn api_token(&self, tenant: TenantId, id: ApiTokenId) -> Result<ApiTokenRecord> {
        self.readers.glance(move |db| by_id(db, tenant, id)).await
    }

    async fn list_api_tokens(
        &self,
        tenant: TenantId,
        user: UserId,
        page: Page,
    ) -> Result<Listing<ApiTokenRecord>> {
        self.readers.read(move |db| list(db, tenant, user, page)).await
    }

    async fn delete_api_token(&self, tenant: TenantId, id: ApiTokenId) -> Result<()> {
        self.writer
            .write(move |tx| {
                by_id(tx.db, tenant, id)?;
                tx.db.prepare_cached("DELETE FROM api_tokens WHERE id = ?1")?.execute([id.get()])?;
                Ok(())
            })
            .await
    }

    async fn use_api_token(&self, digest: &[u8; 32]) -> Result<Option<(UserRecord, ApiTokenRecord)>> {
        let (digest, now) = (*digest, self.clock.now().timestamp_micros());
        let found = self.readers.glance(move |db| find(db, &digest, now)).await?;
        let Some((user, mut token)) = found else { return Ok(None) };
        let stands_until = |last: i64| columns::after(last, LAST_USE_STANDS);
        if token.last_used_at.is_none_or(|last| stands_until(last.timestamp_micros()) <= now) {
            let id = token.id;
            // A token that was removed meanwhile is not written.
            let written = self.writer.write(move |tx| {
                let sql = "UPDATE api_tokens SET last_used_at = ?2 WHERE id = ?1";
                tx.db.prepare_cached(sql)?.execute([id.get(), now])?;
                Ok(())
            });
            written.await?;
            token.last_used_at = Some(columns::moment(now));
        }
        Ok(Some((user, token)))
    }
}

fn insert(
    tx: &mut Tx<'_>,
    owner: TenantId,
    new: &NewApiToken,
    actions: Option<&str>,
) -> DbResult<ApiTokenRecord> {
    let user = accounts::by_id(tx.db, owner, new.user)?;
    if !user.is_active || user.token_version != new.token_version {
        return Err(missing("user", new.user).into());
    }
    let sql = "SELECT 1 FROM api_tokens WHERE user_id = ?1 AND name = ?2";
    if tx.db.prepare_cached(sql)?.exists(params![new.user.get(), new.name])? {
        return Err(taken("token", &new.name).into());
    }
    let sql = "SELECT count(*) FROM api_tokens WHERE user_id = ?1";
    let count: u32 = tx.db.prepare_cached(sql)?.query_row([new.user.get()], |row| row.get(0))?;
    if count >= API_TOKENS_MAX {
        let message = format!("an account has at most {API_TOKENS_MAX} tokens; remove one first");
        return Err(Error::new(ErrorKind::Conflict, message).into());
    }
    let sql = "INSERT INTO api_tokens
            (tenant_id, user_id, token_version, name, prefix, digest, role, actions, created_at, expires_at)
        VALUES (:tenant, :user, :version, :name, :prefix, :digest, :role, :actions, :now, :expires)";
    tx.db.prepare_cached(sql)?.execute(named_params! {
        ":tenant": owner.get(),
        ":user": new.user.get(),
        ":version": new.token_version,
        ":name": new.name,
        ":prefix": new.prefix,
        ":digest": new.digest,
        ":role": new.role.as_str(),
        ":actions": actions,
        ":now": tx.now,
        ":expires": new.life.map(|life| columns::after(tx.now, life)),
    })?;
    let id = tx.db.last_insert_rowid();
    tx.concerns(id);
    by_id(tx.db, owner, ApiTokenId::new(id))
}

fn by_id(db: &Connection, owner: TenantId, id: ApiTokenId) -> DbResult<ApiTokenRecord> {
    let sql = format!("SELECT {COLUMNS} FROM api_tokens WHERE id = ?1 AND tenant_id = ?2");
    let found = db.prepare_cached(&sql)?.query_row([id.get(), owner.get()], record).optional()?;
    Ok(found.ok_or_else(|| missing("token", id))?)
}

fn list(db: &Connection, owner: TenantId, user: UserId, page: Page) -> DbResult<Listing<ApiTokenRecord>> {
    let of = [owner.get(), user.get()];
    let total: i64 = db
        .prepare_cached("SELECT count(*) FROM api_tokens WHERE tenant_id = ?1 AND user_id = ?2")?
        .query_row(of, |row| row.get(0))?;
    let sql = format!(
        "SELECT {COLUMNS} FROM api_tokens WHERE tenant_id = ?1 AND user_id = ?2 ORDER BY id DESC LIMIT ?3 OFFSET ?4"
    );
    let mut find = db.prepare_cached(&sql)?;
    let rows = find.query_map(params![of[0], of[1], page.limit, columns::count(page.skip)], record)?;
    Ok(Listing { items: rows.collect::<rusqlite::Result<_>>()?, total: total as u64 })
}

fn find(db: &Connection, digest: &[u8; 32], now: i64) -> DbResult<Option<(UserRecord, ApiTokenRecord)>> {
    let sql = format!("SELECT {COLUMNS}, tenant_id, token_version FROM api_tokens WHERE digest = ?1");
    let found = db
        .prepare_cached(&sql)?
        .query_row([digest], |row| Ok((record(row)?, TenantId::new(row.get(9)?), row.get::<_, i32>(10)?)));
    let Some((token, tenant, version)) = found.optional()? else { return Ok(None) };
    if token.expires_at.is_some_and(|end| end <= columns::moment(now)) {
        return Ok(None);
    }
    let user = accounts::by_id(db, tenant, token.user)?;
    Ok((user.is_active && user.token_version == version).then_some((user, token)))
}

fn record(row: &Row<'_>) -> rusqlite::Result<ApiTokenRecord> {
    Ok(ApiTokenRecord {
        id: ApiTokenId::new(row.get(0)?),
        user: UserId::new(row.get(1)?),
        name: row.get(2)?,
        prefix: row.get(3)?,
        role: columns::parsed(row, 4)?,
        actions: columns::json_or_default(row, 5)?,
        created_at: columns::time(row, 6)?,
        expires_at: columns::time_or_none(row, 7)?,
        last_used_at: columns::time_or_none(row, 8)?,
    })
}

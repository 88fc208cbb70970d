//! Staging and chaining.

use std::collections::BTreeMap;

use opsconductor_core::{
    audit::{Chained, Entry, Hash, Head, staging::Staged},
    id::{TenantId, UserId},
};
use rusqlite::{Connection, OptionalExtension, named_params, params};

use crate::{
    columns,
    error::{DbResult, missing},
    writer::Tx,
};

/// Writes entries in the transaction.
pub(crate) fn write(tx: &mut Tx<'_>, entries: Vec<Staged>) -> DbResult<()> {
    let mut heads = Heads::default();
    for Staged { entry, strict } in entries {
        if strict {
            heads.append(tx.db, tx.now, entry)?;
            continue;
        }
        let sql = "INSERT INTO audit_staged (tenant_id, at, entry) VALUES (?1, ?2, ?3)";
        let text = columns::to_json(&entry)?;
        tx.db.prepare_cached(sql)?.execute(params![entry.tenant().get(), tx.now, text])?;
    }
    heads.write(tx.db)
}

pub(super) fn append(tx: &mut Tx<'_>, entries: Vec<Staged>) -> DbResult<()> {
    let mut known = tx.db.prepare_cached("SELECT 1 FROM tenants WHERE id = ?1")?;
    for staged in &entries {
        let tenant = staged.entry.tenant();
        if !known.exists([tenant.get()])? {
            return Err(missing("tenant", tenant).into());
        }
    }
    drop(known);
    write(tx, entries)
}

/// Whether an entry waits to be chained.
pub(super) fn is_waiting(db: &Connection) -> DbResult<bool> {
    Ok(db.prepare_cached("SELECT EXISTS (SELECT 1 FROM audit_staged)")?.query_row([], |row| row.get(0))?)
}

/// Chains what was staged.
pub(super) fn sequence(tx: &mut Tx<'_>, limit: usize) -> DbResult<u64> {
    let mut find = tx.db.prepare_cached("SELECT id, at, entry FROM audit_staged ORDER BY id LIMIT ?1")?;
    let waiting = find
        .query_map([columns::count(limit)], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, String>(2)?))
        })?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    let mut heads = Heads::default();
    for (_, at, entry) in &waiting {
        heads.append(tx.db, *at, serde_json::from_str(entry)?)?;
    }
    if let Some((last, ..)) = waiting.last() {
        tx.db.prepare_cached("DELETE FROM audit_staged WHERE id <= ?1")?.execute([last])?;
    }
    heads.write(tx.db)?;
    Ok(waiting.len() as u64)
}

/// The ends of the chains that something is added to.
#[derive(Default)]
struct Heads(BTreeMap<TenantId, Head>);

impl Heads {
    /// Adds a record at the end of its chain.
    fn append(&mut self, db: &Connection, at: i64, entry: Entry) -> DbResult<()> {
        let tenant = entry.tenant();
        let head = match self.0.entry(tenant) {
            std::collections::btree_map::Entry::Occupied(known) => known.into_mut(),
            std::collections::btree_map::Entry::Vacant(free) => free.insert(read(db, tenant)?),
        };
        let Chained { record, hash } = head.link(columns::moment(at), entry);
        let sql = "INSERT INTO audit_log
                (tenant_id, seq, ts, actor_id, actor, action, resource_type, resource_id, outcome, ip, user_agent, details,
                 prev_hash, record_hash)
            VALUES (:tenant, :seq, :ts, :actor_id, :actor, :action, :type, :id, :outcome, :ip, :agent, :details, :prev, :hash)";
        db.prepare_cached(sql)?.execute(named_params! {
            ":tenant": tenant.get(),
            ":seq": columns::count(record.seq),
            ":ts": record.at.timestamp_micros(),
            ":actor_id": record.actor_id.map(UserId::get),
            ":actor": record.actor,
            ":action": record.action,
            ":type": record.resource_type,
            ":id": record.resource_id,
            ":outcome": record.outcome.as_str(),
            ":ip": record.ip,
            ":agent": record.user_agent,
            ":details": columns::to_json(&record.details)?,
            ":prev": &record.prev.as_bytes()[..],
            ":hash": &hash.as_bytes()[..],
        })?;
        Ok(())
    }

    fn write(self, db: &Connection) -> DbResult<()> {
        let sql = "INSERT INTO audit_heads (tenant_id, size, hash) VALUES (?1, ?2, ?3)
            ON CONFLICT (tenant_id) DO UPDATE SET size = ?2, hash = ?3";
        for (tenant, head) in self.0 {
            let hash = &head.hash.as_bytes()[..];
            db.prepare_cached(sql)?.execute(params![tenant.get(), columns::count(head.size), hash])?;
        }
        Ok(())
    }
}

fn read(db: &Connection, tenant: TenantId) -> DbResult<Head> {
    let sql = "SELECT size, hash FROM audit_heads WHERE tenant_id = ?1";
    let found: Option<(i64, Vec<u8>)> =
        db.prepare_cached(sql)?.query_row([tenant.get()], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    Ok(match found {
        Some((size, hash)) => Head { size: size as u64, hash: Hash::from_slice(&hash)? },
        None => Head::START,
    })
}

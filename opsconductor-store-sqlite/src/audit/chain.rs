//! Staging and chaining.

use std::collections::BTreeMap;

use opsconductor_core::{
    audit::{
        Chained, Entry, Hash, Head,
        staging::{self, Staged},
    },
    clock::Timestamp,
    id::{TenantId, UserId},
};
use rusqlite::{Connection, OptionalExtension, named_params, params};

use crate::{
    columns,
    error::{DbResult, Failure, missing},
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

/// Chains what was staged, tenant by tenant: a chain that cannot go on holds up no other. Answers how many, and what went wrong last.
pub(super) fn sequence(tx: &mut Tx<'_>, limit: usize) -> DbResult<(u64, Option<Failure>)> {
    let sql = "SELECT tenant_id FROM audit_staged GROUP BY tenant_id ORDER BY min(id)";
    let mut find = tx.db.prepare_cached(sql)?;
    let tenants =
        find.query_map([], |row| row.get(0).map(TenantId::new))?.collect::<rusqlite::Result<Vec<_>>>()?;
    let (mut chained, mut failed) = (0, None);
    for tenant in tenants {
        if chained >= limit {
            break;
        }
        tx.db.execute_batch("SAVEPOINT one_chain")?;
        match sequence_of(tx, tenant, limit - chained) {
            Ok(some) => chained += some,
            Err(failure) => {
                tx.db.execute_batch("ROLLBACK TO one_chain")?;
                failed = Some(failure);
            }
        }
        tx.db.execute_batch("RELEASE one_chain")?;
    }
    Ok((chained as u64, failed))
}

fn sequence_of(tx: &Tx<'_>, tenant: TenantId, limit: usize) -> DbResult<usize> {
    let is_there = tx.db.prepare_cached("SELECT 1 FROM tenants WHERE id = ?1")?.exists([tenant.get()])?;
    // As bytes: a file that others wrote to may hold a text that is none.
    let sql =
        "SELECT id, at, CAST(entry AS BLOB) FROM audit_staged WHERE tenant_id = ?1 ORDER BY id LIMIT ?2";
    let mut find = tx.db.prepare_cached(sql)?;
    let waiting = find
        .query_map([tenant.get(), columns::count(limit)], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, Vec<u8>>(2)?))
        })?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    let mut heads = Heads::default();
    for (id, at, entry) in &waiting {
        let read = match is_there {
            true => staging::read(tenant, Timestamp::from_timestamp_micros(*at), entry),
            false => Err("its tenant is not there"),
        };
        match read {
            Ok((_, entry)) => heads.append(tx.db, *at, entry)?,
            Err(why) => {
                tracing::warn!(
                    row = id,
                    why,
                    "a staged audit entry has no place in a chain and was set aside"
                );
                let sql =
                    "INSERT INTO audit_set_aside (id, tenant_id, at, entry, why) VALUES (?1, ?2, ?3, ?4, ?5)";
                tx.db.prepare_cached(sql)?.execute(params![id, tenant.get(), at, entry, why])?;
                if is_there {
                    heads.append(tx.db, tx.now, staging::set_aside(tenant, *id, why))?;
                }
            }
        }
    }
    if let Some((last, ..)) = waiting.last() {
        let sql = "DELETE FROM audit_staged WHERE tenant_id = ?1 AND id <= ?2";
        tx.db.prepare_cached(sql)?.execute([tenant.get(), *last])?;
    }
    heads.write(tx.db)?;
    Ok(waiting.len())
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

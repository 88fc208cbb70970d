//! [`Custody`] in SQLite: one list of the places where sealed records rest.

use std::collections::BTreeMap;

use async_trait::async_trait;
use opsconductor_core::{
    Result,
    id::TenantId,
    store::{Custody, KeyUse, SealedAt, SealedChange, SealedRecord},
    vault::envelope::{HEAD_BYTES_MAX, named_key},
};
use rusqlite::{Connection, Row, params};

use crate::{SqliteStore, columns, error::DbResult, writer::Tx};

/// Where sealed records rest, and what each is bound to, in columns of `from`, in which `p` is the table itself. The order
/// of this list is that of the records; a new place goes to its end, and one that rows are
/// moved to comes after the one they come from, so that whoever goes through all meets them.
const PLACES: &[Place] = &[
    Place {
        kind: "credential",
        table: "credentials",
        from: "credentials AS p",
        key: Key::Number("p.id"),
        tenant: "p.tenant_id",
        id: "p.id",
        field: "'data'",
        record_type: "p.credential_type",
        version: "p.version",
        sealed: "credential_data",
    },
    Place {
        kind: "parameter",
        table: "run_secrets",
        from: "run_secrets AS p JOIN job_runs AS r ON r.id = p.run_id",
        key: Key::NumberAndText("p.run_id", "p.name"),
        tenant: "r.tenant_id",
        id: "p.id",
        field: "p.name",
        record_type: "'string'",
        version: "p.version",
        sealed: "sealed",
    },
    Place {
        kind: "credential",
        table: "credential_versions",
        from: "credential_versions AS p",
        key: Key::Number("p.id"),
        tenant: "p.tenant_id",
        id: "p.credential_id",
        field: "'data'",
        record_type: "p.credential_type",
        version: "p.version",
        sealed: "sealed",
    },
    Place {
        kind: "signing-key",
        table: "signing_keys",
        from: "signing_keys AS p",
        key: Key::NumberAndText("0", "p.id"),
        tenant: "1",
        id: "p.id",
        field: "'key'",
        record_type: "p.purpose",
        version: "1",
        sealed: "sealed",
    },
    Place {
        kind: "audit-key",
        table: "audit_keys",
        from: "audit_keys AS p",
        key: Key::Number("p.tenant_id"),
        tenant: "p.tenant_id",
        id: "p.tenant_id",
        field: "'seed'",
        record_type: "'ed25519'",
        version: "1",
        sealed: "sealed",
    },
    Place {
        kind: "notification-secret",
        table: "notification_secrets",
        from: "notification_secrets AS p",
        key: Key::NumberAndText("0", "p.id"),
        tenant: "p.tenant_id",
        id: "p.id",
        field: "'secret'",
        record_type: "p.purpose",
        version: "1",
        sealed: "sealed",
    },
];

/// A table with a column of sealed records.
struct Place {
    kind: &'static str,
    table: &'static str,
    from: &'static str,
    key: Key,
    tenant: &'static str,
    id: &'static str,
    field: &'static str,
    record_type: &'static str,
    version: &'static str,
    sealed: &'static str,
}

/// The columns that name a row, for which there is an index.
enum Key {
    Number(&'static str),
    NumberAndText(&'static str, &'static str),
}

#[async_trait]
impl Custody for SqliteStore {
    async fn sealed_records(&self, after: Option<&SealedAt>, limit: usize) -> Result<Vec<SealedRecord>> {
        let after = after.cloned();
        self.readers.read(move |db| page(db, after.as_ref(), limit)).await
    }

    async fn replace_sealed(&self, changes: Vec<SealedChange>) -> Result<Vec<bool>> {
        self.writer.write(move |tx| changes.iter().map(|change| replace(tx, change)).collect()).await
    }

    async fn sealed_by_key(&self) -> Result<Vec<KeyUse>> {
        self.readers.read(count).await
    }
}

fn page(db: &Connection, after: Option<&SealedAt>, limit: usize) -> DbResult<Vec<SealedRecord>> {
    let mut found = Vec::new();
    for (index, place) in (0_u16..).zip(PLACES) {
        let (number, text) = match after {
            Some(after) if after.place > index => continue,
            Some(after) if after.place == index => (after.number, after.text.as_str()),
            _ => (i64::MIN, ""),
        };
        let left = columns::count(limit - found.len());
        let mut find = db.prepare_cached(&place.page())?;
        for record in find.query_map(params![number, text, left], |row| place.read(index, row))? {
            found.push(record?);
        }
        if found.len() == limit {
            break;
        }
    }
    Ok(found)
}

fn replace(tx: &mut Tx<'_>, change: &SealedChange) -> DbResult<bool> {
    let Some(place) = PLACES.get(usize::from(change.at.place)) else { return Ok(false) };
    let (number, text) = (change.at.number, &change.at.text);
    let rows =
        tx.db.prepare_cached(&place.replace())?.execute(params![number, text, change.old, change.new])?;
    Ok(rows == 1)
}

fn count(db: &Connection) -> DbResult<Vec<KeyUse>> {
    let mut counts: BTreeMap<(&'static str, Option<String>), u64> = BTreeMap::new();
    for place in PLACES {
        let mut heads = db.prepare_cached(&place.heads())?;
        let mut rows = heads.query([])?;
        while let Some(row) = rows.next()? {
            // Of nothing, SQLite makes NULL.
            let head: Option<Vec<u8>> = row.get(0)?;
            let key = head.as_deref().and_then(named_key).map(str::to_owned);
            *counts.entry((place.kind, key)).or_default() += 1;
        }
    }
    Ok(counts.into_iter().map(|((kind, key), records)| KeyUse { kind, key, records }).collect())
}

impl Place {
    fn page(&self) -> String {
        let Self { from, tenant, id, field, record_type, version, sealed, .. } = self;
        // Both are bound in either form.
        let (number, text, after) = match self.key {
            Key::Number(number) => (number, "''", format!("{number} > ?1 AND ?2 IS NOT NULL")),
            Key::NumberAndText(number, text) => (number, text, format!("({number}, {text}) > (?1, ?2)")),
        };
        format!(
            "SELECT {number}, {text}, {tenant}, CAST({id} AS TEXT), {field}, {record_type}, {version}, p.{sealed}
            FROM {from} WHERE {after} ORDER BY 1, 2 LIMIT ?3"
        )
    }

    fn replace(&self) -> String {
        let Self { table, sealed, .. } = self;
        let same = match self.key {
            Key::Number(number) => format!("{number} = ?1 AND ?2 IS NOT NULL"),
            Key::NumberAndText(number, text) => format!("{number} = ?1 AND {text} = ?2"),
        };
        format!("UPDATE {table} AS p SET {sealed} = ?4 WHERE {same} AND p.{sealed} = ?3")
    }

    fn heads(&self) -> String {
        format!("SELECT substr({}, 1, {HEAD_BYTES_MAX}) FROM {}", self.sealed, self.table)
    }

    fn read(&self, place: u16, row: &Row<'_>) -> rusqlite::Result<SealedRecord> {
        Ok(SealedRecord {
            at: SealedAt { place, number: row.get(0)?, text: row.get(1)? },
            tenant: TenantId::new(row.get(2)?),
            kind: self.kind,
            id: row.get(3)?,
            field: row.get(4)?,
            record_type: row.get(5)?,
            version: row.get(6)?,
            sealed: row.get(7)?,
        })
    }
}

//! [`Custody`] in PostgreSQL: one list of the places where sealed records rest. It serves all tenants, as the queue does.

use async_trait::async_trait;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use opsconductor_core::{
    Result,
    id::TenantId,
    store::{Custody, KeyUse, SealedAt, SealedChange, SealedRecord},
};
use sqlx::{PgConnection, postgres::PgRow};

use crate::{PgStore, columns, error::DbResult};

/// Puts the statements of a place together when the program is compiled.
macro_rules! place {
    ($form:ident $kind:literal, $table:literal ($number:literal $(, $text:literal)?), id $id:literal, field $field:literal,
     type $type:literal, in $column:literal) => {
        place!($form $kind, $table ($number $(, $text)?), of "tenant_id", id $id, field $field, type $type, version "version", in $column)
    };
    ($form:ident $kind:literal, $table:literal ($number:literal $(, $text:literal)?), of $tenant:literal, id $id:literal,
     field $field:literal, type $type:literal, version $version:literal, in $column:literal) => {
        Place {
            kind: $kind,
            json: place!(@is_json $form),
            page: concat!(
                "SELECT ", $number, "::bigint, ", place!(@text $($text)?), ", ", $tenant, ", ", $id, "::text, ", $field, ", ",
                $type, ", ", $version, ", ", place!(@whole $form $column), " FROM :schema.", $table,
                " WHERE ", place!(@after $number $(, $text)?), " ORDER BY 1, 2 LIMIT $3"
            ),
            // What is too short for a head has no byte that could be asked for: the conditions stand one in the other.
            count: concat!(
                "SELECT key, count(*) FROM (SELECT CASE WHEN octet_length(head) > 6 THEN CASE
                    WHEN substr(head, 1, 5) = '\\x4f41563101'::bytea AND get_byte(head, 5) BETWEEN 1 AND octet_length(head) - 6
                    THEN substr(head, 7, get_byte(head, 5)) END END AS key
                FROM (SELECT ", place!(@head $form $column), " AS head FROM :schema.", $table, ") AS heads) AS keys GROUP BY key"
            ),
            // Locked in order, so that two who do this at once wait for each other and not in a circle.
            replace: concat!(
                "WITH given AS (SELECT * FROM unnest($1::bigint[], $2::text[], $3::bytea[], $4::bytea[])
                    AS given (given_number, given_text, given_old, given_new)),
                held AS MATERIALIZED (
                    SELECT given_number AS held_number, given_text AS held_text, given_new AS held_new
                    FROM :schema.", $table, " AS place JOIN given ON ", place!(@same "given" $number $(, $text)?),
                    " WHERE ", place!(@present $form $column), " = ", place!(@stored $form "given_old"),
                    " ORDER BY given_number, given_text FOR UPDATE OF place)
                UPDATE :schema.", $table, " SET ", $column, " = ", place!(@new $form),
                " FROM held WHERE ", place!(@same "held" $number $(, $text)?), " RETURNING held_number, held_text"
            ),
        }
    };
    (@is_json json) => { true };
    (@is_json bytes) => { false };
    (@text) => { "''" };
    (@text $text:literal) => { $text };
    // Both are bound in either form.
    (@after $number:literal) => { concat!($number, " > $1 AND $2::text IS NOT NULL") };
    (@after $number:literal, $text:literal) => { concat!("(", $number, ", ", $text, ") > ($1, $2::text)") };
    (@same $side:literal $number:literal) => { concat!($number, " = ", $side, "_number") };
    (@same $side:literal $number:literal, $text:literal) => {
        concat!($number, " = ", $side, "_number AND ", $text, " = ", $side, "_text")
    };
    (@whole bytes $column:literal) => { $column };
    (@whole json $column:literal) => { concat!("convert_to(coalesce(", $column, "->>'encrypted', ''), 'UTF8')") };
    // 261 bytes: the longest head.
    (@head bytes $column:literal) => { concat!("substr(", $column, ", 1, 261)") };
    (@head json $column:literal) => {
        concat!(
            "CASE WHEN left(", $column, "->>'encrypted', 348) ~ '^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$'
                THEN decode(left(", $column, "->>'encrypted', 348), 'base64') END"
        )
    };
    (@present bytes $column:literal) => { $column };
    (@present json $column:literal) => { concat!($column, "->>'encrypted'") };
    (@stored bytes $value:literal) => { $value };
    // The server breaks base64 into lines.
    (@stored json $value:literal) => { concat!("translate(encode(", $value, ", 'base64'), E'\\n', '')") };
    (@new bytes) => { "held_new" };
    (@new json) => { concat!("jsonb_build_object('encrypted', ", place!(@stored json "held_new"), ")") };
}

/// Where sealed records rest, and what each is bound to, in columns of the table. The order of this list is that of the
/// records; a new place goes to its end, and one that rows are
/// moved to comes after the one they come from, so that whoever goes through all meets them. A record is `bytes`, or `json` as a credential's is.
const PLACES: &[Place] = &[
    place!(json "credential", "credentials" ("id"), id "id", field "'data'", type "credential_type", in "credential_data"),
    place!(bytes "parameter", "run_secrets" ("run_id", "name"), id "id", field "name", type "'string'", in "sealed"),
    place!(bytes "credential", "credential_versions" ("id"), id "credential_id", field "'data'", type "credential_type", in "sealed"),
    place!(bytes "signing-key", "signing_keys" ("0", "id"), of "1::bigint", id "id", field "'key'", type "purpose", version "1", in "sealed"),
    place!(bytes "audit-key", "audit_keys" ("tenant_id"), of "tenant_id", id "tenant_id", field "'seed'", type "'ed25519'", version "1", in "sealed"),
    place!(bytes "notification-secret", "notification_secrets" ("0", "id"), of "tenant_id", id "id", field "'secret'", type "purpose", version "1", in "sealed"),
];

/// The statements on a table with a column of sealed records.
struct Place {
    kind: &'static str,
    json: bool,
    /// `$1` and `$2` name the row before, `$3` how many.
    page: &'static str,
    /// How many records name each key, as bytes.
    count: &'static str,
    /// The rows in `$1` and `$2` that still hold `$3` get `$4`; answers which did.
    replace: &'static str,
}

#[async_trait]
impl Custody for PgStore {
    async fn sealed_records(&self, after: Option<&SealedAt>, limit: usize) -> Result<Vec<SealedRecord>> {
        Ok(page(self, after, limit).await?)
    }

    async fn replace_sealed(&self, changes: Vec<SealedChange>) -> Result<Vec<bool>> {
        Ok(replace(self, &changes).await?)
    }

    async fn sealed_by_key(&self) -> Result<Vec<KeyUse>> {
        Ok(count(self).await?)
    }
}

async fn page(store: &PgStore, after: Option<&SealedAt>, limit: usize) -> DbResult<Vec<SealedRecord>> {
    let mut db = store.pools.queue().await?;
    let mut found = Vec::new();
    for (index, place) in (0_u16..).zip(PLACES) {
        let (number, text) = match after {
            Some(after) if after.place > index => continue,
            Some(after) if after.place == index => (after.number, after.text.as_str()),
            _ => (i64::MIN, ""),
        };
        let rows = sqlx::query(store.statements.of(place.page))
            .bind(number)
            .bind(text)
            .bind(columns::count(limit - found.len()))
            .fetch_all(&mut *db)
            .await?;
        for row in &rows {
            found.push(place.read(index, row)?);
        }
        if found.len() == limit {
            break;
        }
    }
    Ok(found)
}

async fn replace(store: &PgStore, changes: &[SealedChange]) -> DbResult<Vec<bool>> {
    let mut replaced = vec![false; changes.len()];
    let mut tx = store.pools.queue_transaction().await?;
    for (index, place) in (0_u16..).zip(PLACES) {
        let here = || changes.iter().enumerate().filter(|(_, change)| change.at.place == index);
        if here().next().is_none() {
            continue;
        }
        let done = replace_in(store, &mut tx, place, here().map(|(_, change)| change).collect()).await?;
        for (which, change) in here() {
            let at = (change.at.number, change.at.text.as_str());
            replaced[which] = done.iter().any(|(number, text)| (*number, text.as_str()) == at);
        }
    }
    tx.commit().await?;
    Ok(replaced)
}

/// Which of the rows were replaced.
async fn replace_in(
    store: &PgStore,
    db: &mut PgConnection,
    place: &Place,
    changes: Vec<&SealedChange>,
) -> DbResult<Vec<(i64, String)>> {
    let numbers: Vec<i64> = changes.iter().map(|change| change.at.number).collect();
    let texts: Vec<&str> = changes.iter().map(|change| change.at.text.as_str()).collect();
    let old: Vec<&[u8]> = changes.iter().map(|change| change.old.as_slice()).collect();
    let new: Vec<&[u8]> = changes.iter().map(|change| change.new.as_slice()).collect();
    Ok(sqlx::query_as(store.statements.of(place.replace))
        .bind(numbers)
        .bind(texts)
        .bind(old)
        .bind(new)
        .fetch_all(db)
        .await?)
}

async fn count(store: &PgStore) -> DbResult<Vec<KeyUse>> {
    let mut db = store.pools.queue().await?;
    let mut uses: Vec<KeyUse> = Vec::new();
    for place in PLACES {
        let counted: Vec<(Option<Vec<u8>>, i64)> =
            sqlx::query_as(store.statements.of(place.count)).fetch_all(&mut *db).await?;
        for (key, records) in counted {
            let key = key.and_then(|key| String::from_utf8(key).ok());
            let known = uses.iter_mut().find(|held| held.kind == place.kind && held.key == key);
            match known {
                Some(held) => held.records += records as u64,
                None => uses.push(KeyUse { kind: place.kind, key, records: records as u64 }),
            }
        }
    }
    uses.sort();
    Ok(uses)
}

impl Place {
    fn read(&self, place: u16, row: &PgRow) -> DbResult<SealedRecord> {
        let mut sealed: Vec<u8> = columns::get(row, 7)?;
        if self.json {
            // What is no base64 is no record either, and is shown as it stands.
            sealed = STANDARD.decode(&sealed).unwrap_or(sealed);
        }
        Ok(SealedRecord {
            at: SealedAt { place, number: columns::get(row, 0)?, text: columns::get(row, 1)? },
            tenant: TenantId::new(columns::get(row, 2)?),
            kind: self.kind,
            id: columns::get(row, 3)?,
            field: columns::get(row, 4)?,
            record_type: columns::get(row, 5)?,
            version: columns::get(row, 6)?,
            sealed,
        })
    }
}

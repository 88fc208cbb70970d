//! Credentials, sealed.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use opsconductor_core::{
    Error, ErrorKind,
    id::{CredentialId, TenantId},
    store::{CredentialRecord, LimitScope, Listing, NewCredential, Page},
};
use sqlx::{PgConnection, postgres::PgRow};

use super::{refused, versions};
use crate::{
    PgStore, columns,
    error::{DbResult, Failure, invalid, missing, taken},
    limits,
};

const BY_ID: &str = "SELECT id, name, description, credential_type, version, credential_data->>'encrypted', created_at, updated_at, expires_at
    FROM :schema.credentials WHERE tenant_id = $1 AND id = $2";

const BY_NAME: &str = "SELECT id, name, description, credential_type, version, credential_data->>'encrypted', created_at, updated_at, expires_at
    FROM :schema.credentials WHERE tenant_id = $1 AND name = $2";

const LIST: &str = "SELECT id, name, description, credential_type, version, credential_data->>'encrypted', created_at, updated_at, expires_at
    FROM :schema.credentials WHERE tenant_id = $1 ORDER BY id DESC LIMIT $2 OFFSET $3";

/// The tenant comes last.
pub(super) const EXPIRING: &str = "SELECT id, name, description, credential_type, version, credential_data->>'encrypted', created_at, updated_at, expires_at,
        tenant_id
    FROM :schema.credentials WHERE expires_at < $1 ORDER BY expires_at, id LIMIT $2";

pub(super) async fn reserve_id(store: &PgStore) -> DbResult<CredentialId> {
    let sql = "SELECT nextval(':schema.credentials_id_seq')";
    let mut db = store.pools.queue().await?;
    Ok(CredentialId::new(sqlx::query_scalar(store.statements.of(sql)).fetch_one(&mut *db).await?))
}

pub(super) async fn insert(
    store: &PgStore,
    owner: TenantId,
    new: &NewCredential,
) -> DbResult<CredentialRecord> {
    let sql = "INSERT INTO :schema.credentials
            (id, tenant_id, name, credential_type, description, credential_data, version, created_at)
        VALUES ($1, $2, $3, $4, $5, jsonb_build_object('encrypted', $6::text), $7,
                coalesce($8::timestamptz, clock_timestamp()))";
    let mut tx = store.pools.write(owner).await?;
    let written = sqlx::query(store.statements.of(sql))
        .bind(new.id.get())
        .bind(owner.get())
        .bind(&new.name)
        .bind(&new.credential_type)
        .bind(&new.description)
        .bind(STANDARD.encode(&new.sealed))
        .bind(new.version)
        .bind(store.moment())
        .execute(&mut *tx)
        .await;
    written.map_err(|error| refused(error, owner, |constraint| because(constraint, new)))?;
    let record = by_id(store, &mut tx, owner, new.id).await?;
    tx.commit().await?;
    Ok(record)
}

/// Why a credential was not written, by the constraint that refused it.
fn because(constraint: &str, new: &NewCredential) -> Option<Error> {
    match constraint {
        "credentials_name_taken" => Some(taken("credential", &new.name)),
        "credentials_pkey" | "credentials_in_tenant" => {
            Some(Error::new(ErrorKind::Conflict, "the credential id is in use").with("credential", new.id))
        }
        "credentials_credential_type_check" => {
            Some(invalid("a credential is of the type winrm, ssh or api_key").with("credential", new.id))
        }
        _ => None,
    }
}

pub(super) async fn update(
    store: &PgStore,
    owner: TenantId,
    expected_version: i32,
    new: &NewCredential,
) -> DbResult<CredentialRecord> {
    let mut tx = store.pools.write(owner).await?;
    let sql = "SELECT version, credential_type, coalesce(credential_data->>'encrypted', '') FROM :schema.credentials
        WHERE tenant_id = $1 AND id = $2 FOR UPDATE";
    let present: Option<(i32, String, String)> = sqlx::query_as(store.statements.of(sql))
        .bind(owner.get())
        .bind(new.id.get())
        .fetch_optional(&mut *tx)
        .await?;
    let (version, credential_type, sealed) = present.ok_or_else(|| missing("credential", new.id))?;
    if version != expected_version {
        return Err(Error::new(ErrorKind::Conflict, "the credential was changed meanwhile")
            .with("credential", new.id)
            .with("version", version)
            .into());
    }
    if credential_type != new.credential_type {
        return Err(invalid("the type of a credential cannot change").with("credential", new.id).into());
    }
    if new.version != version {
        // What is no base64 is kept as it stands, and opens as little as before.
        let sealed = STANDARD.decode(&sealed).unwrap_or_else(|_| sealed.into_bytes());
        versions::keep(store, &mut tx, owner, (new.id, version, &credential_type, &sealed)).await?;
    }
    let sql = "UPDATE :schema.credentials
        SET name = $3, description = $4, credential_data = jsonb_build_object('encrypted', $5::text), version = $6,
            updated_at = coalesce($7::timestamptz, clock_timestamp()),
            expires_at = CASE WHEN version = $6 THEN expires_at END
        WHERE tenant_id = $1 AND id = $2";
    let written = sqlx::query(store.statements.of(sql))
        .bind(owner.get())
        .bind(new.id.get())
        .bind(&new.name)
        .bind(&new.description)
        .bind(STANDARD.encode(&new.sealed))
        .bind(new.version)
        .bind(store.moment())
        .execute(&mut *tx)
        .await;
    written.map_err(|error| refused(error, owner, |constraint| because(constraint, new)))?;
    let record = by_id(store, &mut tx, owner, new.id).await?;
    tx.commit().await?;
    Ok(record)
}

pub(super) async fn by_id(
    store: &PgStore,
    db: &mut PgConnection,
    owner: TenantId,
    id: CredentialId,
) -> DbResult<CredentialRecord> {
    let found =
        sqlx::query(store.statements.of(BY_ID)).bind(owner.get()).bind(id.get()).fetch_optional(db).await?;
    read(&found.ok_or_else(|| missing("credential", id))?)
}

pub(super) async fn get(store: &PgStore, owner: TenantId, id: CredentialId) -> DbResult<CredentialRecord> {
    let mut tx = store.pools.read(owner).await?;
    let record = by_id(store, &mut tx, owner, id).await?;
    tx.commit().await?;
    Ok(record)
}

pub(super) async fn types(
    store: &PgStore,
    owner: TenantId,
    ids: &[CredentialId],
) -> DbResult<Vec<(CredentialId, String)>> {
    let mut tx = store.pools.read(owner).await?;
    let sql = "SELECT id, credential_type FROM :schema.credentials WHERE tenant_id = $1 AND id = ANY ($2)";
    let found: Vec<(i64, String)> = sqlx::query_as(store.statements.of(sql))
        .bind(owner.get())
        .bind(ids.iter().map(|id| id.get()).collect::<Vec<_>>())
        .fetch_all(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok(found.into_iter().map(|(id, kind)| (CredentialId::new(id), kind)).collect())
}

pub(super) async fn by_name(store: &PgStore, owner: TenantId, name: &str) -> DbResult<CredentialRecord> {
    let mut tx = store.pools.read(owner).await?;
    let found = sqlx::query(store.statements.of(BY_NAME))
        .bind(owner.get())
        .bind(name)
        .fetch_optional(&mut *tx)
        .await?;
    tx.commit().await?;
    read(&found.ok_or_else(|| missing("credential", name))?)
}

pub(super) async fn list(
    store: &PgStore,
    owner: TenantId,
    page: Page,
) -> DbResult<Listing<CredentialRecord>> {
    let mut tx = store.pools.read(owner).await?;
    let sql = "SELECT count(*) FROM :schema.credentials WHERE tenant_id = $1";
    let total: i64 =
        sqlx::query_scalar(store.statements.of(sql)).bind(owner.get()).fetch_one(&mut *tx).await?;
    let rows = sqlx::query(store.statements.of(LIST))
        .bind(owner.get())
        .bind(i64::from(page.limit))
        .bind(columns::count(page.skip))
        .fetch_all(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok(Listing { items: rows.iter().map(read).collect::<DbResult<_>>()?, total: total as u64 })
}

pub(super) async fn delete(store: &PgStore, owner: TenantId, id: CredentialId) -> DbResult<()> {
    let mut tx = store.pools.write(owner).await?;
    // Locked first, so that no target comes meanwhile that uses it.
    let sql = "SELECT 1 FROM :schema.credentials WHERE tenant_id = $1 AND id = $2 FOR UPDATE";
    let found: Option<i32> = sqlx::query_scalar(store.statements.of(sql))
        .bind(owner.get())
        .bind(id.get())
        .fetch_optional(&mut *tx)
        .await?;
    found.ok_or_else(|| missing("credential", id))?;
    let sql = "SELECT name FROM :schema.targets WHERE tenant_id = $1 AND credential_ref = $2 LIMIT 1";
    let user: Option<String> = sqlx::query_scalar(store.statements.of(sql))
        .bind(owner.get())
        .bind(id.get())
        .fetch_optional(&mut *tx)
        .await?;
    if let Some(user) = user {
        let error = Error::new(ErrorKind::Conflict, "a target uses the credential").with("target", user);
        return Err(error.into());
    }
    let sql = "DELETE FROM :schema.credentials WHERE tenant_id = $1 AND id = $2";
    sqlx::query(store.statements.of(sql)).bind(owner.get()).bind(id.get()).execute(&mut *tx).await?;
    limits::forget(store, &mut tx, owner, LimitScope::Credential(id)).await?;
    tx.commit().await
}

pub(super) fn read(row: &PgRow) -> DbResult<CredentialRecord> {
    let sealed: Option<&str> = columns::get(row, 5)?;
    let sealed = STANDARD
        .decode(sealed.unwrap_or_default())
        .map_err(|error| Failure::Sql(columns::unreadable(5, error)))?;
    Ok(CredentialRecord {
        id: CredentialId::new(columns::get(row, 0)?),
        name: columns::get(row, 1)?,
        description: columns::get(row, 2)?,
        credential_type: columns::get(row, 3)?,
        version: columns::get(row, 4)?,
        sealed,
        created_at: columns::get(row, 6)?,
        updated_at: columns::get(row, 7)?,
        expires_at: columns::get(row, 8)?,
    })
}

//! Targets.

use opsconductor_core::{
    Error, ErrorKind,
    id::{CredentialId, TargetId, TenantId},
    store::{LimitScope, Listing, Page, named_by},
    target::{Target, TargetSpec},
};
use sqlx::{PgConnection, postgres::PgRow, types::Json};

use super::refused;
use crate::{
    PgStore, columns,
    error::{DbResult, invalid, missing, taken},
    limits,
};

const BY_ID: &str =
    "SELECT id, name, protocol, hostname, port, credential_ref, tags, metadata, depends_on, created_at
    FROM :schema.targets WHERE tenant_id = $1 AND id = $2";

const BY_NAMES: &str =
    "SELECT id, name, protocol, hostname, port, credential_ref, tags, metadata, depends_on, created_at
    FROM :schema.targets WHERE tenant_id = $1 AND name = ANY ($2)";

const LIST: &str =
    "SELECT id, name, protocol, hostname, port, credential_ref, tags, metadata, depends_on, created_at
    FROM :schema.targets WHERE tenant_id = $1 AND tags @> $2 ORDER BY id DESC LIMIT $3 OFFSET $4";

const IN_USE: &str = include_str!("../../sql/target_in_use.sql");

pub(super) async fn insert(store: &PgStore, owner: TenantId, spec: TargetSpec) -> DbResult<Target> {
    let mut tx = store.pools.write(owner).await?;
    depends_on(store, &mut tx, owner, &spec).await?;
    let sql = "INSERT INTO :schema.targets
            (tenant_id, name, protocol, hostname, port, credential_ref, tags, metadata, depends_on, created_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, coalesce($10::timestamptz, clock_timestamp()))
        RETURNING id, name, protocol, hostname, port, credential_ref, tags, metadata, depends_on, created_at";
    let written = sqlx::query(store.statements.of(sql))
        .bind(owner.get())
        .bind(&spec.name)
        .bind(spec.protocol.as_str())
        .bind(&spec.hostname)
        .bind(i32::from(spec.port))
        .bind(spec.credential_ref.map(CredentialId::get))
        .bind(&spec.tags)
        .bind(Json(&spec.metadata))
        .bind(ids(&spec.depends_on))
        .bind(store.moment())
        .fetch_one(&mut *tx)
        .await;
    let row = written.map_err(|error| refused(error, owner, |constraint| because(constraint, &spec)))?;
    tx.concerns(columns::get(&row, 0)?);
    tx.commit().await?;
    Ok(Target { spec, ..read(&row)? })
}

pub(super) async fn update(
    store: &PgStore,
    owner: TenantId,
    id: TargetId,
    spec: TargetSpec,
) -> DbResult<Target> {
    let mut tx = store.pools.write(owner).await?;
    // Locked, so that its name is what it is; not so far that a job that names it has to wait.
    let sql = "SELECT name FROM :schema.targets WHERE tenant_id = $1 AND id = $2 FOR NO KEY UPDATE";
    let present: Option<String> = sqlx::query_scalar(store.statements.of(sql))
        .bind(owner.get())
        .bind(id.get())
        .fetch_optional(&mut *tx)
        .await?;
    let present = present.ok_or_else(|| missing("target", id))?;
    depends_on(store, &mut tx, owner, &spec).await?;
    let sql = "UPDATE :schema.targets
        SET name = $3, protocol = $4, hostname = $5, port = $6, credential_ref = $7, tags = $8, metadata = $9, depends_on = $10
        WHERE tenant_id = $1 AND id = $2
        RETURNING id, name, protocol, hostname, port, credential_ref, tags, metadata, depends_on, created_at";
    let written = sqlx::query(store.statements.of(sql))
        .bind(owner.get())
        .bind(id.get())
        .bind(&spec.name)
        .bind(spec.protocol.as_str())
        .bind(&spec.hostname)
        .bind(i32::from(spec.port))
        .bind(spec.credential_ref.map(CredentialId::get))
        .bind(&spec.tags)
        .bind(Json(&spec.metadata))
        .bind(ids(&spec.depends_on))
        .fetch_optional(&mut *tx)
        .await;
    let row = written.map_err(|error| refused(error, owner, |constraint| because(constraint, &spec)))?;
    let row = row.ok_or_else(|| missing("target", id))?;
    if present != spec.name {
        // To write another name took the lock that jobs wait for which name the target, and waited for those that had it.
        check_unnamed(store, &mut tx, owner, &present).await?;
    }
    tx.commit().await?;
    Ok(Target { spec, ..read(&row)? })
}

/// Why a target was not written, by the constraint that refused it.
fn because(constraint: &str, spec: &TargetSpec) -> Option<Error> {
    match (constraint, spec.credential_ref) {
        ("targets_name_taken", _) => Some(taken("target", &spec.name)),
        ("targets_credential", Some(credential)) => {
            Some(invalid("the target's credential does not exist").with("credential", credential))
        }
        _ => None,
    }
}

/// Refuses a target whose targets before it are not the tenant's. They stay until this is committed.
async fn depends_on(
    store: &PgStore,
    tx: &mut PgConnection,
    owner: TenantId,
    spec: &TargetSpec,
) -> DbResult<()> {
    if spec.depends_on.is_empty() {
        return Ok(());
    }
    let sql =
        "SELECT id FROM :schema.targets WHERE tenant_id = $1 AND id = ANY ($2) ORDER BY id FOR KEY SHARE";
    let found: Vec<i64> = sqlx::query_scalar(store.statements.of(sql))
        .bind(owner.get())
        .bind(ids(&spec.depends_on))
        .fetch_all(tx)
        .await?;
    match spec.depends_on.iter().find(|before| !found.contains(&before.get())) {
        Some(before) => {
            Err(invalid("a target that this one depends on does not exist").with("target", before).into())
        }
        None => Ok(()),
    }
}

fn ids(targets: &[TargetId]) -> Vec<i64> {
    targets.iter().copied().map(TargetId::get).collect()
}

async fn by_id(store: &PgStore, db: &mut PgConnection, owner: TenantId, id: TargetId) -> DbResult<Target> {
    let found =
        sqlx::query(store.statements.of(BY_ID)).bind(owner.get()).bind(id.get()).fetch_optional(db).await?;
    read(&found.ok_or_else(|| missing("target", id))?)
}

pub(super) async fn get(store: &PgStore, owner: TenantId, id: TargetId) -> DbResult<Target> {
    let mut tx = store.pools.read(owner).await?;
    let target = by_id(store, &mut tx, owner, id).await?;
    tx.commit().await?;
    Ok(target)
}

pub(super) async fn by_names(store: &PgStore, owner: TenantId, names: &[String]) -> DbResult<Vec<Target>> {
    let mut tx = store.pools.read(owner).await?;
    let rows =
        sqlx::query(store.statements.of(BY_NAMES)).bind(owner.get()).bind(names).fetch_all(&mut *tx).await?;
    tx.commit().await?;
    rows.iter().map(read).collect()
}

pub(super) async fn list(
    store: &PgStore,
    owner: TenantId,
    tags: &[String],
    page: Page,
) -> DbResult<Listing<Target>> {
    let mut tx = store.pools.read(owner).await?;
    let sql = "SELECT count(*) FROM :schema.targets WHERE tenant_id = $1 AND tags @> $2";
    let total: i64 =
        sqlx::query_scalar(store.statements.of(sql)).bind(owner.get()).bind(tags).fetch_one(&mut *tx).await?;
    let rows = sqlx::query(store.statements.of(LIST))
        .bind(owner.get())
        .bind(tags)
        .bind(i64::from(page.limit))
        .bind(columns::count(page.skip))
        .fetch_all(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok(Listing { items: rows.iter().map(read).collect::<DbResult<_>>()?, total: total as u64 })
}

pub(super) async fn delete(store: &PgStore, owner: TenantId, id: TargetId) -> DbResult<()> {
    let mut tx = store.pools.write(owner).await?;
    // Locked first, so that no target comes meanwhile that depends on it, and no job that names it.
    let sql = "SELECT name FROM :schema.targets WHERE tenant_id = $1 AND id = $2 FOR UPDATE";
    let found: Option<String> = sqlx::query_scalar(store.statements.of(sql))
        .bind(owner.get())
        .bind(id.get())
        .fetch_optional(&mut *tx)
        .await?;
    let name = found.ok_or_else(|| missing("target", id))?;
    let sql = "SELECT name FROM :schema.targets
        WHERE tenant_id = $1 AND id <> $2 AND depends_on @> ARRAY[$2::bigint] LIMIT 1";
    let other: Option<String> = sqlx::query_scalar(store.statements.of(sql))
        .bind(owner.get())
        .bind(id.get())
        .fetch_optional(&mut *tx)
        .await?;
    if let Some(other) = other {
        let error = Error::new(ErrorKind::Conflict, "another target depends on it").with("target", other);
        return Err(error.into());
    }
    check_unnamed(store, &mut tx, owner, &name).await?;
    let run: Option<i64> = sqlx::query_scalar(store.statements.of(IN_USE))
        .bind(owner.get())
        .bind(id.get())
        .fetch_optional(&mut *tx)
        .await?;
    if let Some(run) = run {
        let message = "a run that has not ended uses the target";
        return Err(Error::new(ErrorKind::Conflict, message).with("run", run).into());
    }
    let sql = "DELETE FROM :schema.targets WHERE tenant_id = $1 AND id = $2";
    sqlx::query(store.statements.of(sql)).bind(owner.get()).bind(id.get()).execute(&mut *tx).await?;
    limits::forget(store, &mut tx, owner, LimitScope::Target(id)).await?;
    tx.commit().await
}

/// Refuses what would take the target called `name` from an active job. Its row is locked.
async fn check_unnamed(store: &PgStore, tx: &mut PgConnection, owner: TenantId, name: &str) -> DbResult<()> {
    let sql = "SELECT name FROM :schema.jobs
        WHERE tenant_id = $1 AND is_active AND targets @> ARRAY[$2::text] ORDER BY id DESC LIMIT 1";
    let job: Option<String> =
        sqlx::query_scalar(store.statements.of(sql)).bind(owner.get()).bind(name).fetch_optional(tx).await?;
    job.map_or(Ok(()), |job| Err(named_by(&job).into()))
}

fn read(row: &PgRow) -> DbResult<Target> {
    let port: i32 = columns::get(row, 4)?;
    let spec = TargetSpec {
        name: columns::get(row, 1)?,
        protocol: columns::parsed(row, 2)?,
        hostname: columns::get(row, 3)?,
        port: u16::try_from(port).map_err(|error| columns::unreadable(4, error))?,
        credential_ref: columns::id_or_none(row, 5, CredentialId::new)?,
        tags: columns::get(row, 6)?,
        metadata: columns::object(row, 7)?,
        depends_on: columns::get::<Vec<i64>>(row, 8)?.into_iter().map(TargetId::new).collect(),
    };
    Ok(Target { id: TargetId::new(columns::get(row, 0)?), spec, created_at: columns::get(row, 9)? })
}

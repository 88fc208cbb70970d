//! Migrations, in a schema and a table of our own, so that nothing of a host's is touched.

use opsconductor_core::{
    Error, ErrorKind, Result,
    tenant::{DEFAULT_TENANT, DEFAULT_TENANT_NAME},
};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::{error::DbResult, options::Names, rights, sql::Statements};

/// Every migration, in order. Released files never change.
const MIGRATIONS: &[(i64, &str, &str)] = &[
    (1, "init", include_str!("../migrations/0001_init.sql")),
    (2, "limits_and_letters", include_str!("../migrations/0002_limits_and_letters.sql")),
    (3, "workers", include_str!("../migrations/0003_workers.sql")),
    (4, "flow", include_str!("../migrations/0004_flow.sql")),
    (5, "job_targets", include_str!("../migrations/0005_job_targets.sql")),
    (6, "questions", include_str!("../migrations/0006_questions.sql")),
    (7, "run_secrets", include_str!("../migrations/0007_run_secrets.sql")),
    (8, "accounts", include_str!("../migrations/0008_accounts.sql")),
    (9, "audit", include_str!("../migrations/0009_audit.sql")),
    (10, "credential_versions", include_str!("../migrations/0010_credential_versions.sql")),
    (12, "notifications", include_str!("../migrations/0012_notifications.sql")),
    (15, "tenant_events", include_str!("../migrations/0015_tenant_events.sql")),
    (16, "audit_set_aside", include_str!("../migrations/0016_audit_set_aside.sql")),
];

/// `security_invoker` views came with it.
const SERVER_MIN: i32 = 150_000;

const TABLE: &str = "CREATE TABLE :schema.opsconductor_migrations (
    version     BIGINT PRIMARY KEY,
    name        TEXT NOT NULL,
    applied_at  TIMESTAMPTZ NOT NULL DEFAULT now()
)";

/// How a schema stands.
struct Found {
    schema: bool,
    /// 0 for none.
    version: i64,
}

/// Refuses a server that is too old.
pub(crate) async fn check_server(connection: &mut PgConnection) -> DbResult<()> {
    let number: String = sqlx::query_scalar("SHOW server_version_num").fetch_one(connection).await?;
    if number.parse::<i32>().is_ok_and(|number| number >= SERVER_MIN) {
        return Ok(());
    }
    let error = Error::new(ErrorKind::Store, "the server is too old; PostgreSQL 15 or newer is needed");
    Err(error.with("server_version_num", number).into())
}

/// Refuses a schema that is not of this program's version.
pub(crate) async fn check(connection: &mut PgConnection, names: &Names) -> DbResult<()> {
    let found = look(connection, names).await?;
    let known = known();
    let message = match found.version {
        0 => "the tables are not there; migrate the schema first, or name the schema they are in",
        version if version < known => {
            "the tables are of an older version of the program; migrate the schema first"
        }
        _ => return Ok(()),
    };
    Err(Error::new(ErrorKind::Store, message)
        .with("schema", names.schema.as_str())
        .with("version", found.version)
        .with("known", known)
        .into())
}

/// Brings the schema to the version of this program and gives the roles their rights, in one transaction. Others that do
/// the same at the same time wait.
pub(crate) async fn migrate(connection: &mut PgConnection, names: &Names) -> DbResult<()> {
    if look(connection, names).await?.version == known() && rights::stand(connection, names).await? {
        return Ok(());
    }
    let statements = Statements::new(&names.schema);
    let mut tx = connection.begin().await?;
    let sql = "SET LOCAL lock_timeout = '60s'; SET LOCAL statement_timeout = 0; SET LOCAL opsconductor.all_tenants = 'on'";
    sqlx::raw_sql(sql).execute(&mut *tx).await?;
    sqlx::query("SELECT pg_advisory_xact_lock(hashtextextended($1, 7321))")
        .bind(format!("opsconductor migrations of {}", names.schema.as_str()))
        .execute(&mut *tx)
        .await?;
    // Another process may have been quicker.
    let present = look(&mut tx, names).await?;
    if !present.schema {
        let create = format!("CREATE SCHEMA {}", names.schema.quoted());
        sqlx::raw_sql(AssertSqlSafe(create)).execute(&mut *tx).await?;
    }
    if present.version == 0 {
        sqlx::raw_sql(statements.of(TABLE)).execute(&mut *tx).await?;
    }
    let path = format!("SET LOCAL search_path = {}", names.schema.quoted());
    sqlx::raw_sql(AssertSqlSafe(path)).execute(&mut *tx).await?;
    for (version, name, sql) in MIGRATIONS.iter().filter(|(version, ..)| *version > present.version) {
        sqlx::raw_sql(*sql).execute(&mut *tx).await?;
        if *version == 1 {
            first_rows(&mut tx).await?;
        }
        sqlx::query("INSERT INTO opsconductor_migrations (version, name) VALUES ($1, $2)")
            .bind(version)
            .bind(name)
            .execute(&mut *tx)
            .await?;
    }
    rights::give(&mut tx, names).await?;
    tx.commit().await?;
    Ok(())
}

fn known() -> i64 {
    MIGRATIONS.last().map_or(0, |(version, ..)| *version)
}

async fn look(connection: &mut PgConnection, names: &Names) -> DbResult<Found> {
    let sql =
        "SELECT to_regnamespace($1) IS NOT NULL, to_regclass($1 || '.opsconductor_migrations') IS NOT NULL";
    let (schema, table): (bool, bool) =
        sqlx::query_as(sql).bind(names.schema.quoted()).fetch_one(&mut *connection).await?;
    if !table {
        return Ok(Found { schema, version: 0 });
    }
    let latest = "SELECT coalesce(max(version), 0) FROM :schema.opsconductor_migrations";
    let version = sqlx::query_scalar(Statements::new(&names.schema).of(latest)).fetch_one(connection).await?;
    refuse_newer(version, names)?;
    Ok(Found { schema, version })
}

fn refuse_newer(version: i64, names: &Names) -> Result<()> {
    if version <= known() {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Store,
        "the tables were made by a newer version of the program; use that version, they were left as they are",
    )
    .with("schema", names.schema.as_str())
    .with("version", version)
    .with("known", known()))
}

async fn first_rows(connection: &mut PgConnection) -> DbResult<()> {
    sqlx::query("INSERT INTO tenants (id, name) VALUES ($1, $2)")
        .bind(DEFAULT_TENANT.get())
        .bind(DEFAULT_TENANT_NAME)
        .execute(&mut *connection)
        .await?;
    sqlx::query("SELECT setval('tenants_id_seq', $1)").bind(DEFAULT_TENANT.get()).execute(connection).await?;
    Ok(())
}

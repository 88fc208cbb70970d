//! Migrations, in a table of our own: the file may hold a host's tables beside ours one day.

use opsconductor_core::{Error, ErrorKind};
use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};

use crate::{error::DbResult, open::APPLICATION_ID};

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

const TABLE: &str = "CREATE TABLE opsconductor_migrations (
    version     INTEGER PRIMARY KEY,
    name        TEXT NOT NULL,
    applied_at  INTEGER NOT NULL
) STRICT";

/// The schema's version, 0 for none.
///
/// # Errors
///
/// `Store` when it is newer than this program knows.
pub(crate) fn check(connection: &Connection) -> DbResult<i64> {
    let exists = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'opsconductor_migrations'";
    if connection.query_row(exists, [], |_| Ok(())).optional()?.is_none() {
        return Ok(0);
    }
    let latest = "SELECT coalesce(max(version), 0) FROM opsconductor_migrations";
    let version = connection.query_row(latest, [], |row| row.get::<_, i64>(0))?;
    let known = MIGRATIONS.last().map_or(0, |(version, ..)| *version);
    if version > known {
        return Err(Error::new(
            ErrorKind::Store,
            "the data file was written by a newer version of the program; use that version, the file was left as it is",
        )
        .with("schema", version)
        .with("known", known)
        .into());
    }
    Ok(version)
}

/// Refuses a schema that is older than this program's.
pub(crate) fn require(connection: &Connection) -> DbResult<()> {
    let (version, known) = (check(connection)?, MIGRATIONS.last().map_or(0, |(version, ..)| *version));
    if version == known {
        return Ok(());
    }
    let message = "the data file is of an older version of the program; migrate it first";
    Err(Error::new(ErrorKind::Store, message).with("schema", version).with("known", known).into())
}

/// Brings the schema to the version of this program, in one transaction.
pub(crate) fn migrate(connection: &mut Connection, now: i64) -> DbResult<()> {
    let known = MIGRATIONS.last().map_or(0, |(version, ..)| *version);
    if check(connection)? == known {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Another process may have been quicker.
    let present = check(&transaction)?;
    if present == 0 {
        transaction.execute_batch(TABLE)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    }
    for (version, name, sql) in MIGRATIONS.iter().filter(|(version, ..)| *version > present) {
        transaction.execute_batch(sql)?;
        if *version == 1 {
            first_rows(&transaction, now)?;
        }
        transaction.execute(
            "INSERT INTO opsconductor_migrations (version, name, applied_at) VALUES (?1, ?2, ?3)",
            params![version, name, now],
        )?;
    }
    transaction.commit()?;
    Ok(())
}

fn first_rows(connection: &Connection, now: i64) -> DbResult<()> {
    use opsconductor_core::tenant::{DEFAULT_TENANT, DEFAULT_TENANT_NAME};
    connection.execute(
        "INSERT INTO tenants (id, name, created_at) VALUES (?1, ?2, ?3)",
        params![DEFAULT_TENANT.get(), DEFAULT_TENANT_NAME, now],
    )?;
    connection.execute("INSERT INTO sequences (name, last) VALUES ('credentials', 0)", [])?;
    Ok(())
}

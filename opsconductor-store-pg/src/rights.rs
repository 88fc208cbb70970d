//! What the roles of [`PgOptions`](crate::PgOptions) may do.

use sqlx::{AssertSqlSafe, PgConnection};

use crate::{error::DbResult, options::Names, sql::Name};

/// Gives a role what every call needs. Row-level security says which rows.
const GRANTS: &str = "GRANT USAGE ON SCHEMA :schema TO :role;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA :schema TO :role;
GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA :schema TO :role;
REVOKE INSERT, UPDATE, DELETE ON :schema.opsconductor_migrations FROM :role;
REVOKE UPDATE ON :schema.audit_log FROM :role;";

/// What the role that serves people does not get: it appends to the record, moves the end of a chain on where it chains an entry with
/// its change, and changes and removes nothing of what is there.
const KEEP_RECORDS: &str = "REVOKE DELETE ON :schema.audit_log FROM :role;
REVOKE UPDATE, DELETE ON :schema.audit_staged, :schema.audit_checkpoints, :schema.audit_keys FROM :role;
REVOKE INSERT, UPDATE, DELETE ON :schema.audit_heads, :schema.audit_set_aside FROM :role;
GRANT INSERT (tenant_id), UPDATE (size, hash) ON :schema.audit_heads TO :role;";

/// Lets one more role through the second policy.
const SERVE_ALL: &str = "DO $give$
DECLARE
    wall record;
BEGIN
    FOR wall IN
        SELECT tablename, roles FROM pg_policies
        WHERE schemaname = ':plain_schema' AND policyname = 'all_tenants' AND NOT ':plain_role' = ANY (roles)
    LOOP
        EXECUTE format('ALTER POLICY all_tenants ON :schema.%I TO %s, :role', wall.tablename,
                       (SELECT string_agg(quote_ident(role), ', ') FROM unnest(wall.roles) AS role));
    END LOOP;
END
$give$;";

/// Whether the roles have their rights already. A policy is looked at and a grant, each the last that is given.
pub(crate) async fn stand(connection: &mut PgConnection, names: &Names) -> DbResult<bool> {
    let sql = "SELECT ($2::text IS NULL OR EXISTS (
            SELECT 1 FROM pg_policies
            WHERE schemaname = $1 AND tablename = 'queue' AND policyname = 'all_tenants' AND $2 = ANY (roles)))
        AND NOT EXISTS (
            SELECT 1 FROM unnest(ARRAY[$2, $3]) AS role
            WHERE role IS NOT NULL AND NOT has_schema_privilege(role, $1, 'USAGE'))
        AND ($3::text IS NULL OR $3 = $2 OR NOT has_table_privilege($3, format('%I.audit_set_aside', $1), 'DELETE'))";
    Ok(sqlx::query_scalar(sql)
        .bind(names.schema.as_str())
        .bind(names.worker.as_ref().map(Name::as_str))
        .bind(names.tenant.as_ref().map(Name::as_str))
        .fetch_one(connection)
        .await?)
}

/// Gives the roles their rights, in the transaction of a migration.
pub(crate) async fn give(connection: &mut PgConnection, names: &Names) -> DbResult<()> {
    for role in [&names.tenant, &names.worker].into_iter().flatten() {
        sqlx::raw_sql(put_in(GRANTS, names, role)).execute(&mut *connection).await?;
    }
    if let Some(tenant) = names.tenant.as_ref().filter(|_| names.tenant != names.worker) {
        sqlx::raw_sql(put_in(KEEP_RECORDS, names, tenant)).execute(&mut *connection).await?;
    }
    if let Some(worker) = &names.worker {
        sqlx::raw_sql(put_in(SERVE_ALL, names, worker)).execute(connection).await?;
    }
    Ok(())
}

fn put_in(template: &str, names: &Names, role: &Name) -> AssertSqlSafe<String> {
    // Both names were checked to be made of letters, digits and underscores.
    AssertSqlSafe(
        template
            .replace(":plain_schema", names.schema.as_str())
            .replace(":plain_role", role.as_str())
            .replace(":schema", &names.schema.quoted())
            .replace(":role", &role.quoted()),
    )
}

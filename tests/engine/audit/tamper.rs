//! Hands in the database, past the program: those of one who may do anything there.

use opsconductor_store_pg::sqlx::{self, AssertSqlSafe, Connection, PgConnection};
use opsconductor_tests::fleet::Fleet;

const TABLES: [&str; 3] = ["audit_log", "audit_heads", "audit_checkpoints"];

/// Does what the tables let nobody do by mistake, and expects them not to.
pub(super) async fn refused(fleet: &Fleet, sql: &str) {
    let refused = match &fleet.folder {
        Some(folder) => {
            rusqlite::Connection::open(folder.path().join("ops.db")).unwrap().execute(sql, []).is_err()
        }
        None => postgres(fleet, sql).await.is_err(),
    };
    assert!(refused, "{sql}");
}

/// Changes rows, whatever keeps them from being changed, and gives what puts them back.
pub(super) async fn with(fleet: &Fleet, sql: &str) -> impl Future<Output = ()> {
    let keep: String =
        TABLES.iter().map(|table| format!("CREATE TABLE kept_{table} AS SELECT * FROM {table};")).collect();
    free(fleet, &format!("{keep}{sql};")).await;
    let back: String = TABLES
        .iter()
        .map(|table| {
            format!("DELETE FROM {table}; INSERT INTO {table} SELECT * FROM kept_{table}; DROP TABLE kept_{table};")
        })
        .collect();
    async move { free(fleet, &back).await }
}

/// As the owner, with the triggers off.
pub(super) async fn free(fleet: &Fleet, sql: &str) {
    let Some(folder) = &fleet.folder else {
        let trigger = |what: &str| format!("ALTER TABLE audit_log {what} TRIGGER USER;");
        let all = format!("{}{sql}{}", trigger("DISABLE"), trigger("ENABLE"));
        return postgres(fleet, &all).await.unwrap();
    };
    let file = rusqlite::Connection::open(folder.path().join("ops.db")).unwrap();
    file.busy_timeout(std::time::Duration::from_secs(30)).unwrap();
    let triggers: Vec<(String, String)> = {
        let mut find = file
            .prepare("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = 'audit_log'")
            .unwrap();
        let rows = find.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        rows.collect::<Result<_, _>>().unwrap()
    };
    assert_eq!(triggers.len(), 2);
    let drop: String = triggers.iter().map(|(name, _)| format!("DROP TRIGGER {name};")).collect();
    let make: String = triggers.iter().map(|(_, sql)| format!("{sql};")).collect();
    file.execute_batch(&format!("PRAGMA foreign_keys = OFF; BEGIN IMMEDIATE; {drop}{sql}{make} COMMIT;"))
        .unwrap();
}

async fn postgres(fleet: &Fleet, sql: &str) -> sqlx::Result<()> {
    let place = fleet.place.as_ref().unwrap();
    let mut connection = PgConnection::connect(place.url()).await?;
    let path = format!("SET opsconductor.all_tenants = 'on'; SET search_path = {};", place.schema());
    sqlx::raw_sql(AssertSqlSafe(format!("{path}{sql}"))).execute(&mut connection).await.map(drop)
}

//! What a chaos run stands on: the store's server or file, the disk below and the proxy before it.

use std::{io, path::Path, sync::Arc, time::Duration};

use opsconductor_core::store::Store;
use opsconductor_store_pg::{
    sqlx::{self, Connection, PgConnection},
    testing::{Disk, Server},
};

use super::{
    Backend, Chance,
    disk::SmallDisk,
    process::Place,
    proxy::{At, Cut, Proxy, Way},
};
use crate::history::Left;

/// Kinds of messages that are worth a cut of their own: a command that is complete, the end of a transaction, a row, and
/// what binds, executes and ends a statement.
const KINDS: [(Way, u8); 6] = [
    (Way::Down, b'C'),
    (Way::Down, b'Z'),
    (Way::Down, b'D'),
    (Way::Up, b'B'),
    (Way::Up, b'E'),
    (Way::Up, b'S'),
];

/// The ground. What it holds is put away when it is dropped, the server first.
pub(super) struct Ground {
    direct: Place,
    reached: Place,
    proxy: Option<Proxy>,
    server: Option<Arc<Server>>,
    disk: Arc<SmallDisk>,
}

impl Ground {
    pub(super) async fn new(backend: Backend, runs: u32) -> io::Result<Self> {
        // About what a run leaves behind, and what a server needs for itself.
        let room = u64::from(runs) / 40 + if backend == Backend::Postgres { 1536 } else { 96 };
        let disk = Arc::new(SmallDisk::new(room)?);
        if backend == Backend::Sqlite {
            let direct = Place::Sqlite(disk.path().join("ops.db"));
            return Ok(Self { reached: direct.clone(), direct, proxy: None, server: None, disk });
        }
        let folder = disk.path().to_owned();
        open_to_all(&folder)?;
        let server = blocking(move || Server::start_in(Disk::Durable, &folder)).await;
        let port = server.port().expect("the server is ours");
        let proxy = Proxy::start(port).await?;
        let url = server.url().to_owned();
        let reached = url.replace(&format!(":{port}/"), &format!(":{}/", proxy.port()));
        Ok(Self {
            direct: Place::Postgres(url),
            reached: Place::Postgres(reached),
            proxy: Some(proxy),
            server: Some(Arc::new(server)),
            disk,
        })
    }

    /// The store as this process reaches it.
    pub(super) async fn store(&self) -> opsconductor_core::Result<Arc<dyn Store>> {
        self.direct.open().await
    }

    /// The store as those reach it who are cut off now and then.
    pub(super) fn reached(&self) -> Place {
        self.reached.clone()
    }

    pub(super) fn proxy(&self) -> Option<&Proxy> {
        self.proxy.as_ref()
    }

    pub(super) fn server(&self) -> Option<Arc<Server>> {
        self.server.clone()
    }

    pub(super) fn disk(&self) -> Arc<SmallDisk> {
        Arc::clone(&self.disk)
    }

    /// Breaks a connection soon, at a message that chance names.
    pub(super) fn cut(&self, chance: &mut Chance) {
        let Some(proxy) = &self.proxy else { return };
        let at = *chance.of(&[At::Before, At::Within, At::After]);
        let (way, kind) = match chance.below(3) {
            0 => (*chance.of(&[Way::Up, Way::Down]), None),
            _ => {
                let (way, kind) = *chance.of(&KINDS);
                (way, Some(kind))
            }
        };
        proxy.arm(Cut { way, at, message: 1 + chance.below(60), kind });
    }

    /// What is left in the live queue, counted past the store.
    pub(super) async fn left(&self, store: &dyn Store) -> Result<Left, String> {
        let (queued, running) = store.queue_depth().await.map_err(|error| error.report())?;
        let rows = match &self.direct {
            Place::Postgres(url) => count_in_postgres(url, ROWS).await.map_err(|error| error.to_string())?,
            Place::Sqlite(path) => count_in_sqlite(path, ROWS).map_err(|error| error.to_string())?,
        };
        Ok(Left { queued, running, rows, orphans: 0 })
    }

    /// How many rows are left of runs that are gone, counted past the store.
    pub(super) async fn orphans(&self) -> Result<u64, String> {
        match &self.direct {
            Place::Postgres(url) => count_in_postgres(url, ORPHANS).await.map_err(|error| error.to_string()),
            Place::Sqlite(path) => count_in_sqlite(path, ORPHANS).map_err(|error| error.to_string()),
        }
    }
}

const ROWS: &str = "SELECT count(*) FROM queue";

/// What belongs to a run or to one of its tasks, in every table.
const ORPHANS: &str = "SELECT
    (SELECT count(*) FROM job_run_steps AS x WHERE NOT EXISTS (SELECT 1 FROM job_runs AS r WHERE r.id = x.job_run_id))
    + (SELECT count(*) FROM run_steps AS x WHERE NOT EXISTS (SELECT 1 FROM job_runs AS r WHERE r.id = x.run_id))
    + (SELECT count(*) FROM run_plans AS x WHERE NOT EXISTS (SELECT 1 FROM job_runs AS r WHERE r.id = x.run_id))
    + (SELECT count(*) FROM run_secrets AS x WHERE NOT EXISTS (SELECT 1 FROM job_runs AS r WHERE r.id = x.run_id))
    + (SELECT count(*) FROM run_events AS x WHERE NOT EXISTS (SELECT 1 FROM job_runs AS r WHERE r.id = x.run_id))
    + (SELECT count(*) FROM dlq AS x WHERE NOT EXISTS (SELECT 1 FROM job_runs AS r WHERE r.id = x.run_id))
    + (SELECT count(*) FROM task_attempts AS x WHERE NOT EXISTS (SELECT 1 FROM job_run_steps AS s WHERE s.id = x.task_id))
    + (SELECT count(*) FROM output_chunks AS x WHERE NOT EXISTS (SELECT 1 FROM job_run_steps AS s WHERE s.id = x.task_id))";

async fn count_in_postgres(url: &str, sql: &'static str) -> sqlx::Result<u64> {
    let mut connection = PgConnection::connect(url).await?;
    // Row-level security shows nothing to a session that does not say whose rows it means.
    sqlx::raw_sql("SET opsconductor.all_tenants = 'on'; SET search_path = opsconductor")
        .execute(&mut connection)
        .await?;
    let (rows,): (i64,) = sqlx::query_as(sql).fetch_one(&mut connection).await?;
    connection.close().await?;
    Ok(u64::try_from(rows).unwrap_or(u64::MAX))
}

fn count_in_sqlite(path: &Path, sql: &str) -> rusqlite::Result<u64> {
    let connection = rusqlite::Connection::open(path)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    let rows: i64 = connection.query_row(sql, (), |row| row.get(0))?;
    Ok(u64::try_from(rows).unwrap_or(u64::MAX))
}

/// A server that runs under another account makes its folder in here.
fn open_to_all(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o1777))
}

/// Does what blocks beside the runtime.
pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

//! A throwaway server for tests and benchmarks, started from the installed programs. Outside the semver promise.
//!
//! ```no_run
//! use opsconductor_store_pg::{PgOptions, PgStore, testing::Server};
//!
//! # async fn test() -> opsconductor_core::Result<()> {
//! let place = Server::shared().place();
//! let store = PgStore::connect(place.url(), PgOptions::default().with_schema(place.schema())).await?;
//! # Ok(())
//! # }
//! ```
//!
//! With `OPSCONDUCTOR_TEST_PG=postgres://…` that server is used instead, in schemas of its own that are removed again; what
//! only an administrator can prepare is then left out.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod keeper;

use std::{
    path::Path,
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use sqlx::{AssertSqlSafe, Connection, PgConnection};
use uuid::Uuid;

use keeper::{Keeper, Order};

/// Names a server to use instead of a throwaway one.
const EXTERNAL: &str = "OPSCONDUCTOR_TEST_PG";

/// How long a server may take to answer for the first time.
const START_LIMIT: Duration = Duration::from_secs(60);

/// How long until a server that does not answer is told to start once more.
const AGAIN: Duration = Duration::from_secs(1);

/// The role that owns the database: plain, so that row-level security holds for it.
pub const OWNER: &str = "ops";
/// A role without a login, for workers; [`OWNER`] may become it.
pub const WORKER_ROLE: &str = "ops_worker";
/// A role without a login, for one tenant at a time; [`OWNER`] may become it.
pub const TENANT_ROLE: &str = "ops_tenant";
/// A role with a login and without any rights.
pub const STRANGER: &str = "ops_stranger";

/// What a commit survives on a throwaway server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Disk {
    /// Nothing: quick, for tests.
    Careless,
    /// A power cut, for benchmarks.
    Durable,
}

/// What a server shows who it is with, as PEM.
#[derive(Clone, Copy)]
pub struct Certificate<'a> {
    /// Its certificate, and what vouches for it.
    pub pem: &'a str,
    /// Its private key.
    pub key_pem: &'a str,
}

/// A server.
#[derive(Debug)]
pub struct Server {
    url: String,
    own: Option<Own>,
    places: AtomicU32,
}

/// What is known of a server that is ours.
#[derive(Debug)]
struct Own {
    password: String,
    keeper: Keeper,
}

impl Server {
    /// The server of this process; it ends with the process, however that ends.
    ///
    /// # Panics
    ///
    /// When it cannot be started, with the line that installs what is missing.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Server> = OnceLock::new();
        SHARED.get_or_init(|| match std::env::var(EXTERNAL) {
            Ok(url) => Self { url, own: None, places: AtomicU32::new(0) },
            Err(_) => Self::start(Disk::Careless),
        })
    }

    /// A server of one's own. It ends when this is dropped.
    ///
    /// # Panics
    ///
    /// As [`Server::shared`].
    pub fn start(disk: Disk) -> Self {
        Self::make(disk, None, None)
    }

    /// The same with its files in `folder`, which the account `postgres` may write to.
    ///
    /// # Panics
    ///
    /// As [`Server::shared`].
    pub fn start_in(disk: Disk, folder: &Path) -> Self {
        Self::make(disk, Some(folder), None)
    }

    /// The same with `ssl = on` and this certificate.
    ///
    /// # Panics
    ///
    /// As [`Server::shared`].
    pub fn start_with_tls(disk: Disk, certificate: &Certificate<'_>) -> Self {
        Self::make(disk, None, Some(certificate))
    }

    fn make(disk: Disk, folder: Option<&Path>, certificate: Option<&Certificate<'_>>) -> Self {
        let password = Uuid::new_v7(uuid::Timestamp::now(uuid::NoContext)).simple().to_string();
        let keeper = Keeper::start(&password, disk, folder, certificate);
        let own = Own { password, keeper };
        let server = Self { url: own.url(OWNER, "ops"), own: Some(own), places: AtomicU32::new(0) };
        wait(server.prepare());
        server
    }

    /// Ends a throwaway server at once, as `pg_ctl stop -m immediate` does; what was committed is there again after
    /// [`Server::start_again`], unless the disk is [`Disk::Careless`]. One that is not ours is left alone.
    ///
    /// # Panics
    ///
    /// When whatever keeps the server is gone.
    pub fn crash(&self) {
        if let Some(own) = &self.own {
            own.keeper.tell(Order::Crash);
        }
    }

    /// Starts a throwaway server that was ended or ended by itself, and waits until it answers. One that runs is left alone.
    ///
    /// # Panics
    ///
    /// When it does not answer in time.
    pub fn start_again(&self) {
        if let Some(own) = &self.own {
            let began = Instant::now();
            loop {
                own.keeper.tell(Order::Start);
                // One that was just going down when it was told takes the next word.
                match wait(own.connect_within(AGAIN)) {
                    Ok(()) => return,
                    Err(error) => assert!(
                        began.elapsed() < START_LIMIT,
                        "the throwaway PostgreSQL does not answer: {error}\n{}",
                        own.keeper.log()
                    ),
                }
            }
        }
    }

    /// The port of a throwaway server.
    pub fn port(&self) -> Option<u16> {
        self.own.as_ref().map(|own| own.keeper.port())
    }

    /// A URL for [`OWNER`].
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A URL for another role and database of a throwaway server; none for one that is not ours.
    pub fn url_of(&self, role: &str, database: &str) -> Option<String> {
        self.own.as_ref().map(|own| own.url(role, database))
    }

    /// The same as [`Server::url`], through the socket in the file system.
    pub fn socket_url(&self) -> Option<String> {
        self.own.as_ref().map(|own| own.socket_url(OWNER, "ops"))
    }

    /// A URL for the administrator of a throwaway server.
    pub fn admin_url(&self) -> Option<String> {
        self.url_of(keeper::ADMIN, "ops")
    }

    /// A schema that nobody has used yet.
    pub fn place(&'static self) -> Place {
        let number = self.places.fetch_add(1, Ordering::Relaxed);
        Place { server: self, schema: format!("test_{}_{number}", std::process::id()) }
    }

    /// Makes the roles and the database, once the server answers.
    async fn prepare(&self) {
        let Some(own) = &self.own else { return };
        let mut admin = own.first_connection().await;
        let password = &own.password;
        let sql = format!(
            "CREATE ROLE {OWNER} LOGIN PASSWORD '{password}';
            CREATE ROLE {STRANGER} LOGIN PASSWORD '{password}';
            CREATE ROLE {WORKER_ROLE} NOLOGIN; GRANT {WORKER_ROLE} TO {OWNER};
            CREATE ROLE {TENANT_ROLE} NOLOGIN; GRANT {TENANT_ROLE} TO {OWNER};"
        );
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut admin).await.unwrap();
        let sql = format!("CREATE DATABASE ops OWNER {OWNER}");
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut admin).await.unwrap();
    }
}

impl Own {
    fn url(&self, role: &str, database: &str) -> String {
        format!("postgres://{role}:{}@127.0.0.1:{}/{database}", self.password, self.keeper.port())
    }

    fn socket_url(&self, role: &str, database: &str) -> String {
        let folder = self.keeper.folder().replace('/', "%2F");
        format!("postgres://{role}:{}@{folder}:{}/{database}", self.password, self.keeper.port())
    }

    async fn first_connection(&self) -> PgConnection {
        self.connection(START_LIMIT).await.unwrap_or_else(|error| {
            panic!("the throwaway PostgreSQL does not answer: {error}\n{}", self.keeper.log())
        })
    }

    async fn connect_within(&self, limit: Duration) -> sqlx::Result<()> {
        self.connection(limit).await?.close().await
    }

    async fn connection(&self, limit: Duration) -> sqlx::Result<PgConnection> {
        let (url, began) = (self.url(keeper::ADMIN, "postgres"), Instant::now());
        loop {
            match PgConnection::connect(&url).await {
                Ok(connection) => return Ok(connection),
                Err(error) if began.elapsed() > limit => return Err(error),
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    }
}

/// A schema for one test. It is not made yet, and is removed when this is dropped.
#[derive(Debug)]
pub struct Place {
    server: &'static Server,
    schema: String,
}

impl Place {
    /// A URL for the role that will own it.
    pub fn url(&self) -> &str {
        &self.server.url
    }

    /// Its name.
    pub fn schema(&self) -> &str {
        &self.schema
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // A throwaway server goes as a whole.
        if self.server.own.is_none() {
            let sql = format!("DROP SCHEMA IF EXISTS {} CASCADE", self.schema);
            wait(async {
                if let Ok(mut connection) = PgConnection::connect(&self.server.url).await {
                    let _ = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await;
                }
            });
        }
    }
}

/// Waits from a place that may be inside a runtime.
fn wait<T: Send>(work: impl Future<Output = T> + Send) -> T {
    std::thread::scope(|threads| {
        let work = threads.spawn(|| {
            tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
        });
        work.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

//! The OpsConductor store in PostgreSQL, 15 or newer.
//!
//! ```no_run
//! use opsconductor_store_pg::{PgOptions, PgStore};
//!
//! # async fn connect() -> opsconductor_core::Result<()> {
//! let store = PgStore::connect("postgres://ops:secret@localhost/ops", PgOptions::default()).await?;
//! # Ok(())
//! # }
//! ```
//!
//! * The tables stand in a schema of their own (`opsconductor` unless another is named) with their own table of migrations,
//!   so that a host's database can hold them beside its own.
//! * Many programs work on one database. What becomes ready is told by `NOTIFY`, gathered so that a burst is not slowed by
//!   it; whoever misses a notice finds the work when it looks.
//! * Times are the server's. The clocks of workers do not matter.
//! * [`PgStore::enqueue_in`] enqueues in a transaction of the host's, so that its rows and the run come or go together.
//! * Row-level security walls tenants off a second time, behind the conditions in every statement: see [`roles`].
//! * A text cannot hold the character U+0000 in PostgreSQL. The output is
//!   stored as it came; in what a step row keeps of it the character becomes U+FFFD, and elsewhere it is refused.
//! * With `sslmode=verify-full` (and `sslrootcert=FILE` where the server's authority is not one of the machine's) nobody can
//!   stand between; `require` hides what is sent and does not ask who the server is, and without either TLS is used when it
//!   is offered.
//! * Connect directly or through a pooler in session mode: prepared statements, `LISTEN` and session settings need it.
//!
//! # Features
//!
//! | feature | what it adds |
//! |---|---|
//! | `tls` | connections under TLS, with rustls and ring |
//! | `testing` | a throwaway server for tests and benchmarks, outside the semver promise |
#![forbid(unsafe_code)]
// A library speaks through results and `tracing`, never on its host's terminal.
#![warn(clippy::print_stdout, clippy::print_stderr)]

mod accounts;
mod address;
mod api_tokens;
mod audit;
mod catalog;
mod columns;
mod custody;
mod dead_letters;
mod error;
mod events;
mod feed;
mod history;
mod limits;
mod notices;
mod notifications;
mod options;
mod plans;
mod pools;
mod queue;
mod retention;
mod rights;
mod schema;
mod sessions;
mod sql;
#[cfg(feature = "testing")]
pub mod testing;
mod tls;
mod workers;

use std::{fmt, sync::Arc};

use opsconductor_core::{
    Error, Result,
    clock::{Clock, Timestamp},
    store::{Notice, PlanCache, Store},
};
use sqlx::{Connection, PgConnection};
use tokio::sync::broadcast;

pub use options::{DEFAULT_SCHEMA, PgOptions};
/// The crate that [`PgStore::enqueue_in`] takes its transaction from.
pub use sqlx;

/// Who may do what in the database, and what to grant.
#[doc = include_str!("../ROLES.md")]
pub mod roles {}

/// A [`Store`] in PostgreSQL.
///
/// Dropping it ends its two tasks and closes its connections when they are given back.
pub struct PgStore {
    server: String,
    channel: String,
    pools: pools::Pools,
    statements: Arc<sql::Statements>,
    gatherer: queue::gather::Gatherer,
    plans: PlanCache,
    notices: notices::Notices,
    clock: Option<Arc<dyn Clock>>,
}

impl PgStore {
    /// Connects to the database that `url` (`postgres://user:password@host:5432/database`) names, and brings its schema to
    /// this program's version unless the options say otherwise. It needs a tokio runtime, which serves its connections and
    /// notices from then on.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for a URL or a name that cannot be used; `StoreUnavailable` when the server is away, not ready or does
    /// not answer within the acquire time-out; `Store` when it refuses the login, has no such database, is too old, offers no
    /// TLS or no certificate that is trusted where the URL asks for it, or the schema is newer than this program or was not
    /// migrated; `Unsupported` when the URL asks for TLS and the feature `tls` is off. None of them repeats the URL.
    pub async fn connect(url: &str, options: PgOptions) -> Result<Self> {
        let (names, server) = (options.names()?, address::parse(url)?);
        let place = address::place(&server);
        let pools = pools::Pools::new(&server, &options, &names);
        let ready = async {
            let mut connection = pools::connect(&server, options.acquire_timeout).await?;
            prepare(&mut connection, &names, options.migrate).await?;
            pools.try_sessions(&mut connection).await?;
            // What is left of this connection does not matter.
            let _ = connection.close().await;
            Ok::<_, error::Failure>(())
        };
        ready.await.map_err(|failure| Error::from(failure).with("server", &place))?;
        let statements = Arc::new(sql::Statements::new(&names.schema));
        Ok(Self {
            server: place,
            channel: notices::channel(&names.schema),
            notices: notices::Notices::start(&pools.notices, &names.schema),
            gatherer: queue::gather::Gatherer::start(
                pools.clone(),
                Arc::clone(&statements),
                options.clock.clone(),
            ),
            statements,
            plans: PlanCache::default(),
            clock: options.clock,
            pools,
        })
    }

    /// Brings the schema to this program's version and gives the roles of `options` their rights, and does no more. The
    /// login needs to own the schema, or to be allowed to make it.
    ///
    /// # Errors
    ///
    /// As [`PgStore::connect`].
    pub async fn migrate(url: &str, options: &PgOptions) -> Result<()> {
        let (names, server) = (options.names()?, address::parse(url)?);
        let migrated = async {
            let mut connection = pools::connect(&server, options.acquire_timeout).await?;
            let migrated = prepare(&mut connection, &names, true).await;
            let _ = connection.close().await;
            migrated
        };
        migrated.await.map_err(|failure| Error::from(failure).with("server", address::place(&server)))
    }

    /// Closes the connections, after what uses them now has ended. Calls that come later are refused.
    pub async fn close(&self) {
        self.pools.close().await;
    }

    /// The moment that rows are written with, where it is not the server's.
    fn moment(&self) -> Option<Timestamp> {
        self.clock.as_ref().map(|clock| clock.now())
    }
}

async fn prepare(
    connection: &mut PgConnection,
    names: &options::Names,
    migrate: bool,
) -> error::DbResult<()> {
    schema::check_server(connection).await?;
    match migrate {
        true => schema::migrate(connection, names).await,
        false => schema::check(connection, names).await,
    }
}

impl Store for PgStore {
    fn name(&self) -> &'static str {
        "postgres"
    }

    fn notices(&self) -> Option<broadcast::Receiver<Notice>> {
        Some(self.notices.subscribe())
    }
}

impl fmt::Debug for PgStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PgStore")
            .field("server", &self.server)
            .field("schema", &self.channel)
            .finish_non_exhaustive()
    }
}

//! Connections, and how their sessions are set up.

use std::{sync::Arc, time::Duration};

use futures_util::FutureExt;
use opsconductor_core::{Error, ErrorKind, Result, audit::staging::Staged, id::TenantId};
use sqlx::{
    AssertSqlSafe, ConnectOptions, Connection, PgConnection, PgPool, Postgres, Transaction,
    pool::PoolConnection,
    postgres::{PgConnectOptions, PgPoolOptions},
};

use crate::{
    audit::{Recorder, Writing},
    error::{DbResult, from_sqlx},
    options::{Names, PgOptions},
    sql::{Name, Statements},
};

/// A connection that was idle for longer is asked whether it still lives before it is used.
const TRUSTED_FOR: Duration = Duration::from_secs(1);

/// The server ends a transaction that we forgot, as when this process was stopped in one.
const IDLE_IN_TRANSACTION: Duration = Duration::from_secs(60);

/// One listens, one tells.
const NOTICE_CONNECTIONS: u32 = 2;

/// The pools of a store.
#[derive(Debug, Clone)]
pub(crate) struct Pools {
    /// Serves the queue, which is that of all tenants.
    queue: PgPool,
    /// Serves people, one tenant at a time.
    people: PgPool,
    /// Notices, which wait for nobody.
    pub(crate) notices: PgPool,
    /// How the sessions of the queue and of people are set up.
    sessions: [Arc<str>; 2],
    recorder: Recorder,
}

impl Pools {
    pub(crate) fn new(server: &PgConnectOptions, options: &PgOptions, names: &Names) -> Self {
        let limits = session(options, "SET default_transaction_isolation = 'read committed'");
        // The plans of the queue are made once and stay right at every size: each row is found by an index.
        let queue = format!(
            "{limits}; SET opsconductor.all_tenants = 'on'; SET plan_cache_mode = 'force_generic_plan';
            SET enable_seqscan = off; SET enable_bitmapscan = off; SET enable_mergejoin = off; SET jit = off{}",
            become_role(names.worker.as_ref())
        );
        // Filters that were not given fall away from a plan that is made for them.
        let people = format!(
            "{limits}; SET plan_cache_mode = 'force_custom_plan'{}",
            become_role(names.tenant.as_ref())
        );
        // A notice that a crash of the server takes was of no use any more.
        let notices = format!("{limits}; SET synchronous_commit = off");
        let sessions: [Arc<str>; 2] = [queue.into(), people.into()];
        Self {
            queue: pool(server, options, options.connections, sessions[0].clone()),
            people: pool(server, options, options.readers, sessions[1].clone()),
            notices: pool(server, options, NOTICE_CONNECTIONS, notices.into()),
            sessions,
            recorder: Recorder {
                statements: Arc::new(Statements::new(&names.schema)),
                clock: options.clock.clone(),
            },
        }
    }

    /// Sets a session up in each way: a pool would only try again when it cannot, and say that it took too long.
    pub(crate) async fn try_sessions(&self, connection: &mut PgConnection) -> DbResult<()> {
        for session in &self.sessions {
            sqlx::raw_sql(AssertSqlSafe(session.clone())).execute(&mut *connection).await?;
            sqlx::raw_sql("RESET ROLE").execute(&mut *connection).await?;
        }
        Ok(())
    }

    /// A connection for one statement on the queue.
    pub(crate) async fn queue(&self) -> DbResult<PoolConnection<Postgres>> {
        Ok(self.queue.acquire().await?)
    }

    /// A transaction on the queue.
    pub(crate) async fn queue_transaction(&self) -> DbResult<Transaction<'static, Postgres>> {
        Ok(self.queue.begin().await?)
    }

    /// A transaction on the queue that gives up when it would wait for a lock for longer than `patience`.
    pub(crate) async fn impatient_transaction(
        &self,
        patience: Duration,
    ) -> DbResult<Transaction<'static, Postgres>> {
        let begin = format!("BEGIN; SET LOCAL lock_timeout = {}", millis(patience));
        Ok(self.queue.begin_with(AssertSqlSafe(begin)).await?)
    }

    /// A transaction on the queue that takes the entry of the call along.
    pub(crate) async fn queue_writing(&self) -> DbResult<Writing> {
        Ok(Writing::new(self.queue.begin().await?, &self.recorder))
    }

    /// The same with an entry that was taken before.
    pub(crate) async fn queue_writing_with(&self, staged: Option<Staged>) -> DbResult<Writing> {
        Ok(Writing::with(self.queue.begin().await?, &self.recorder, staged))
    }

    /// What writes entries in a transaction.
    pub(crate) fn recorder(&self) -> &Recorder {
        &self.recorder
    }

    /// A transaction that writes what is the tenant's, and takes the entry of the call along.
    pub(crate) async fn write(&self, tenant: TenantId) -> DbResult<Writing> {
        Ok(Writing::new(self.begin("BEGIN", tenant).await?, &self.recorder))
    }

    /// A transaction that sees one moment of what is the tenant's.
    pub(crate) async fn read(&self, tenant: TenantId) -> DbResult<Transaction<'static, Postgres>> {
        self.begin("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", tenant).await
    }

    async fn begin(&self, begin: &str, tenant: TenantId) -> DbResult<Transaction<'static, Postgres>> {
        // Both in one message. The tenant is a number.
        let begin = format!("{begin}; SET LOCAL opsconductor.tenant = '{tenant}'");
        Ok(self.people.begin_with(AssertSqlSafe(begin)).await?)
    }

    pub(crate) async fn close(&self) {
        tokio::join!(self.notices.close(), self.people.close(), self.queue.close());
    }
}

fn session(options: &PgOptions, more: &str) -> String {
    format!(
        "SET statement_timeout = {}; SET idle_in_transaction_session_timeout = {}; {more}",
        millis(options.statement_timeout),
        millis(IDLE_IN_TRANSACTION),
    )
}

/// As PostgreSQL takes it, where 0 would mean no limit.
fn millis(limit: Duration) -> i32 {
    i32::try_from(limit.as_millis()).unwrap_or(i32::MAX).max(1)
}

fn become_role(role: Option<&Name>) -> String {
    role.map_or_else(String::new, |role| format!("; SET ROLE {}", role.quoted()))
}

fn pool(server: &PgConnectOptions, options: &PgOptions, connections: u32, session: Arc<str>) -> PgPool {
    PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(options.acquire_timeout)
        .idle_timeout(options.idle_timeout)
        .test_before_acquire(false)
        .before_acquire(|connection, known| {
            async move {
                if known.idle_for > TRUSTED_FOR {
                    connection.ping().await?;
                }
                Ok(true)
            }
            .boxed()
        })
        .after_connect(move |connection, _| {
            let session = session.clone();
            async move { sqlx::raw_sql(AssertSqlSafe(session)).execute(connection).await.map(|_| ()) }.boxed()
        })
        .connect_lazy_with(server.clone())
}

/// A connection apart from the pools, with the session as the server gives it.
pub(crate) async fn connect(server: &PgConnectOptions, limit: Duration) -> Result<PgConnection> {
    use std::io::ErrorKind::{NotFound, PermissionDenied};
    match tokio::time::timeout(limit, server.connect()).await {
        Ok(Ok(connected)) => Ok(connected),
        // Over a network, only a file that the URL names can be missing.
        Ok(Err(sqlx::Error::Io(source)))
            if server.get_socket().is_none() && matches!(source.kind(), NotFound | PermissionDenied) =>
        {
            let message = "a file that the URL of the database names cannot be read; look at its sslrootcert, sslcert and sslkey";
            Err(Error::new(ErrorKind::InvalidInput, message).with_source(source))
        }
        Ok(Err(error)) => Err(from_sqlx(error)),
        Err(_) => Err(Error::new(ErrorKind::StoreUnavailable, "the database did not answer in time")),
    }
}

//! How a database is used.

use std::{sync::Arc, time::Duration};

use opsconductor_core::{Error, ErrorKind, Result, clock::Clock};

use crate::sql::Name;

/// The schema that the tables are in unless another is named.
pub const DEFAULT_SCHEMA: &str = "opsconductor";

/// Options of [`PgStore::connect`](crate::PgStore::connect).
#[derive(Debug, Clone)]
pub struct PgOptions {
    pub(crate) schema: String,
    pub(crate) migrate: bool,
    pub(crate) connections: u32,
    pub(crate) readers: u32,
    pub(crate) acquire_timeout: Duration,
    pub(crate) statement_timeout: Duration,
    pub(crate) idle_timeout: Duration,
    pub(crate) worker_role: Option<String>,
    pub(crate) tenant_role: Option<String>,
    pub(crate) clock: Option<Arc<dyn Clock>>,
}

impl PgOptions {
    /// Keeps the tables in `schema`; `opsconductor` unless said otherwise. Several may stand in one database.
    #[must_use]
    pub fn with_schema(mut self, schema: impl Into<String>) -> Self {
        self.schema = schema.into();
        self
    }

    /// Whether to bring the schema to this program's version when connecting; it is unless said otherwise. Without, a
    /// schema that is not there or is older is refused, and [`PgStore::migrate`](crate::PgStore::migrate) does it apart.
    #[must_use]
    pub fn with_migrate(mut self, migrate: bool) -> Self {
        self.migrate = migrate;
        self
    }

    /// How many connections the queue may use at once; 8 unless said otherwise, at least 1.
    #[must_use]
    pub fn with_connections(mut self, connections: u32) -> Self {
        self.connections = connections.max(1);
        self
    }

    /// How many connections serve people (the catalog, lists, events); 4 unless said otherwise, at least 1. They are apart
    /// so that a busy queue does not make people wait.
    #[must_use]
    pub fn with_readers(mut self, readers: u32) -> Self {
        self.readers = readers.max(1);
        self
    }

    /// How long a call waits for a connection, a new one included; 5 s unless said otherwise.
    #[must_use]
    pub fn with_acquire_timeout(mut self, timeout: Duration) -> Self {
        self.acquire_timeout = timeout;
        self
    }

    /// How long one statement may take, waiting for locks included; 30 s unless said otherwise. Migrations have no such
    /// limit.
    #[must_use]
    pub fn with_statement_timeout(mut self, timeout: Duration) -> Self {
        self.statement_timeout = timeout;
        self
    }

    /// After how long a connection that nobody uses is closed; 10 min unless said otherwise.
    #[must_use]
    pub fn with_idle_timeout(mut self, timeout: Duration) -> Self {
        self.idle_timeout = timeout;
        self
    }

    /// Serves the queue, which is that of all tenants, as `role` (`SET ROLE`). Migrating gives it what it needs.
    #[must_use]
    pub fn with_worker_role(mut self, role: impl Into<String>) -> Self {
        self.worker_role = Some(role.into());
        self
    }

    /// Serves people, one tenant at a time, as `role` (`SET ROLE`): row-level security then holds whatever the session
    /// says of itself. Migrating gives it what it needs.
    #[must_use]
    pub fn with_tenant_role(mut self, role: impl Into<String>) -> Self {
        self.tenant_role = Some(role.into());
        self
    }

    /// Takes leases, due times and the times of records from `clock` instead of the server. For tests: several programs on
    /// one database agree on the server's clock alone.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = Some(clock);
        self
    }

    /// The names in here, checked.
    pub(crate) fn names(&self) -> Result<Names> {
        let role = |name: &Option<String>| name.as_deref().map(|name| Name::new("role", name)).transpose();
        let names = Names {
            schema: Name::new("schema", &self.schema)?,
            worker: role(&self.worker_role)?,
            tenant: role(&self.tenant_role)?,
        };
        if names.tenant.is_some() && names.worker.is_none() {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                "a tenant role needs a worker role beside it; give PgOptions::with_worker_role too",
            ));
        }
        Ok(names)
    }
}

impl Default for PgOptions {
    fn default() -> Self {
        Self {
            schema: DEFAULT_SCHEMA.to_owned(),
            migrate: true,
            connections: 8,
            readers: 4,
            acquire_timeout: Duration::from_secs(5),
            statement_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(600),
            worker_role: None,
            tenant_role: None,
            clock: None,
        }
    }
}

/// Names that go into statements.
#[derive(Debug, Clone)]
pub(crate) struct Names {
    pub(crate) schema: Name,
    pub(crate) worker: Option<Name>,
    pub(crate) tenant: Option<Name>,
}

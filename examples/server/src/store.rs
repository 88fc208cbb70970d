//! Which store a command works on.

use std::{path::PathBuf, sync::Arc};

use clap::Args;
use opsconductor_core::{Error, ErrorKind, store::Store};

/// The variable that names the store.
const VARIABLE: &str = "OPSCONDUCTOR_STORE";

/// Where the store is. A password never stands in the arguments, which everyone on the machine can read.
#[derive(Debug, Clone, Args)]
pub(crate) struct StoreOptions {
    /// The store: `sqlite:PATH` or `postgres://USER@HOST/DATABASE`. Without it the environment variable OPSCONDUCTOR_STORE says
    /// it, which may hold a password too; here a password is refused. PGPASSWORD and a password file (PGPASSFILE,
    /// ~/.pgpass) are other places for it.
    #[arg(long, value_name = "URL")]
    store: Option<String>,
    /// The schema of the tables in PostgreSQL.
    #[cfg(feature = "postgres")]
    #[arg(long, value_name = "NAME", default_value = opsconductor_store_pg::DEFAULT_SCHEMA)]
    schema: String,
    /// The role in PostgreSQL that serves the queue.
    #[cfg(feature = "postgres")]
    #[arg(long, value_name = "NAME")]
    worker_role: Option<String>,
    /// The role in PostgreSQL that serves people, one tenant at a time.
    #[cfg(feature = "postgres")]
    #[arg(long, value_name = "NAME", requires = "worker_role")]
    tenant_role: Option<String>,
}

/// A store that was named.
enum Place {
    Sqlite(PathBuf),
    Postgres(String),
}

impl StoreOptions {
    /// Opens the store, and brings its schema to this program's version if `migrate` says so.
    pub(crate) async fn open(&self, migrate: bool) -> Result<Arc<dyn Store>, Error> {
        match self.place()? {
            Place::Sqlite(path) => sqlite(path, migrate).await,
            Place::Postgres(url) => self.postgres(&url, migrate).await,
        }
    }

    /// Brings the schema of the store to this program's version, and says which kind of store it is.
    pub(crate) async fn migrate(&self) -> Result<&'static str, Error> {
        match self.place()? {
            Place::Sqlite(path) => Ok(sqlite(path, true).await?.name()),
            Place::Postgres(url) => self.migrate_postgres(&url).await,
        }
    }

    fn place(&self) -> Result<Place, Error> {
        match &self.store {
            Some(url) => place(url, true),
            None => match std::env::var(VARIABLE) {
                Ok(url) if !url.is_empty() => place(&url, false),
                _ => Err(refuse("no store is named; give --store or set OPSCONDUCTOR_STORE")),
            },
        }
    }

    #[cfg(feature = "postgres")]
    async fn postgres(&self, url: &str, migrate: bool) -> Result<Arc<dyn Store>, Error> {
        let options = self.pg_options().with_migrate(migrate);
        Ok(Arc::new(opsconductor_store_pg::PgStore::connect(url, options).await?))
    }

    #[cfg(feature = "postgres")]
    async fn migrate_postgres(&self, url: &str) -> Result<&'static str, Error> {
        opsconductor_store_pg::PgStore::migrate(url, &self.pg_options()).await?;
        Ok("postgres")
    }

    #[cfg(feature = "postgres")]
    fn pg_options(&self) -> opsconductor_store_pg::PgOptions {
        let mut options = opsconductor_store_pg::PgOptions::default().with_schema(&self.schema);
        if let Some(role) = &self.worker_role {
            options = options.with_worker_role(role);
        }
        if let Some(role) = &self.tenant_role {
            options = options.with_tenant_role(role);
        }
        options
    }

    #[cfg(not(feature = "postgres"))]
    async fn postgres(&self, _: &str, _: bool) -> Result<Arc<dyn Store>, Error> {
        Err(left_out("PostgreSQL", "postgres"))
    }

    #[cfg(not(feature = "postgres"))]
    async fn migrate_postgres(&self, _: &str) -> Result<&'static str, Error> {
        Err(left_out("PostgreSQL", "postgres"))
    }
}

#[cfg(feature = "sqlite")]
async fn sqlite(path: PathBuf, migrate: bool) -> Result<Arc<dyn Store>, Error> {
    use opsconductor_store_sqlite::{SqliteOptions, SqliteStore};
    let options = SqliteOptions::default().with_migrate(migrate);
    // It waits for other processes on the file.
    let opened = tokio::task::spawn_blocking(move || SqliteStore::open(path, options)).await;
    let store = opened.map_err(|source| {
        Error::new(ErrorKind::Internal, "the data file could not be opened").with_source(source)
    })??;
    Ok(Arc::new(store))
}

#[cfg(not(feature = "sqlite"))]
async fn sqlite(_: PathBuf, _: bool) -> Result<Arc<dyn Store>, Error> {
    Err(left_out("SQLite", "sqlite"))
}

#[cfg(not(all(feature = "sqlite", feature = "postgres")))]
fn left_out(store: &str, feature: &str) -> Error {
    Error::new(
        ErrorKind::Unsupported,
        format!("this program was built without the {store} store; build it with the feature `{feature}`"),
    )
}

/// What a URL names. It is never repeated: it may hold a password.
fn place(url: &str, in_arguments: bool) -> Result<Place, Error> {
    if let Some(path) = url.strip_prefix("sqlite:") {
        let path = path.strip_prefix("//").unwrap_or(path);
        return match path {
            "" => Err(refuse("sqlite: is followed by the path of the data file")),
            ":memory:" => Err(refuse("a store in memory would be this process's alone; name a file")),
            path => Ok(Place::Sqlite(path.into())),
        };
    }
    if url.starts_with("postgres://") || url.starts_with("postgresql://") {
        if in_arguments && has_password(url) {
            return Err(refuse(
                "a password among the arguments can be read by everyone on this machine; put the URL into \
                 OPSCONDUCTOR_STORE, or the password into PGPASSWORD or a password file",
            ));
        }
        return Ok(Place::Postgres(url.to_owned()));
    }
    Err(refuse("a store is named by sqlite:PATH or postgres://USER@HOST/DATABASE"))
}

fn has_password(url: &str) -> bool {
    let (address, query) = url.split_once('?').unwrap_or((url, ""));
    let authority = address.split_once("://").map_or("", |(_, rest)| rest);
    // A password may hold a slash, which should be escaped and often is not.
    let user = authority.rsplit_once('@').map_or("", |(user, _)| user);
    user.contains(':') || query.split('&').any(|pair| pair.starts_with("password="))
}

fn refuse(message: &'static str) -> Error {
    Error::new(ErrorKind::InvalidInput, message)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    #[test]
    fn a_password_may_stand_in_the_environment_alone() {
        for url in [
            "postgres://ann:s3cret@db/ops",
            "postgres://ann:s3/cret@db/ops",
            "postgresql://ann@db/ops?sslmode=require&password=s3cret",
        ] {
            let error = place(url, true).err().unwrap();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{url}");
            assert!(!error.report().contains("s3"), "{error:?}");
            assert!(matches!(place(url, false).unwrap(), Place::Postgres(_)));
        }
        assert!(matches!(place("postgres://ann@db:5432/ops", true).unwrap(), Place::Postgres(_)));
    }

    #[test]
    fn what_names_no_store_is_refused_without_being_repeated() {
        for url in ["", "mysql://ann:s3cret@db/ops", "ops.db", "sqlite:", "sqlite::memory:"] {
            let error = place(url, false).err().unwrap();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{url}");
            assert!(!error.report().contains("s3cret"), "{error:?}");
        }
        assert!(matches!(place("sqlite:///var/ops.db", true), Ok(Place::Sqlite(path)) if path.is_absolute()));
    }
}

//! Opening an engine: where its keys come from, where it keeps things, how it reaches hosts.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use opsconductor_core::{
    Error, ErrorKind, Result,
    store::{Store, memory::MemoryStore},
    transport::http::{HttpSettings, Network},
    vault::{Keyring, MasterKey},
};
use pyo3::{exceptions::PyTypeError, prelude::*};
use zeroize::Zeroizing;

use crate::{
    engine::{Close, Native, Parts},
    errors::raised,
    pending::Pending,
};

/// The keys that a caller gives in one of four ways: one key, several by id, a file, or the environment.
///
/// # Errors
///
/// `TypeError` for two ways at once; `VaultError` for what is no key.
pub(crate) fn keyring(
    py: Python<'_>,
    key: Option<String>,
    keys: Option<BTreeMap<String, String>>,
    current: Option<&str>,
    key_file: Option<PathBuf>,
) -> PyResult<Keyring> {
    if usize::from(key.is_some()) + usize::from(keys.is_some()) + usize::from(key_file.is_some()) > 1 {
        return Err(PyTypeError::new_err("give one of `key`, `keys` and `key_file`"));
    }
    if keys.is_none() && current.is_some() {
        return Err(PyTypeError::new_err("`current` names one of `keys`: give both"));
    }
    let keys = keys.map(|keys| keys.into_iter().map(|(id, key)| (id, Zeroizing::new(key))).collect());
    let keyring = match (key.map(Zeroizing::new), keys, key_file) {
        (Some(key), ..) => MasterKey::parse(&key).map(Keyring::new),
        (_, Some(keys), _) => several(&keys, current),
        (.., Some(file)) => Keyring::from_file(file),
        _ => Keyring::from_environment(),
    };
    raised(py, keyring)
}

fn several(keys: &BTreeMap<String, Zeroizing<String>>, current: Option<&str>) -> Result<Keyring> {
    let first = match (current, keys.len()) {
        (Some(id), _) => id,
        (None, 1) => keys.keys().next().map_or("", String::as_str),
        (None, _) => return Err(Error::new(ErrorKind::Vault, "say with `current` which of the keys seals")),
    };
    let read = |id: &str, key: &str| MasterKey::parse(key)?.with_id(id);
    let sealing = keys.get(first).ok_or_else(|| {
        Error::new(ErrorKind::Vault, "`current` names none of the keys").with("current", first)
    })?;
    let former = keys.iter().filter(|(id, _)| *id != first);
    former.into_iter().try_fold(Keyring::new(read(first, sealing)?), |keyring, (id, key)| {
        keyring.with_former(read(id, key)?)
    })
}

/// What every way of opening takes.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub(crate) struct Options {
    key: Option<String>,
    keys: Option<BTreeMap<String, String>>,
    current: Option<String>,
    key_file: Option<PathBuf>,
    deployment: Option<String>,
    files: Option<PathBuf>,
    http_allow: Vec<String>,
}

impl Options {
    fn parts(self, py: Python<'_>, is_kept: bool) -> PyResult<Parts> {
        let is_said = self.key.is_some() || self.keys.is_some() || self.key_file.is_some();
        let keys = match is_kept || is_said {
            true => keyring(py, self.key, self.keys, self.current.as_deref(), self.key_file)?,
            // What is sealed is forgotten with the key.
            false => raised(py, Keyring::generate())?,
        };
        let allow: Result<Vec<Network>> = self.http_allow.iter().map(|network| network.parse()).collect();
        let reach = HttpSettings { allow: raised(py, allow)?, ..HttpSettings::default() };
        Ok(Parts { keys, deployment: self.deployment, files: self.files, reach })
    }
}

/// An engine that keeps what it is given for as long as it lives.
#[pyfunction]
pub(crate) fn open_memory(py: Python<'_>, options: Options) -> PyResult<Pending> {
    let parts = options.parts(py, false)?;
    Ok(opened(parts, async { Ok((Arc::new(MemoryStore::default()) as Arc<dyn Store>, Close::Nothing)) }))
}

/// An engine that keeps things in a file.
#[pyfunction]
pub(crate) fn open_sqlite(py: Python<'_>, path: PathBuf, options: Options) -> PyResult<Pending> {
    let parts = options.parts(py, true)?;
    sqlite(parts, path)
}

/// An engine that keeps things in a database of a PostgreSQL server.
#[pyfunction]
pub(crate) fn open_postgres(
    py: Python<'_>,
    url: String,
    schema: Option<String>,
    migrate: bool,
    options: Options,
) -> PyResult<Pending> {
    let parts = options.parts(py, true)?;
    postgres(parts, Zeroizing::new(url), schema, migrate)
}

#[cfg(feature = "sqlite")]
fn sqlite(parts: Parts, path: PathBuf) -> PyResult<Pending> {
    use opsconductor_store_sqlite::{SqliteOptions, SqliteStore};

    Ok(opened(parts, async move {
        let opened = tokio::task::spawn_blocking(move || SqliteStore::open(path, SqliteOptions::default()));
        let store = opened.await.map_err(|error| {
            Error::new(ErrorKind::Internal, "the data file was not opened").with_source(error)
        })??;
        Ok((Arc::new(store) as Arc<dyn Store>, Close::Nothing))
    }))
}

#[cfg(not(feature = "sqlite"))]
fn sqlite(_: Parts, _: PathBuf) -> PyResult<Pending> {
    Err(crate::errors::of_kind("unsupported", "this build of opsconductor has no SQLite store"))
}

#[cfg(feature = "postgres")]
fn postgres(
    parts: Parts,
    url: Zeroizing<String>,
    schema: Option<String>,
    migrate: bool,
) -> PyResult<Pending> {
    use opsconductor_store_pg::{PgOptions, PgStore};

    Ok(opened(parts, async move {
        let mut options = PgOptions::default().with_migrate(migrate);
        if let Some(schema) = schema {
            options = options.with_schema(schema);
        }
        let store = Arc::new(PgStore::connect(&url, options).await?);
        Ok((Arc::clone(&store) as Arc<dyn Store>, Close::Postgres(store)))
    }))
}

#[cfg(not(feature = "postgres"))]
fn postgres(_: Parts, _: Zeroizing<String>, _: Option<String>, _: bool) -> PyResult<Pending> {
    Err(crate::errors::of_kind("unsupported", "this build of opsconductor has no PostgreSQL store"))
}

fn opened(
    parts: Parts,
    store: impl Future<Output = Result<(Arc<dyn Store>, Close)>> + Send + 'static,
) -> Pending {
    let open = async move {
        let (store, close) = store.await?;
        // What is wrong with the parts is said now, not at the first call.
        Native::new(parts, store, close)
    };
    Pending::new(open, |py, native| Ok(Bound::new(py, native)?.into_any()))
}

//! Engines over simulated Windows hosts, with the real transport.

use std::{path::Path, sync::Arc};

use opsconductor_core::{
    Engine, Result,
    store::Store,
    target::TargetSpec,
    transport::winrm::WinrmConnector,
    vault::{Keyring, credential::Credential},
};
use opsconductor_store_sqlite::{SqliteOptions, SqliteStore};

/// The account on every simulated host.
pub const USER: &str = "Administrator";

/// Its password: what must be found nowhere.
pub const PASSWORD: &str = "c4nary-Pa55+wörd";

/// The SQLite file `ops.db` in `folder`.
///
/// # Errors
///
/// Those of the store.
pub fn store(folder: &Path) -> Result<Arc<dyn Store>> {
    Ok(Arc::new(SqliteStore::open(folder.join("ops.db"), SqliteOptions::default())?))
}

/// An engine on `store`, under the key in the file `key` in `folder`, with a WinRM connector of its own.
///
/// # Errors
///
/// Those of the engine's parts.
pub fn engine(store: Arc<dyn Store>, folder: &Path) -> Result<Engine> {
    Engine::builder()
        .shared_store(store)
        .keys(Keyring::from_file(folder.join("key"))?)
        .connector(WinrmConnector::new())
        .build()
}

/// Writes down the target `win-1` at `address`.
///
/// # Errors
///
/// `Conflict` when it is there.
///
/// # Panics
///
/// For an address that is not `host:port`.
pub async fn populate(engine: &Engine, address: &str) -> Result<()> {
    let ops = engine.local();
    let credential = ops.credentials().create("windows", &Credential::winrm(USER, PASSWORD.into())).await?;
    let (host, port) = address.rsplit_once(':').expect("host:port");
    let mut target = TargetSpec::winrm("win-1", host, credential.id);
    target.port = port.parse().expect("a port");
    ops.targets().create(target).await?;
    Ok(())
}

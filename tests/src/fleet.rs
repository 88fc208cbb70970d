//! An engine on a store, with scripted hosts.

use std::{path::Path, sync::Arc};

use opsconductor_core::{
    Engine, JobSpec, Result,
    clock::{Clock, SystemClock},
    engine::{Run, Scoped},
    store::{Store, memory::MemoryStore},
    target::TargetSpec,
    vault::{Keyring, credential::Credential},
};
use opsconductor_store_pg::{
    PgOptions, PgStore,
    testing::{Place, Server},
};
use opsconductor_store_sqlite::{SqliteOptions, SqliteStore};
use serde_json::{Map, Value};
use tempfile::TempDir;

use crate::scripted::Scripted;

/// The password of every scripted host: what must be found nowhere.
pub const PASSWORD: &str = "c4nary-Pa55+wörd";

/// An engine, its hosts, and whatever has to live as long.
pub struct Fleet {
    /// The engine.
    pub engine: Engine,
    /// The engine as the local administrator uses it.
    pub ops: Scoped,
    /// Its hosts.
    pub hosts: Scripted,
    /// The folder of the database, for a store that has one.
    pub folder: Option<TempDir>,
    /// The schema of the tables, for a store on a server.
    pub place: Option<Place>,
}

impl Fleet {
    /// On the store that forgets.
    ///
    /// # Errors
    ///
    /// What the engine's parts fail with.
    pub async fn memory() -> Result<Self> {
        Self::on(Arc::new(MemoryStore::new(Arc::new(SystemClock::new()))), Arc::new(SystemClock::new()), None)
            .await
    }

    /// On a SQLite file of its own.
    ///
    /// # Errors
    ///
    /// What the engine's parts fail with.
    ///
    /// # Panics
    ///
    /// Without a folder for temporary files.
    pub async fn sqlite() -> Result<Self> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let store = SqliteStore::open(folder.path().join("ops.db"), SqliteOptions::default())?;
        Self::on(Arc::new(store), Arc::new(SystemClock::new()), Some(folder)).await
    }

    /// On a PostgreSQL schema of its own.
    ///
    /// # Errors
    ///
    /// What the engine's parts fail with.
    ///
    /// # Panics
    ///
    /// Without PostgreSQL, with the line that installs it.
    pub async fn postgres() -> Result<Self> {
        let place = Server::shared().place();
        let store = PgStore::connect(place.url(), PgOptions::default().with_schema(place.schema())).await?;
        let fleet = Self::on(Arc::new(store), Arc::new(SystemClock::new()), None).await?;
        Ok(Self { place: Some(place), ..fleet })
    }

    /// On the SQLite file `ops.db` in `folder`, under the key in the file `key` beside it, with `hosts`. What an earlier
    /// process wrote there stays.
    ///
    /// # Errors
    ///
    /// What the engine's parts fail with.
    pub async fn reopened(folder: &Path, hosts: Scripted) -> Result<Self> {
        let store = SqliteStore::open(folder.join("ops.db"), SqliteOptions::default())?;
        let engine = Engine::builder()
            .store(store)
            .keys(Keyring::from_file(folder.join("key"))?)
            .connector(hosts.clone())
            .build()?;
        Ok(Self { ops: engine.local(), engine, hosts, folder: None, place: None })
    }

    /// On `store`, with the targets of [`Fleet::populate`].
    ///
    /// # Errors
    ///
    /// What the engine's parts fail with.
    pub async fn on(store: Arc<dyn Store>, clock: Arc<dyn Clock>, folder: Option<TempDir>) -> Result<Self> {
        let hosts = Scripted::default();
        let engine = Engine::builder()
            .shared_store(store)
            .keys(Keyring::generate()?)
            .connector(hosts.clone())
            .clock(clock)
            .build()?;
        let fleet = Self { ops: engine.local(), engine, hosts, folder, place: None };
        fleet.populate().await?;
        Ok(fleet)
    }

    /// Writes down the targets `web-1`, `web-2`, `db-1` and `gone` (which refuses connections).
    ///
    /// # Errors
    ///
    /// `Conflict` when they are there.
    pub async fn populate(&self) -> Result<()> {
        let ops = &self.ops;
        let credential =
            ops.credentials().create("admin", &Credential::winrm("Administrator", PASSWORD.into())).await?;
        for (name, host, tag) in [
            ("web-1", "host", "role:web"),
            ("web-2", "host", "role:web"),
            ("db-1", "host", "role:db"),
            ("gone", "away", "role:gone"),
        ] {
            ops.targets().create(TargetSpec::winrm(name, host, credential.id).with_tag(tag)).await?;
        }
        Ok(())
    }

    /// Saves a job from its definition and enqueues a run of it.
    ///
    /// # Errors
    ///
    /// What saving or enqueueing fails with.
    pub async fn run(&self, definition: &str, parameters: Value) -> Result<Run> {
        let job = self.ops.jobs().create(&JobSpec::parse(definition)?).await?;
        self.ops.jobs().run(&job.name, object(parameters), Default::default()).await
    }
}

/// The members of a JSON object; none for anything else.
pub fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

/// A definition of `winrm.exec` steps, each `(target, command)`.
pub fn steps(name: &str, steps: &[(&str, &str)]) -> String {
    let steps: Vec<Value> = steps
        .iter()
        .map(|(target, command)| {
            serde_json::json!({"type": "winrm.exec", "shell": "powershell", "target": target, "command": command})
        })
        .collect();
    serde_json::json!({"name": name, "version": 1, "steps": steps}).to_string()
}

//! An engine on a store whose time a test moves, and people in it.

use std::sync::Arc;

use opsconductor_core::{
    Engine, Error, Secret,
    auth::password::Work,
    engine::{AccountSettings, EngineBuilder, LoggedIn, NewAccount, Scoped, UserInfo},
    notify::Notifier,
    store::{Store, memory::MemoryStore},
    tenant::{Actor, Role, Scope},
    testing::ManualClock,
    vault::Keyring,
};
use opsconductor_store_pg::{
    PgOptions, PgStore,
    testing::{Place, Server},
};
use opsconductor_store_sqlite::{Durability, SqliteOptions, SqliteStore};
use tempfile::TempDir;

/// Everyone's password: what must be found nowhere.
pub(crate) const PASSWORD: &str = "c4nary-Pa55+wörd";

/// An engine, its time, and whatever has to live as long.
pub(crate) struct Scene {
    pub(crate) engine: Engine,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) folder: Option<TempDir>,
    keys: Keyring,
    _place: Option<Place>,
}

impl Scene {
    pub(crate) fn memory() -> Self {
        let clock = Arc::new(ManualClock::new());
        Self::on(Arc::new(MemoryStore::new(clock.clone())), clock, None, None)
    }

    pub(crate) fn sqlite() -> Self {
        let (clock, folder) = (Arc::new(ManualClock::new()), tempfile::tempdir().unwrap());
        let options =
            SqliteOptions::default().with_clock(clock.clone()).with_durability(Durability::ProcessCrash);
        let store = SqliteStore::open(folder.path().join("ops.db"), options).unwrap();
        Self::on(Arc::new(store), clock, Some(folder), None)
    }

    pub(crate) async fn postgres() -> Self {
        let (clock, place) = (Arc::new(ManualClock::new()), Server::shared().place());
        let options = PgOptions::default().with_schema(place.schema()).with_clock(clock.clone());
        let store = PgStore::connect(place.url(), options).await.unwrap();
        Self::on(Arc::new(store), clock, None, Some(place))
    }

    fn on(
        store: Arc<dyn Store>,
        clock: Arc<ManualClock>,
        folder: Option<TempDir>,
        place: Option<Place>,
    ) -> Self {
        let keys = Keyring::generate().unwrap();
        let engine = engine(&store, &clock, &keys, settings());
        Self { engine, store, clock, folder, keys, _place: place }
    }

    /// Another engine on the same store, as in another process.
    pub(crate) fn another_engine(&self, settings: AccountSettings) -> Engine {
        engine(&self.store, &self.clock, &self.keys, settings)
    }

    /// Another engine on the same store, with a way to deliver notifications.
    pub(crate) fn delivering_engine(&self, notifier: impl Notifier + 'static) -> Engine {
        builder(&self.store, &self.clock, &self.keys, settings()).notifier(notifier).build().unwrap()
    }

    /// An account in the default tenant.
    pub(crate) async fn user(&self, name: &str, role: Role) -> UserInfo {
        user(&self.engine.local(), name, role).await
    }

    /// The local administrator of a tenant of its own.
    pub(crate) async fn another_tenant(&self) -> Scoped {
        let tenant = self.store.create_tenant("acme").await.unwrap().id;
        self.engine.scope(Scope::new(tenant, Actor::Local))
    }

    pub(crate) async fn login(&self, name: &str, password: &str) -> Result<LoggedIn, Error> {
        self.engine.login(name, &Secret::from(password)).await
    }

    /// The engine as the account called `name` uses it.
    pub(crate) async fn acting_as(&self, name: &str) -> Scoped {
        self.engine.scope(self.login(name, PASSWORD).await.unwrap().scope())
    }
}

/// An account in the tenant of `ops`.
pub(crate) async fn user(ops: &Scoped, name: &str, role: Role) -> UserInfo {
    let new = NewAccount { name: name.to_owned(), email: format!("{name}@example.com"), role };
    ops.users().create(new, &Secret::from(PASSWORD)).await.unwrap()
}

/// The least work, so that the tests take seconds.
pub(crate) fn settings() -> AccountSettings {
    AccountSettings { work: Work::LEAST, ..AccountSettings::default() }
}

fn engine(
    store: &Arc<dyn Store>,
    clock: &Arc<ManualClock>,
    keys: &Keyring,
    settings: AccountSettings,
) -> Engine {
    builder(store, clock, keys, settings).build().unwrap()
}

fn builder(
    store: &Arc<dyn Store>,
    clock: &Arc<ManualClock>,
    keys: &Keyring,
    settings: AccountSettings,
) -> EngineBuilder {
    Engine::builder().shared_store(store.clone()).keys(keys.clone()).clock(clock.clone()).accounts(settings)
}

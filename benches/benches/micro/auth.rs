//! What every call asks first: who it is, and whether they may.

use std::error::Error;
use std::hint::black_box;

use opsconductor_benches::Bench;
use opsconductor_core::auth::password::Work;
use opsconductor_core::auth::policy::{Action, Resource, authorize};
use opsconductor_core::engine::{AccountSettings, NewAccount};
use opsconductor_core::id::UserId;
use opsconductor_core::store::memory::MemoryStore;
use opsconductor_core::tenant::{Actor, DEFAULT_TENANT, Role, Scope};
use opsconductor_core::vault::Keyring;
use opsconductor_core::{Engine, Secret};

/// `authorize`: an operator asks to run a job and may. `token.verify`: an access token becomes the account that calls, which a store in
/// memory has.
pub(crate) fn run(bench: &Bench) -> Result<(), Box<dyn Error>> {
    asked(bench)?;
    known(bench)
}

fn asked(bench: &Bench) -> Result<(), Box<dyn Error>> {
    let actor = Actor::User { id: UserId::new(7), name: "ops".into(), role: Role::Operator };
    let scope = Scope::new(DEFAULT_TENANT, actor);
    authorize(&scope, Action::Execute, Resource::Job)?;

    bench.time("authorize", |iterations| {
        for _ in 0..iterations {
            let _ = black_box(authorize(black_box(&scope), Action::Execute, Resource::Job));
        }
    })?;
    Ok(())
}

fn known(bench: &Bench) -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let settings = AccountSettings { work: Work::LEAST, ..AccountSettings::default() };
    let engine = Engine::builder()
        .store(MemoryStore::default())
        .keys(Keyring::generate()?)
        .accounts(settings)
        .build()?;
    let token = runtime.block_on(async {
        let (password, role) = (Secret::from("a password of the bench"), Role::Operator);
        let account = NewAccount { name: "ops".to_owned(), email: "ops@example.net".to_owned(), role };
        engine.local().users().create(account, &password).await?;
        let token = engine.login("ops", &password).await?.tokens().await?.access_token;
        assert_eq!(engine.verify_access(token.expose()).await?.actor.name(), "ops");
        Ok::<_, opsconductor_core::Error>(token)
    })?;

    bench.time("token.verify", |iterations| {
        runtime.block_on(async {
            for _ in 0..iterations {
                let _ = black_box(engine.verify_access(black_box(token.expose())).await);
            }
        });
    })?;
    Ok(())
}

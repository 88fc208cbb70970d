//! The question every call of the engine asks first.

use std::error::Error;
use std::hint::black_box;

use opsconductor_benches::Bench;
use opsconductor_core::auth::policy::{Action, Resource, authorize};
use opsconductor_core::id::UserId;
use opsconductor_core::tenant::{Actor, DEFAULT_TENANT, Role, Scope};

/// `authorize`: an operator asks to run a job and may.
pub(crate) fn run(bench: &Bench) -> Result<(), Box<dyn Error>> {
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

//! Logins a second by accounts that came from the Python system, two at a time, in PostgreSQL: the hashing is the limit.
//!
//! * `login.rate_upgrading`: each account for the first time, whose bcrypt hash of cost 10 is checked and replaced by Argon2id.
//! * `login.rate`: each of them again.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use opsconductor_benches::{Better, Options};
use opsconductor_core::{
    Engine, Secret,
    auth::password::Work,
    engine::AccountSettings,
    store::{Accounts as _, NewUser},
    tenant::{DEFAULT_TENANT, Role},
    vault::Keyring,
};

use crate::{Failure, Metric, audit};

const UPGRADING: Metric = Metric { name: "login.rate_upgrading", unit: "logins/s", better: Better::Higher };
const AFTER: Metric = Metric { name: "login.rate", unit: "logins/s", better: Better::Higher };

/// Everyone's password, and its hash as the Python system has it.
const PASSWORD: &str = "a password of the python system";
const BCRYPT_10: &str = "$2b$10$CCCCCCCCCCCCCCCCCCCCC.ESQmnSbPvqmf9IewfPorfyJmwLuiJLW";

/// As many as are hashed at once, so that none waits for its turn.
const CALLERS: usize = 2;

pub(crate) fn run(options: &Options, round: u32) -> Result<(), Failure> {
    if !options.wants(UPGRADING.name) && !options.wants(AFTER.name) {
        return Ok(());
    }
    tokio::runtime::Runtime::new()?.block_on(measure(options, round))
}

async fn measure(options: &Options, round: u32) -> Result<(), Failure> {
    let accounts = if options.is_quick() { 4 } else { 200 };
    // What cargo tests is not optimized, and the full work would take it seconds.
    let work = if options.smoke { Work::LEAST } else { Work::STANDARD };
    let place = audit::place(options);
    let store = Arc::new(audit::connect(&place, CALLERS as u32 + 2).await?);
    for number in 0..accounts {
        let new = NewUser {
            name: name(number),
            email: format!("{}@example.net", name(number)),
            role: Role::Operator,
            password: Secret::from(BCRYPT_10),
        };
        store.insert_user(DEFAULT_TENANT, new).await?;
    }
    let engine = Engine::builder()
        .shared_store(store.clone())
        .keys(Keyring::generate()?)
        .accounts(AccountSettings { work, ..AccountSettings::default() })
        .build()?;
    for (metric, hashes) in [(UPGRADING, 2 * accounts), (AFTER, accounts)] {
        let before = engine.password_hashes();
        let took = all_log_in(&engine, accounts).await?;
        let done = engine.password_hashes() - before;
        if done != hashes {
            return Err(format!("{accounts} logins took {done} hashes, not {hashes}").into());
        }
        if options.wants(metric.name) {
            metric.ours(accounts as f64 / took, accounts, round)?;
        }
    }
    Ok(())
}

/// Every account once, and how many seconds that took.
async fn all_log_in(engine: &Engine, accounts: u64) -> Result<f64, Failure> {
    let (begun, began) = (Arc::new(AtomicU64::new(0)), Instant::now());
    let callers = (0..CALLERS).map(|_| {
        let (engine, begun) = (engine.clone(), Arc::clone(&begun));
        tokio::spawn(async move {
            loop {
                let number = begun.fetch_add(1, Ordering::Relaxed);
                if number >= accounts {
                    return Ok(());
                }
                engine.login(&name(number), &Secret::from(PASSWORD)).await?;
            }
        })
    });
    for caller in callers.collect::<Vec<_>>() {
        caller.await?.map_err(|error: opsconductor_core::Error| error)?;
    }
    Ok(began.elapsed().as_secs_f64())
}

fn name(number: u64) -> String {
    format!("user-{number}")
}

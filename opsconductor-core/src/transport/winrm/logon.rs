//! What is known of a logon while anyone uses it: whether the host refused it, and whose turn it is to try.
//!
//! A wrong password counts against its account at every try, and a few of them lock it. So one try is made at a time
//! for a host and a credential, and once it is refused, none that shares the record tries again: not the connections that
//! waited for their turn, not those a session opens later, and nothing that cleans up in the background. A caller who
//! connects anew after that gets a new record, and one try.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::sync::{Mutex as Turns, MutexGuard as Turn};

use super::pool::PoolKey;

/// From how many records on those that nobody uses any more are looked for.
const SWEEP_FROM: usize = 64;

/// One logon: a host and a credential.
#[derive(Default)]
pub(super) struct Logon {
    refused: AtomicBool,
    turns: Turns<()>,
}

impl Logon {
    /// Whether the host refused it.
    pub(super) fn is_refused(&self) -> bool {
        self.refused.load(Ordering::Acquire)
    }

    /// Notes that the host refused it.
    pub(super) fn set_refused(&self) {
        self.refused.store(true, Ordering::Release);
    }

    /// Waits until nobody else shows the password; `None` when the host refused it in the meantime.
    pub(super) async fn turn(&self) -> Option<Turn<'_, ()>> {
        let turn = self.turns.lock().await;
        (!self.is_refused()).then_some(turn)
    }
}

/// The logons in use.
#[derive(Default)]
pub(super) struct Logons {
    used: Mutex<HashMap<PoolKey, Weak<Logon>>>,
}

impl Logons {
    /// The record for `key`: the one in use, or a new one when there is none or it was refused.
    pub(super) fn of(&self, key: Option<&PoolKey>) -> Arc<Logon> {
        let logon = Arc::<Logon>::default();
        // Without a key nobody else can be found who shares the logon.
        let Some(key) = key else { return logon };
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = used.get(key).and_then(Weak::upgrade)
            && !found.is_refused()
        {
            return found;
        }
        if used.len() >= SWEEP_FROM && used.len() == used.capacity() {
            used.retain(|_, logon| logon.strong_count() > 0);
        }
        used.insert(key.clone(), Arc::downgrade(&logon));
        logon
    }
}

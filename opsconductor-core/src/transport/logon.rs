//! What is known of a logon: whether the host refused it, and whose turn it is to try.
//!
//! A wrong password counts against its account at every try, and a few of them lock it. So one try is made at a time
//! for a host and a credential, and once it is refused, none that shares the record tries again: not the connections that
//! waited for their turn, not those a session opens later, and nothing that cleans up in the background. A caller who
//! connects anew gets the same record for a while, and after that a new one with one try.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{Mutex as Turns, MutexGuard as Turn},
    time::Instant,
};

/// From how many records on those that nobody needs any more are looked for.
const SWEEP_FROM: usize = 64;

/// One logon: a host and a credential.
#[derive(Default)]
pub(super) struct Logon {
    refused: OnceLock<Instant>,
    turns: Turns<()>,
}

impl Logon {
    /// Whether the host refused it.
    pub(super) fn is_refused(&self) -> bool {
        self.refused.get().is_some()
    }

    /// Notes that the host refused it.
    pub(super) fn set_refused(&self) {
        // Whoever comes second adds nothing.
        let _ = self.refused.set(Instant::now());
    }

    /// Waits until nobody else shows the password; `None` when the host refused it in the meantime.
    pub(super) async fn turn(&self) -> Option<Turn<'_, ()>> {
        let turn = self.turns.lock().await;
        (!self.is_refused()).then_some(turn)
    }

    fn is_refused_for(&self, pause: Duration) -> bool {
        self.refused.get().is_some_and(|since| since.elapsed() >= pause)
    }
}

/// The logons of one connector.
/// `K` says which logons are the same: those with one host and one credential.
pub(super) struct Logons<K> {
    known: Mutex<HashMap<K, Arc<Logon>>>,
}

impl<K> Default for Logons<K> {
    fn default() -> Self {
        Self { known: Mutex::default() }
    }
}

impl<K: Clone + Eq + Hash> Logons<K> {
    /// The record for `key`: the one there is, or a new one when there is none or it was refused a `pause` ago.
    pub(super) fn of(&self, key: Option<&K>, pause: Duration) -> Arc<Logon> {
        let logon = Arc::<Logon>::default();
        // Without a key nobody else can be found who shares the logon.
        let Some(key) = key else { return logon };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = known.get(key)
            && !found.is_refused_for(pause)
        {
            return Arc::clone(found);
        }
        if known.len() >= SWEEP_FROM && known.len() == known.capacity() {
            known.retain(|_, logon| {
                Arc::strong_count(logon) > 1 || (logon.is_refused() && !logon.is_refused_for(pause))
            });
        }
        known.insert(key.clone(), Arc::clone(&logon));
        logon
    }
}

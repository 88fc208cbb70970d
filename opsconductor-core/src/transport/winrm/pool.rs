//! Idle lanes, kept for the next session with the same host and credential.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use hkdf::hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, sleep_until, timeout},
};
use tokio_util::task::TaskTracker;

use super::{account::Scheme, host::Host, lane::Lane, settings::WinrmSettings};
use crate::{Error, Result, error::Layer, transport::tls::Trust};

/// How many idle lanes are kept in all.
const IDLE_MAX: usize = 512;

/// How long a session waits for others to end before it is given up.
const TURN: Duration = Duration::from_secs(10 * 60);

/// From how many hosts on those that nobody uses are forgotten.
const TURNS_SWEEP_FROM: usize = 256;

/// What two sessions must share to share a lane.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct PoolKey {
    name: String,
    port: u16,
    trust: Option<TrustKey>,
    user: String,
    domain: String,
    scheme: Scheme,
    /// A keyed digest: equal for equal passwords in this process, and nothing to learn from.
    password: [u8; 32],
}

#[derive(Clone, PartialEq, Eq, Hash)]
enum TrustKey {
    Authorities(Vec<Vec<u8>>),
    Pinned([u8; 32]),
    Any,
}

/// The lanes of one connector.
pub(super) struct Pool {
    pub(super) settings: Arc<WinrmSettings>,
    pub(super) tracker: TaskTracker,
    /// Without randomness there is none, and nothing is kept.
    digest_key: Option<[u8; 32]>,
    /// How many more sessions may be in use, by host and credential.
    turns: Mutex<HashMap<PoolKey, Arc<Semaphore>>>,
    idle: Mutex<Idle>,
}

#[derive(Default)]
struct Idle {
    lanes: HashMap<PoolKey, Vec<(Instant, Lane)>>,
    sweeping: bool,
    closed: bool,
}

impl Pool {
    pub(super) fn new(settings: Arc<WinrmSettings>) -> Self {
        let mut key = [0; 32];
        let digest_key = getrandom::fill(&mut key).is_ok().then_some(key);
        Self {
            settings,
            tracker: TaskTracker::new(),
            digest_key,
            turns: Mutex::default(),
            idle: Mutex::default(),
        }
    }

    /// Under what a lane to `host` is kept; `None` when it cannot be.
    pub(super) fn key(&self, host: &Host) -> Option<PoolKey> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.digest_key?).ok()?;
        mac.update(host.account.identifying());
        Some(PoolKey {
            name: host.name.to_ascii_lowercase(),
            port: host.port,
            trust: host.trust.as_ref().map(|trust| match trust {
                Trust::Authorities(all) => TrustKey::Authorities(all.iter().map(|c| c.to_vec()).collect()),
                Trust::Pinned(pin) => TrustKey::Pinned(*pin),
                Trust::Any => TrustKey::Any,
            }),
            user: host.account.user.clone(),
            domain: host.account.domain.clone(),
            scheme: host.account.scheme,
            password: mac.finalize().into_bytes().into(),
        })
    }

    /// Waits until one more session may be in use with the host.
    pub(super) async fn turn(&self, key: &PoolKey) -> Result<OwnedSemaphorePermit> {
        let max = self.settings.sessions_per_host_max.min(Semaphore::MAX_PERMITS);
        let turns = {
            let mut all = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
            if all.len() >= TURNS_SWEEP_FROM && all.len() == all.capacity() {
                // Nobody has one in use, and nobody waits.
                all.retain(|_, turns| Arc::strong_count(turns) > 1);
            }
            Arc::clone(all.entry(key.clone()).or_insert_with(|| Arc::new(Semaphore::new(max))))
        };
        let late = || {
            let message = "every session that may be in use with the host was in use for too long";
            Error::transport(Layer::Shell, message).with("sessions", max).with_retryable(true)
        };
        // It is never closed.
        timeout(TURN, turns.acquire_owned()).await.ok().and_then(Result::ok).ok_or_else(late)
    }

    /// A lane that is ready, if one is idle. The one used last comes first: it is the least likely to be hung up on.
    pub(super) fn take(&self, key: &PoolKey) -> Option<Lane> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let lanes = idle.lanes.get_mut(key)?;
        let oldest = Instant::now().checked_sub(self.settings.idle_timeout);
        while let Some((since, lane)) = lanes.pop() {
            if lane.is_clean() && oldest.is_none_or(|oldest| since > oldest) {
                return Some(lane);
            }
            self.retire(lane);
        }
        idle.lanes.remove(key);
        None
    }

    /// Keeps a clean lane for the next session, or ends it in the background.
    pub(super) fn give_back(self: &Arc<Self>, key: Option<PoolKey>, lane: Lane) {
        let Some(key) = key else { return self.retire(lane) };
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let count: usize = idle.lanes.values().map(Vec::len).sum();
        let runtime = Handle::try_current();
        let room =
            idle.lanes.get(&key).map_or(0, Vec::len) < self.settings.idle_sessions_max && count < IDLE_MAX;
        let (true, false, true, Ok(runtime)) = (room, idle.closed, lane.is_clean(), runtime) else {
            drop(idle);
            self.retire(lane);
            return;
        };
        idle.lanes.entry(key).or_default().push((Instant::now(), lane));
        if !idle.sweeping {
            idle.sweeping = true;
            // The sweeper must not keep the pool alive, nor hold up a shutdown.
            runtime.spawn(sweep(Arc::downgrade(self), self.settings.idle_timeout));
        }
    }

    /// Ends every idle lane, and waits for these and for what else is being cleaned up.
    pub(super) async fn shut_down(&self) {
        let lanes = {
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            idle.closed = true;
            std::mem::take(&mut idle.lanes)
        };
        for (_, lane) in lanes.into_values().flatten() {
            self.retire(lane);
        }
        self.tracker.close();
        self.tracker.wait().await;
    }

    /// Ends a lane in the background.
    fn retire(&self, lane: Lane) {
        // Without a runtime, the lane's drop does what can be done.
        if let Ok(runtime) = Handle::try_current() {
            self.tracker.spawn_on(
                async move {
                    let target = lane.host.target.clone();
                    if let Err(error) = lane.close().await {
                        tracing::debug!(
                            target,
                            error = error.report(),
                            "an idle session did not close cleanly"
                        );
                    }
                },
                &runtime,
            );
        }
    }

    /// Ends the lanes that were idle too long; the time at which the next one will have been, if any is left.
    fn expire(&self) -> Option<Instant> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let mut next: Option<Instant> = None;
        let mut expired = Vec::new();
        for lanes in idle.lanes.values_mut() {
            let split = lanes.partition_point(|(since, _)| *since + self.settings.idle_timeout <= now);
            expired.extend(lanes.drain(..split).map(|(_, lane)| lane));
            if let Some((since, _)) = lanes.first() {
                let due = *since + self.settings.idle_timeout;
                next = Some(next.map_or(due, |next| next.min(due)));
            }
        }
        idle.lanes.retain(|_, lanes| !lanes.is_empty());
        idle.sweeping = next.is_some();
        drop(idle);
        for lane in expired {
            self.retire(lane);
        }
        next
    }
}

async fn sweep(pool: Weak<Pool>, idle_timeout: Duration) {
    let mut due = Instant::now() + idle_timeout;
    loop {
        sleep_until(due).await;
        let Some(pool) = pool.upgrade() else { return };
        match pool.expire() {
            Some(next) => due = next,
            None => return,
        }
    }
}

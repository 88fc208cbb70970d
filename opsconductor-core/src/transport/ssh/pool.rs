//! The connections of one connector, shared by the sessions with one host and credential.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use futures_util::future::join_all;
use hkdf::hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, sleep_until, timeout},
};
use tokio_util::task::TaskTracker;

use super::{account::Account, host::Host, link::Link, settings::SshSettings};
use crate::{
    Error, ErrorKind, Result,
    error::Layer,
    transport::{logon::Logons, timings::Timings},
};

/// How long a session waits for others to end before it is given up.
const TURN: Duration = Duration::from_secs(10 * 60);

/// From how many hosts on those that nobody uses are forgotten.
const SWEEP_FROM: usize = 256;

/// What two sessions must share to share a connection.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct PoolKey {
    name: String,
    port: u16,
    /// A keyed digest of the account: equal for equal ones in this process, and nothing to learn from.
    account: [u8; 32],
    pins: Vec<String>,
    known_hosts: Option<String>,
    jump: Option<Box<Self>>,
}

/// The connections of one connector.
pub(super) struct Pool {
    pub(super) settings: Arc<SshSettings>,
    pub(super) tracker: TaskTracker,
    pub(super) logons: Logons<PoolKey>,
    digest_key: [u8; 32],
    /// How many more sessions may be in use, by host and credential.
    turns: Mutex<HashMap<PoolKey, Arc<Semaphore>>>,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    links: HashMap<PoolKey, Vec<Arc<Link>>>,
    sweeping: bool,
    closed: bool,
}

/// A place on a connection.
pub(super) struct Seat {
    pub(super) link: Arc<Link>,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.link.touch();
    }
}

impl Pool {
    pub(super) fn new(settings: Arc<SshSettings>) -> Result<Self> {
        let mut digest_key = [0; 32];
        getrandom::fill(&mut digest_key).map_err(|error| {
            Error::new(ErrorKind::Internal, "the machine gives no random bytes").with_source(error)
        })?;
        Ok(Self {
            settings,
            tracker: TaskTracker::new(),
            logons: Logons::default(),
            digest_key,
            turns: Mutex::default(),
            open: Mutex::default(),
        })
    }

    /// Under what connections to `host` are kept.
    pub(super) fn key(&self, host: &Host) -> PoolKey {
        PoolKey {
            name: host.name.to_ascii_lowercase(),
            port: host.port,
            account: self.digest(&host.account),
            pins: host.pins.clone(),
            known_hosts: host.known_hosts.clone(),
            jump: host.jump.as_ref().map(|jump| Box::new(self.key(jump))),
        }
    }

    fn digest(&self, account: &Account) -> [u8; 32] {
        // A key of 32 bytes is one that every such code takes.
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.digest_key).expect("the key has the right length");
        for part in account.identifying() {
            mac.update(&(part.len() as u64).to_le_bytes());
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }

    /// Waits until one more session may be in use with the host.
    pub(super) async fn turn(&self, key: &PoolKey) -> Result<OwnedSemaphorePermit> {
        let max = self.settings.sessions_per_host_max.min(Semaphore::MAX_PERMITS);
        let turns = {
            let mut all = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
            if all.len() >= SWEEP_FROM && all.len() == all.capacity() {
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

    /// A seat on a connection to `host`: one that is open, or a new one. One logon at a time for a host and a credential.
    pub(super) async fn seat(self: &Arc<Self>, host: &Arc<Host>, key: &PoolKey) -> Result<Seat> {
        if let Some(seat) = self.free(key) {
            return Ok(seat);
        }
        let refused = || {
            let message = format!(
                "the host refused the credential of {} a moment ago, so it is not tried again yet",
                host.account.user
            );
            host.about(Error::transport(Layer::Authentication, message))
        };
        // A turn ends, for each logon has its time.
        let turn = host.logon.turn().await.ok_or_else(refused)?;
        if let Some(seat) = self.free(key) {
            return Ok(seat);
        }
        let span = tracing::debug_span!("ssh.connect", target = host.target);
        let mut timings = Timings::default();
        let opening = self.open(host, &mut timings);
        let link = Arc::new(tracing::Instrument::instrument(opening, span).await?);
        let permit = link.seat().ok_or_else(|| {
            host.about(Error::transport(Layer::Connect, "the host hung up after the logon"))
        })?;
        self.keep(key.clone(), &link);
        drop(turn);
        Ok(Seat { link, _permit: permit })
    }

    /// Opens a connection that nobody shares yet.
    pub(super) async fn open(self: &Arc<Self>, host: &Arc<Host>, timings: &mut Timings) -> Result<Link> {
        let through = match &host.jump {
            Some(jump) => {
                let seat = Box::pin(self.seat(jump, &self.key(jump))).await;
                Some(seat.map_err(|error| error.with("jump", jump.authority()))?)
            }
            None => None,
        };
        Link::open(host, through, timings).await
    }

    fn free(&self, key: &PoolKey) -> Option<Seat> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let links = open.links.get_mut(key)?;
        links.retain(|link| !link.is_gone());
        links.iter().find_map(|link| Some(Seat { _permit: link.seat()?, link: Arc::clone(link) }))
    }

    fn keep(self: &Arc<Self>, key: PoolKey, link: &Arc<Link>) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.closed {
            // It ends with its session.
            link.retire();
            return;
        }
        open.links.entry(key).or_default().push(Arc::clone(link));
        if let (false, Ok(runtime)) = (open.sweeping, Handle::try_current()) {
            open.sweeping = true;
            // The sweeper must not keep the pool alive, nor hold up a shutdown.
            runtime.spawn(sweep(Arc::downgrade(self), self.settings.idle_timeout));
        }
    }

    /// Takes a connection out, so that nobody gets a seat on it any more.
    pub(super) fn forget(&self, key: &PoolKey, link: &Arc<Link>) {
        link.retire();
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(links) = open.links.get_mut(key) {
            links.retain(|other| !Arc::ptr_eq(other, link));
            if links.is_empty() {
                open.links.remove(key);
            }
        }
    }

    /// Ends every connection, and waits for these and for what else is being cleaned up.
    pub(super) async fn shut_down(&self) {
        self.tracker.close();
        self.tracker.wait().await;
        let links = {
            let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            open.closed = true;
            std::mem::take(&mut open.links)
        };
        // Those that go through others say goodbye while these are still there.
        let (through, direct): (Vec<_>, Vec<_>) =
            links.into_values().flatten().partition(|link| link.host.jump.is_some());
        for links in [through, direct] {
            join_all(links.iter().map(|link| link.end())).await;
        }
    }

    /// Ends the connections that were idle too long; the time at which the next one will have been, if any is left.
    fn expire(&self) -> Option<Instant> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let idle_timeout = self.settings.idle_timeout;
        let mut next: Option<Instant> = None;
        let mut expired = Vec::new();
        for links in open.links.values_mut() {
            links.retain(|link| {
                let due = link.idle_since().unwrap_or(now) + idle_timeout;
                let over = link.is_gone() || (link.idle_since().is_some() && due <= now);
                if over {
                    link.retire();
                    expired.push(Arc::clone(link));
                } else {
                    // One that is in use may be idle in a moment.
                    let due = due.max(now + Duration::from_millis(100));
                    next = Some(next.map_or(due, |next| next.min(due)));
                }
                !over
            });
        }
        open.links.retain(|_, links| !links.is_empty());
        open.sweeping = next.is_some();
        drop(open);
        if let Ok(runtime) = Handle::try_current() {
            for link in expired {
                self.tracker.spawn_on(async move { link.end().await }, &runtime);
            }
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

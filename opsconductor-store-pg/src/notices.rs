//! Notices between processes: `LISTEN` and `NOTIFY`.
//!
//! They are speed, never correctness. One task tells what this process committed, at most once in [`GATHER`] and never in
//! the transactions themselves, so that a burst is not slowed by it; another listens to what others tell.

use std::{
    collections::BTreeSet,
    fmt::Write,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use opsconductor_core::{id::RunId, store::Notice};
use sqlx::{PgPool, postgres::PgListener};
use tokio::{
    sync::{Notify, broadcast},
    task::AbortHandle,
};
use tracing::{debug, warn};
use uuid::Uuid;

use crate::sql::Name;

/// How many notices a slow listener may fall behind before it misses some.
const NOTICES_MAX: usize = 1024;

/// How long what comes after a notification is gathered for the next.
const GATHER: Duration = Duration::from_millis(4);

/// How many runs wait to be told of; more are left to polling.
const RUNS_MAX: usize = 4_096;

/// PostgreSQL refuses 8,000 bytes and more.
const PAYLOAD_BYTES_MAX: usize = 7_500;

/// A listener that hears nothing for so long asks whether the connection still lives.
const SILENCE: Duration = Duration::from_secs(30);

/// How long the answer to that may take.
const PING: Duration = Duration::from_secs(10);

/// Between tries to listen again.
const BACKOFF_MIN: Duration = Duration::from_millis(100);
const BACKOFF_MAX: Duration = Duration::from_secs(5);

/// Gives notices to this process at once and to others soon.
#[derive(Debug)]
pub(crate) struct Notices {
    here: broadcast::Sender<Notice>,
    outbox: Arc<Outbox>,
    tasks: [AbortHandle; 2],
}

impl Notices {
    /// Starts both tasks. What one of them cannot do it says in the log and tries again.
    pub(crate) fn start(pool: &PgPool, schema: &Name) -> Self {
        let here = broadcast::Sender::new(NOTICES_MAX);
        let outbox = Arc::new(Outbox::default());
        let me = Uuid::now_v7().simple().to_string();
        let channel = channel(schema);
        let tell = tokio::spawn(tell(pool.clone(), channel.clone(), me.clone(), outbox.clone()));
        let listen = tokio::spawn(listen(pool.clone(), channel, me, here.clone()));
        Self { here, outbox, tasks: [tell.abort_handle(), listen.abort_handle()] }
    }

    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Notice> {
        self.here.subscribe()
    }

    /// Tells of what was committed.
    pub(crate) fn tell(&self, notices: impl IntoIterator<Item = Notice>) {
        let mut any = false;
        for notice in notices {
            // Nobody listening is no error.
            let _ = self.here.send(notice);
            self.outbox.lock().put(notice);
            any = true;
        }
        if any {
            self.outbox.filled.notify_one();
        }
    }
}

impl Drop for Notices {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

/// The channel of a schema. Names of channels are cut at 63 bytes, as those of schemas are.
pub(crate) fn channel(schema: &Name) -> String {
    schema.as_str().to_owned()
}

/// What a transaction of a host tells when it commits.
pub(crate) const READY: &str = "- R";

/// What waits to be told.
#[derive(Debug, Default)]
struct Outbox {
    pending: Mutex<Pending>,
    filled: Notify,
}

impl Outbox {
    fn lock(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Pending {
    ready: bool,
    cancels: BTreeSet<RunId>,
    runs: BTreeSet<RunId>,
}

impl Pending {
    fn put(&mut self, notice: Notice) {
        match notice {
            Notice::Ready => self.ready = true,
            Notice::Cancel(run) if self.cancels.len() < RUNS_MAX => {
                self.cancels.insert(run);
            }
            Notice::Run(run) if self.runs.len() < RUNS_MAX => {
                self.runs.insert(run);
            }
            _ => {}
        }
    }

    /// `<who> [R] [C<run>]… [E<run>]…`, in as many payloads as it takes.
    fn payloads(&self, me: &str) -> Vec<String> {
        let mut payloads = Vec::new();
        let mut payload = me.to_owned();
        let words = self.ready.then(|| "R".to_owned()).into_iter();
        let words = words.chain(self.cancels.iter().map(|run| format!("C{run}")));
        for word in words.chain(self.runs.iter().map(|run| format!("E{run}"))) {
            if payload.len() + 1 + word.len() > PAYLOAD_BYTES_MAX {
                payloads.push(std::mem::replace(&mut payload, me.to_owned()));
            }
            // Writing to a string does not fail.
            let _ = write!(payload, " {word}");
        }
        if payload.len() > me.len() {
            payloads.push(payload);
        }
        payloads
    }
}

/// The notices in a payload; none if it is our own, or what is no notice.
fn read(payload: &str, me: &str) -> Vec<Notice> {
    let mut words = payload.split(' ');
    if words.next() == Some(me) {
        return Vec::new();
    }
    let notice = |word: &str| {
        let run = |digits: &str| digits.parse().ok().map(RunId::new);
        match word.split_at_checked(1)? {
            ("R", "") => Some(Notice::Ready),
            ("C", digits) => run(digits).map(Notice::Cancel),
            ("E", digits) => run(digits).map(Notice::Run),
            _ => None,
        }
    };
    words.filter_map(notice).collect()
}

async fn tell(pool: PgPool, channel: String, me: String, outbox: Arc<Outbox>) {
    loop {
        outbox.filled.notified().await;
        let pending = std::mem::take(&mut *outbox.lock());
        let payloads = pending.payloads(&me);
        if !payloads.is_empty() {
            let sent = sqlx::query("SELECT pg_notify($1, payload) FROM unnest($2::text[]) AS payload")
                .bind(&channel)
                .bind(&payloads)
                .execute(&pool)
                .await;
            if let Err(error) = sent {
                debug!(error = %crate::error::from_sqlx(error).report(), "other processes were not told; they will find it when they look");
            }
        }
        tokio::time::sleep(GATHER).await;
    }
}

async fn listen(pool: PgPool, channel: String, me: String, here: broadcast::Sender<Notice>) {
    let mut pause = BACKOFF_MIN;
    let mut before = false;
    loop {
        let ended = match begin(&pool, &channel).await {
            Ok(mut listener) => {
                if std::mem::replace(&mut before, true) {
                    // What was told meanwhile was missed.
                    let _ = here.send(Notice::Ready);
                }
                pause = BACKOFF_MIN;
                hear(&mut listener, &me, &here).await
            }
            Err(error) => error,
        };
        if matches!(ended, sqlx::Error::PoolClosed) {
            return;
        }
        let error = crate::error::from_sqlx(ended).report();
        match pause == BACKOFF_MIN {
            true => warn!(error, "notices of other processes are not heard; trying again"),
            false => debug!(error, "notices of other processes are still not heard"),
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(BACKOFF_MAX);
    }
}

async fn begin(pool: &PgPool, channel: &str) -> Result<PgListener, sqlx::Error> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen(channel).await?;
    Ok(listener)
}

/// Hears until the connection is lost.
async fn hear(listener: &mut PgListener, me: &str, here: &broadcast::Sender<Notice>) -> sqlx::Error {
    let lost = || sqlx::Error::Protocol("the connection was lost".to_owned());
    loop {
        match tokio::time::timeout(SILENCE, listener.try_recv()).await {
            Ok(Ok(Some(notification))) => {
                for notice in read(notification.payload(), me) {
                    let _ = here.send(notice);
                }
            }
            Ok(Ok(None)) => return lost(),
            Ok(Err(error)) => return error,
            Err(_) => match tokio::time::timeout(PING, sqlx::query("SELECT 1").execute(&mut *listener)).await
            {
                Ok(Ok(_)) => {}
                Ok(Err(error)) => return error,
                Err(_) => return lost(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_is_heard_by_others_alone() {
        let mut pending = Pending::default();
        let notices = [Notice::Ready, Notice::Cancel(RunId::new(3)), Notice::Run(RunId::new(4))];
        notices.into_iter().chain(notices).for_each(|notice| pending.put(notice));
        let payloads = pending.payloads("me");
        assert_eq!(payloads, ["me R C3 E4"], "each once");
        assert_eq!(read(&payloads[0], "you"), notices);
        assert_eq!(read(&payloads[0], "me"), []);
        assert_eq!(read(READY, "me"), [Notice::Ready]);
        assert_eq!(read("", "me"), []);
        assert_eq!(read("x Q Cé é E E1x 5", "me"), [], "what is no notice is passed over");
    }

    #[test]
    fn many_go_into_several_payloads_and_too_many_are_left_out() {
        let mut pending = Pending::default();
        assert_eq!(pending.payloads("me"), [] as [String; 0]);
        (0..10_000).for_each(|id| pending.put(Notice::Run(RunId::new(1_000_000_000 + id))));
        let payloads = pending.payloads("me");
        assert!(payloads.len() > 1 && payloads.iter().all(|payload| payload.len() <= PAYLOAD_BYTES_MAX));
        let heard: usize = payloads.iter().map(|payload| read(payload, "you").len()).sum();
        assert_eq!(heard, RUNS_MAX);
    }
}

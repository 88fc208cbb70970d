//! The machine: files, processes, and what an onlooker counts.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::{io::AsyncWriteExt as _, net::TcpListener, runtime::Handle, sync::watch, task::AbortHandle};

use super::process::Process;

pub(super) const USER: &str = "operator";
pub(super) const PASSWORD: &str = "the right passw0rd";
pub(super) const WRONG: &str = "some wrong passw0rd";

pub(super) struct Host {
    pub(super) address: SocketAddr,
    greeter: AbortHandle,
    /// Processes belong to the host, whoever's runtime started them.
    pub(super) runtime: Handle,
    pub(super) files: Mutex<BTreeMap<String, Vec<u8>>>,
    pub(super) processes: Mutex<BTreeMap<u64, Arc<Process>>>,
    pub(super) started: AtomicU64,
    pub(super) running: AtomicU64,
    pub(super) failed_logons: AtomicU64,
    pub(super) sessions: AtomicU64,
    /// Changes when every connection breaks.
    pub(super) cuts: watch::Sender<u64>,
    /// Held by the one command that runs, where one runs at a time.
    pub(super) turn: tokio::sync::Mutex<()>,
}

impl Host {
    /// Listens on a port of its own and greets with one byte, so that a host that is there can be told from one that is
    /// not.
    pub(super) async fn start() -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let greeter = tokio::spawn(async move {
            while let Ok((mut guest, _)) = listener.accept().await {
                // A guest that has left already is not greeted.
                let _ = guest.write_all(b"!").await;
            }
        });
        Arc::new(Self {
            address,
            greeter: greeter.abort_handle(),
            runtime: Handle::current(),
            files: Mutex::default(),
            processes: Mutex::default(),
            started: AtomicU64::new(0),
            running: AtomicU64::new(0),
            failed_logons: AtomicU64::new(0),
            sessions: AtomicU64::new(0),
            cuts: watch::Sender::new(0),
            turn: tokio::sync::Mutex::default(),
        })
    }

    /// Breaks every connection, and with it every session.
    pub(super) fn cut(&self) {
        self.sessions.store(0, Ordering::SeqCst);
        self.cuts.send_modify(|cuts| *cuts += 1);
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.greeter.abort();
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

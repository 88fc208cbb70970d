//! A way to a server of this machine that can be cut.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

/// Passes on what comes to its port. It ends when it is dropped.
#[derive(Debug)]
pub struct Relay {
    port: u16,
    open: Arc<AtomicU64>,
    cut: Arc<Mutex<CancellationToken>>,
    listening: JoinHandle<()>,
}

impl Relay {
    /// Passes on to `port`.
    ///
    /// # Panics
    ///
    /// Without a free port.
    pub async fn start(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let here = listener.local_addr().expect("an address").port();
        let open = Arc::<AtomicU64>::default();
        let cut = Arc::<Mutex<CancellationToken>>::default();
        let (count, token) = (Arc::clone(&open), Arc::clone(&cut));
        let listening = tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let cut = token.lock().unwrap_or_else(PoisonError::into_inner).clone();
                let count = Arc::clone(&count);
                count.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(async move {
                    if let Ok(mut server) = TcpStream::connect(("127.0.0.1", port)).await {
                        let _ = cut.run_until_cancelled(copy_bidirectional(&mut client, &mut server)).await;
                    }
                    count.fetch_sub(1, Ordering::Relaxed);
                });
            }
        });
        Self { port: here, open, cut, listening }
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// How many connections it passes on now.
    pub fn open(&self) -> u64 {
        self.open.load(Ordering::Relaxed)
    }

    /// Cuts every connection. New ones are passed on.
    pub fn cut(&self) {
        let mut cut = self.cut.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *cut).cancel();
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.cut();
        self.listening.abort();
    }
}

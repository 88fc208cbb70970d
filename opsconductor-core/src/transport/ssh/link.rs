//! A connection: opened, shared by the sessions that have a seat on it, and ended.

use std::{
    io,
    net::{Shutdown, TcpStream as Socket},
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use russh::{
    Channel, Disconnect,
    client::{Config, Handle, Msg, connect_stream},
};
use tokio::{
    net::TcpStream,
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    authenticate::authenticate,
    client::{Broken, Client},
    host::Host,
    host_key::HostKeys,
    pool::Seat,
};
use crate::{
    Error, Result,
    error::Layer,
    transport::{dial::connect, timings::Timings},
};

/// How long a host may take to open a channel.
const CHANNEL: Duration = Duration::from_secs(10);

/// How long a connection that is ended may take to end by itself.
const GOODBYE: Duration = Duration::from_secs(2);

/// An authenticated connection.
pub(super) struct Link {
    pub(super) host: Arc<Host>,
    handle: Handle<Client>,
    gone: CancellationToken,
    seats: Arc<Semaphore>,
    used: Mutex<Instant>,
    /// Nobody gets a seat any more.
    retired: AtomicBool,
    software: Arc<OnceLock<String>>,
    socket: Cut,
    /// The seat on the connection to the host through which this one goes.
    _through: Option<Seat>,
}

/// Why there is no channel.
pub(super) enum NoChannel {
    /// The connection is gone, or does not answer.
    Lost,
    /// The host opens no more on this connection.
    Refused,
}

impl Link {
    /// Connects, checks the host, and logs on once. `through` is where the way goes, when it is not a direct one.
    pub(super) async fn open(host: &Arc<Host>, through: Option<Seat>, timings: &mut Timings) -> Result<Self> {
        timings.start();
        let limit = host.connect_timeout;
        let opened = match timeout(limit, Self::open_within(host, through, timings)).await {
            Ok(opened) => opened,
            Err(_) => {
                let layer = match timings.current() {
                    // It has not refused the credential.
                    Layer::Authentication => Layer::Protocol,
                    layer => layer,
                };
                let message = format!("the host did not answer within {:.1} s", limit.as_secs_f64());
                Err(Error::transport(layer, message))
            }
        };
        opened.map_err(|error| host.about(error))
    }

    async fn open_within(host: &Arc<Host>, through: Option<Seat>, timings: &mut Timings) -> Result<Self> {
        // A key that cannot be read is no reason to bother the host.
        let reading = Arc::clone(host);
        let key = tokio::task::spawn_blocking(move || reading.account.key()).await;
        let key = key.unwrap_or_else(|error| {
            Err(Error::new(crate::ErrorKind::Internal, "the private key was not read").with_source(error))
        })?;
        let keys = HostKeys::read(host).await?;
        let settings = &host.settings;
        let config = Config {
            preferred: keys.preferred(),
            keepalive_interval: Some(settings.keepalive),
            keepalive_max: usize::try_from(settings.keepalive_max).unwrap_or(usize::MAX),
            inactivity_timeout: Some(settings.silence_max()),
            nodelay: true,
            ..Config::default()
        };
        let gone = CancellationToken::new();
        let software = Arc::<OnceLock<String>>::default();
        let client = Client { keys, software: Arc::clone(&software), _gone: gone.clone().drop_guard() };
        let (socket, handshake);
        match &through {
            None => {
                let hint = "is it up, and does SSH listen on this port?";
                let stream = connect(&host.name, host.port, hint, timings).await?;
                let (stream, cut) = Cut::new(stream).map_err(|error| {
                    Error::transport(Layer::Connect, "the connection cannot be used").with_source(error)
                })?;
                // Whoever waits no longer cuts it: the library's task would wait for a silent host.
                socket = cut;
                timings.enter(Layer::Protocol);
                handshake = connect_stream(Arc::new(config), stream, client).await;
            }
            Some(seat) => {
                timings.enter(Layer::Connect);
                let channel = seat.link.tunnel(&host.name, host.port).await?;
                socket = Cut(None);
                timings.enter(Layer::Protocol);
                handshake = connect_stream(Arc::new(config), channel.into_stream(), client).await;
            }
        }
        let mut handle = handshake.map_err(|broken| match broken {
            Broken::HostKey(error) => error,
            Broken::Ssh(error) => unshaken(error),
        })?;
        timings.enter(Layer::Authentication);
        authenticate(&mut handle, host, key).await?;
        timings.finish();
        Ok(Self {
            host: Arc::clone(host),
            handle,
            gone,
            seats: Arc::new(Semaphore::new(settings.sessions_per_connection_max.min(Semaphore::MAX_PERMITS))),
            used: Mutex::new(Instant::now()),
            retired: AtomicBool::new(false),
            software,
            socket,
            _through: through,
        })
    }

    /// A way to another host, through this one.
    async fn tunnel(&self, name: &str, port: u16) -> Result<Channel<Msg>> {
        let opened = self.handle.channel_open_direct_tcpip(name, u32::from(port), "127.0.0.1", 0).await;
        opened.map_err(|error| {
            let message = format!(
                "the jump host {} does not connect to the host; is it up, does SSH listen there, and may connections be \
                 forwarded (AllowTcpForwarding)?",
                self.host.authority()
            );
            Error::transport(Layer::Connect, message).with_source(error)
        })
    }

    /// A channel for one command or one conversation about files.
    pub(super) async fn channel(&self) -> Result<Channel<Msg>, NoChannel> {
        match timeout(CHANNEL, self.handle.channel_open_session()).await {
            Ok(Ok(channel)) => Ok(channel),
            Ok(Err(russh::Error::ChannelOpenFailure(_))) => Err(NoChannel::Refused),
            Ok(Err(_)) => Err(NoChannel::Lost),
            Err(_) => {
                // It takes nothing any more.
                self.cut();
                Err(NoChannel::Lost)
            }
        }
    }

    /// The software at the other end, as it says itself.
    pub(super) fn software(&self) -> Option<String> {
        self.software.get().cloned()
    }

    pub(super) fn is_gone(&self) -> bool {
        self.gone.is_cancelled() || self.handle.is_closed()
    }

    /// A seat, if one is free and the connection may still be used.
    pub(super) fn seat(&self) -> Option<OwnedSemaphorePermit> {
        if self.is_gone() || self.retired.load(Ordering::Acquire) {
            return None;
        }
        Arc::clone(&self.seats).try_acquire_owned().ok()
    }

    /// Gives no more seats.
    pub(super) fn retire(&self) {
        self.retired.store(true, Ordering::Release);
    }

    /// Notes that a session used it until now.
    pub(super) fn touch(&self) {
        *self.used.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// Since when nobody has a seat; `None` when somebody has.
    pub(super) fn idle_since(&self) -> Option<Instant> {
        let all = self.host.settings.sessions_per_connection_max.min(Semaphore::MAX_PERMITS);
        let idle = self.seats.available_permits() >= all;
        idle.then(|| *self.used.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Says goodbye, and waits a little for the end.
    pub(super) async fn end(&self) {
        self.retire();
        let goodbye = async {
            let _ = self.handle.disconnect(Disconnect::ByApplication, "", "").await;
            self.gone.cancelled().await;
        };
        if timeout(GOODBYE, goodbye).await.is_err() {
            self.cut();
        }
    }

    fn cut(&self) {
        self.socket.cut();
    }
}

/// A second hand on a socket, to hang up while the library waits for the host. Dropped, it hangs up.
struct Cut(Option<Socket>);

impl Cut {
    fn new(stream: TcpStream) -> io::Result<(TcpStream, Self)> {
        let socket = stream.into_std()?;
        let second = socket.try_clone()?;
        Ok((TcpStream::from_std(socket)?, Self(Some(second))))
    }

    fn cut(&self) {
        if let Some(socket) = &self.0 {
            // It may have been hung up already.
            let _ = socket.shutdown(Shutdown::Both);
        }
    }
}

impl Drop for Cut {
    fn drop(&mut self) {
        self.cut();
    }
}

/// What to say of a handshake that failed. Nothing was sent that acts, so it may be tried again where it can go better.
fn unshaken(error: russh::Error) -> Error {
    let (message, again) = match &error {
        russh::Error::NoCommonAlgo { kind, .. } => {
            (format!("the host and we know no {kind:?} algorithm in common; the host may be too old"), false)
        }
        russh::Error::Version => ("what answers on this port does not speak SSH 2".to_owned(), false),
        russh::Error::IO(_) | russh::Error::Disconnect | russh::Error::HUP => (
            "the host hung up in the SSH handshake; it may have too many logons at once (MaxStartups)"
                .to_owned(),
            true,
        ),
        _ => ("the SSH handshake failed".to_owned(), false),
    };
    Error::transport(Layer::Protocol, message).with_source(error).with_retryable(again)
}

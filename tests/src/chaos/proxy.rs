//! A TCP proxy that knows where PostgreSQL's messages begin and end, and breaks connections at one of them.
//!
//! Version 3 of the protocol: a message is a byte that names its kind, a length of four bytes that counts itself, and the
//! rest. What a client sends first has no such byte.

use std::{
    io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader, BufWriter},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

/// The longest message that is passed on; beyond it the stream is taken for something else.
const MESSAGE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// What a client sends that would like TLS.
const TLS_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

/// How long the server may take to accept a connection, and a client to say its first word.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);

/// Which way a message goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// To the server.
    Up,
    /// To the client.
    Down,
}

/// Where in a message the connection breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum At {
    /// Before its first byte.
    Before,
    /// In its middle.
    Within,
    /// After its last byte.
    After,
}

/// A cut to make: the connection of the message number `message` (from 1, over all connections) that goes `way`, of those
/// of the kind `kind` if one is named.
#[derive(Debug, Clone, Copy)]
pub struct Cut {
    /// Which way.
    pub way: Way,
    /// Where in the message.
    pub at: At,
    /// Its number.
    pub message: u64,
    /// The byte that names the kind, such as `C` for a command that is complete.
    pub kind: Option<u8>,
}

/// A proxy on loopback before one server. Dropping it breaks every connection.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    server: u16,
    armed: Mutex<Option<Cut>>,
    cuts: AtomicU64,
    /// Up and down.
    messages: [AtomicU64; 2],
    ended: CancellationToken,
}

impl Proxy {
    /// Before the server at `server` on loopback.
    ///
    /// # Errors
    ///
    /// Those of the sockets.
    pub async fn start(server: u16) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let shared = Arc::new(Shared {
            server,
            armed: Mutex::default(),
            cuts: AtomicU64::new(0),
            messages: Default::default(),
            ended: CancellationToken::new(),
        });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Ok(Self { port, shared, accepting })
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Makes one cut; it takes the place of one that was not made yet.
    pub fn arm(&self, cut: Cut) {
        *self.shared.armed() = Some(cut);
    }

    /// Makes no cut; says whether one was still to be made.
    pub fn disarm(&self) -> bool {
        self.shared.armed().take().is_some()
    }

    /// How many cuts were made.
    pub fn cuts(&self) -> u64 {
        self.shared.cuts.load(Ordering::Relaxed)
    }

    /// How many messages have come that go `way`.
    pub fn messages(&self, way: Way) -> u64 {
        self.shared.messages[way as usize].load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.shared.ended.cancel();
    }
}

impl Shared {
    fn armed(&self) -> std::sync::MutexGuard<'_, Option<Cut>> {
        self.armed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the connection breaks at this message, and where.
    fn breaks(&self, way: Way, kind: Option<u8>) -> Option<At> {
        self.messages[way as usize].fetch_add(1, Ordering::Relaxed);
        let mut armed = self.armed();
        let cut = armed.as_mut().filter(|cut| cut.way == way && (cut.kind.is_none() || cut.kind == kind))?;
        cut.message = cut.message.saturating_sub(1);
        if cut.message > 0 {
            return None;
        }
        self.cuts.fetch_add(1, Ordering::Relaxed);
        armed.take().map(|cut| cut.at)
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        let Ok((client, _)) = listener.accept().await else { continue };
        tokio::spawn(serve(client, Arc::clone(&shared)));
    }
}

/// Passes both ways on until either ends or is cut; then both sockets are closed.
async fn serve(mut client: TcpStream, shared: Arc<Shared>) {
    let connecting = TcpStream::connect(("127.0.0.1", shared.server));
    let Ok(Ok(mut server)) = tokio::time::timeout(CONNECT_LIMIT, connecting).await else { return };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let Ok(Ok(first)) = tokio::time::timeout(CONNECT_LIMIT, first_bytes(&mut client)).await else { return };
    let (from_client, to_client) = client.split();
    let (from_server, to_server) = server.split();
    tokio::select! {
        _ = pass(Way::Up, first.chain(from_client), to_server, &shared) => {}
        _ = pass(Way::Down, from_server, to_client, &shared) => {}
        () = shared.ended.cancelled() => {}
    }
}

/// What a client sends first, as far as it was read to know it. One that asks for TLS is told that there is none, as by a server
/// without it: what is encrypted could not be told apart.
async fn first_bytes(client: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut first = vec![0; TLS_REQUEST.len()];
    client.read_exact(&mut first).await?;
    if first == TLS_REQUEST {
        client.write_all(b"N").await?;
        first.clear();
    }
    Ok(first)
}

async fn pass(
    way: Way,
    from: impl AsyncRead + Unpin,
    to: impl AsyncWrite + Unpin,
    shared: &Shared,
) -> io::Result<()> {
    let (mut from, mut to) = (BufReader::new(from), BufWriter::new(to));
    let mut begun = way == Way::Down;
    loop {
        // What came together goes on together.
        if from.buffer().is_empty() {
            to.flush().await?;
        }
        let kind = if begun { Some(from.read_u8().await?) } else { None };
        let length = from.read_u32().await?;
        let rest = usize::try_from(length).unwrap_or(usize::MAX).saturating_sub(4);
        if length < 4 || rest > MESSAGE_BYTES_MAX {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut message = Vec::with_capacity(rest + 5);
        message.extend(kind);
        message.extend(length.to_be_bytes());
        let head = message.len();
        message.resize(head + rest, 0);
        from.read_exact(&mut message[head..]).await?;
        begun = true;
        match shared.breaks(way, kind) {
            None => to.write_all(&message).await?,
            Some(At::Before) => return to.flush().await,
            Some(At::Within) => {
                to.write_all(&message[..message.len() / 2]).await?;
                return to.flush().await;
            }
            Some(At::After) => {
                to.write_all(&message).await?;
                return to.flush().await;
            }
        }
    }
}

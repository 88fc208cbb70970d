//! The listeners: one task accepts, one task per connection serves.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    task::AbortHandle,
};
use tokio_rustls::TlsAcceptor;

use crate::{connection::Connection, host::Host, link::Link, ntlm::channel_binding_hash, tls::Certificate};

/// How long a client may take for its TLS handshake.
const TLS_HANDSHAKE_MAX: Duration = Duration::from_secs(10);
/// How long to wait after a failure to accept, which is mostly a lack of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Listens on an address and serves until the handle is aborted.
pub(crate) async fn listen(
    host: &Arc<Host>,
    address: &str,
    certificate: Option<&Certificate>,
) -> io::Result<(SocketAddr, AbortHandle)> {
    let listener = TcpListener::bind(address).await?;
    let address = listener.local_addr()?;
    let tls = certificate.map(|certificate| {
        (TlsAcceptor::from(Arc::clone(&certificate.config)), channel_binding_hash(&certificate.sha256))
    });
    let task = tokio::spawn(accept(Arc::clone(host), listener, tls));
    Ok((address, task.abort_handle()))
}

async fn accept(host: Arc<Host>, listener: TcpListener, tls: Option<(TlsAcceptor, [u8; 16])>) {
    loop {
        let Ok((stream, peer)) = listener.accept().await else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        // Small answers must not wait for the next packet.
        let _ = stream.set_nodelay(true);
        let open = Open::count(&host);
        let (host, tls) = (Arc::clone(&host), tls.clone());
        tokio::spawn(async move {
            let _open = open;
            let mut boots = host.boots.subscribe();
            let served = connect(host, stream, peer, tls);
            tokio::select! {
                () = served => {}
                _ = boots.changed() => {}
            }
        });
    }
}

/// A connection that is counted as open until this is dropped.
struct Open(Arc<Host>);

impl Open {
    fn count(host: &Arc<Host>) -> Self {
        host.tally.connections.up();
        host.tally.connections_open.up();
        Self(Arc::clone(host))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.tally.connections_open.down();
    }
}

async fn connect(host: Arc<Host>, stream: TcpStream, peer: SocketAddr, tls: Option<(TlsAcceptor, [u8; 16])>) {
    let stream = Link::new(stream, Arc::clone(&host));
    let mut connection = Connection {
        host,
        peer: peer.ip(),
        tls: tls.is_some(),
        binding: None,
        negotiation: std::sync::Mutex::default(),
        challenged: std::sync::atomic::AtomicBool::new(false),
        spare: std::sync::Mutex::default(),
        principal: None,
    };
    match tls {
        None => serve(connection, stream).await,
        Some((acceptor, binding)) => {
            connection.binding = Some(binding);
            if let Ok(Ok(stream)) = tokio::time::timeout(TLS_HANDSHAKE_MAX, acceptor.accept(stream)).await {
                let chain = stream.get_ref().1.peer_certificates().unwrap_or_default();
                connection.principal =
                    connection.host.clients.as_ref().and_then(|clients| clients.principal(chain));
                serve(connection, stream).await;
            }
        }
    }
}

/// Serves one connection to its end. How it ends is the client's business or was planned, so the outcome is dropped.
async fn serve(connection: Connection, stream: impl AsyncRead + AsyncWrite + Unpin) {
    let idle = connection.host.quotas.connection_idle_timeout;
    let connection = Arc::new(connection);
    let service = service_fn(move |request| {
        let connection = Arc::clone(&connection);
        async move { connection.respond(request).await }
    });
    let _ = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(idle)
        .title_case_headers(true)
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

//! From a name to a stream of bytes: look-up, connection, TLS.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpStream, lookup_host},
    task::spawn_blocking,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{
    account::Proof,
    host::Host,
    tls::{Trust, explain, server_end_point},
};
use crate::{Error, Result, error::Layer};

/// How long each layer took, in the order they were passed.
#[derive(Debug, Default)]
pub(super) struct Timings {
    passed: Vec<(&'static str, Duration)>,
    current: Option<(Layer, Instant)>,
}

impl Timings {
    pub(super) fn start(&mut self) {
        self.enter(Layer::Name);
    }

    /// Ends the layer before and begins this one.
    pub(super) fn enter(&mut self, layer: Layer) {
        self.finish();
        self.current = Some((layer, Instant::now()));
    }

    /// Ends the current layer.
    pub(super) fn finish(&mut self) {
        if let Some((layer, since)) = self.current.take() {
            let name = match layer {
                Layer::Name => "name",
                Layer::Connect => "connect",
                Layer::Tls => "tls",
                Layer::Authentication => "authentication",
                Layer::Protocol => "wsman",
                Layer::Shell => "shell",
                Layer::Script => "script",
            };
            self.passed.push((name, since.elapsed()));
        }
    }

    /// The layer that is being passed.
    pub(super) fn current(&self) -> Layer {
        self.current.map_or(Layer::Connect, |(layer, _)| layer)
    }

    /// Milliseconds by layer.
    pub(super) fn milliseconds(&self) -> Vec<(String, f64)> {
        self.passed.iter().map(|(name, took)| ((*name).to_owned(), took.as_secs_f64() * 1000.0)).collect()
    }
}

/// A stream to a host.
pub(super) struct Dialed {
    pub(super) stream: Wire,
    /// The channel binding, under TLS.
    pub(super) end_point: Option<Vec<u8>>,
    /// Whether the host asked for our certificate.
    pub(super) certificate_asked: bool,
}

/// Connects to `host`, trying its addresses in turn, and speaks TLS where the host is to.
pub(super) async fn dial(host: &Host, timings: &mut Timings) -> Result<Dialed> {
    let addresses = lookup_host((host.name.as_str(), host.port)).await.map_err(|error| {
        Error::transport(Layer::Name, "the host name does not resolve").with_source(error)
    })?;
    let addresses: Vec<_> = addresses.collect();
    timings.enter(Layer::Connect);
    let mut last = None;
    let mut connected = None;
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => {
                connected = Some(stream);
                break;
            }
            Err(error) => last = Some(error),
        }
    }
    let Some(stream) = connected else {
        let error = last.unwrap_or_else(|| io::Error::from(io::ErrorKind::NotFound));
        let message = "no connection to the host; is it up, and does WinRM listen on this port?";
        return Err(Error::transport(Layer::Connect, message).with_source(error));
    };
    // Requests are small and wait for their answers: holding them back would only add latency.
    let _ = stream.set_nodelay(true);
    match &host.trust {
        None => Ok(Dialed { stream: Wire::Plain(stream), end_point: None, certificate_asked: false }),
        Some(trust) => {
            timings.enter(Layer::Tls);
            tls(host, trust.clone(), stream).await
        }
    }
}

async fn tls(host: &Host, trust: Trust, stream: TcpStream) -> Result<Dialed> {
    let unusable = "TLS cannot be set up; look at winrm_ca_pem in the target's metadata";
    let offer = match &host.account.proof {
        Proof::Certificate(certificate) => Some(certificate.offer()),
        Proof::Password(_) => None,
    };
    let shown = offer.clone();
    // The platform's roots are read from disk the first time.
    let config = spawn_blocking(move || trust.config(shown))
        .await
        .map_err(|error| Error::transport(Layer::Tls, unusable).with_source(error))?
        .map_err(|error| Error::transport(Layer::Tls, unusable).with_source(error))?;
    let name = ServerName::try_from(host.name.clone()).map_err(|error| {
        Error::transport(Layer::Tls, "the host name cannot stand in a certificate").with_source(error)
    })?;
    let stream = TlsConnector::from(std::sync::Arc::new(config))
        .connect(name, stream)
        .await
        .map_err(|error| Error::transport(Layer::Tls, explain(&error)).with_source(error))?;
    let certificate = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
    let end_point = certificate.and_then(server_end_point);
    let certificate_asked = offer.is_some_and(|offer| offer.was_asked());
    Ok(Dialed { stream: Wire::Tls(Box::new(stream)), end_point, certificate_asked })
}

/// What a connection runs over.
pub(super) enum Wire {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Self::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
        }
    }

    /// So head and body of a request need not be copied together to leave in one piece.
    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

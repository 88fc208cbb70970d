//! From a host to a stream of bytes, under TLS where the host is to speak it.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll},
};

use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    task::spawn_blocking,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{
    account::Proof,
    host::Host,
    tls::{Trust, explain, server_end_point},
};
use crate::{Error, Result, error::Layer, transport::dial::connect};

pub(super) use crate::transport::dial::Timings;

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
    let hint = "is it up, and does WinRM listen on this port?";
    let stream = connect(&host.name, host.port, hint, timings).await?;
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

//! From a site to a connection: look-up, judgement of every address, connection, TLS.

use std::{io, net::SocketAddr, sync::Arc};

use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::{
    net::TcpStream,
    task::spawn_blocking,
    time::{Duration, timeout},
};
use tokio_rustls::TlsConnector;
use tokio_util::task::AbortOnDropHandle;

use super::{
    guard,
    resolve::Resolve,
    settings::HttpSettings,
    site::{METADATA, Site},
};
use crate::{
    Error, ErrorKind, Result,
    error::Layer,
    transport::{
        timings::Timings,
        tls::{Trust, explain},
        wire::Wire,
    },
};

/// The longest head of an answer.
const HEAD_BYTES_MAX: usize = 128 * 1024;

/// How names are looked up, and which addresses may be reached.
#[derive(Debug)]
pub(super) struct Ground {
    pub(super) settings: HttpSettings,
    pub(super) resolver: Arc<dyn Resolve>,
}

/// A connection that carries one request at a time.
pub(super) struct Line {
    pub(super) sender: http1::SendRequest<Full<Bytes>>,
    /// Ends the connection with this.
    _driver: AbortOnDropHandle<()>,
}

impl Ground {
    /// Connects to `site` within `limit`.
    pub(super) async fn dial(&self, site: &Site, limit: Duration, timings: &mut Timings) -> Result<Line> {
        timings.start();
        let dialed = timeout(limit, self.dial_unlimited(site, timings)).await;
        dialed.unwrap_or_else(|_| {
            let message = format!("nothing came within {:.1} s", limit.as_secs_f64());
            Err(Error::transport(timings.current(), message))
        })
    }

    async fn dial_unlimited(&self, site: &Site, timings: &mut Timings) -> Result<Line> {
        let addresses = self.addresses(site).await?;
        timings.enter(Layer::Connect);
        let stream = connect(&addresses).await?;
        // A request is small and waits for its answer: holding it back would only add latency.
        let _ = stream.set_nodelay(true);
        let wire = match &site.trust {
            None => Wire::Plain(stream),
            Some(trust) => {
                timings.enter(Layer::Tls);
                tls(&site.name, trust.clone(), stream).await?
            }
        };
        let (sender, driver) =
            http1::Builder::new().max_buf_size(HEAD_BYTES_MAX).handshake(TokioIo::new(wire)).await.map_err(
                |error| Error::transport(Layer::Protocol, "HTTP cannot be spoken").with_source(error),
            )?;
        let driver = AbortOnDropHandle::new(tokio::spawn(async move {
            // An error of the connection reaches whoever waits for an answer on it.
            let _ = driver.await;
        }));
        timings.finish();
        Ok(Line { sender, _driver: driver })
    }

    /// Every address of the site, of which none is forbidden.
    async fn addresses(&self, site: &Site) -> Result<Vec<SocketAddr>> {
        let found = self.resolver.resolve(&site.name).await.map_err(|error| {
            Error::transport(Layer::Name, "the host name does not resolve").with_source(error)
        })?;
        if found.is_empty() {
            return Err(Error::transport(Layer::Name, "the host name has no address"));
        }
        for address in &found {
            guard::check(&self.settings, *address, site.named_by).map_err(|why| {
                let message = format!("the host is at {address}, {why}");
                Error::transport(Layer::Connect, message).with_retryable(false)
            })?;
        }
        if site.exposes_credential && !found.iter().copied().all(guard::is_loopback) {
            let message = "the credential would go over plain HTTP for everyone on the way to see; set http_use_https in \
                           the target's metadata, or http_allow_plain_credentials if nobody else is on the way";
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
        Ok(found.into_iter().map(|address| SocketAddr::new(address, site.port)).collect())
    }
}

/// Tries the addresses in turn.
async fn connect(addresses: &[SocketAddr]) -> Result<TcpStream> {
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    let message = "no connection to the host; is it up, and does it listen on this port?";
    Err(Error::transport(Layer::Connect, message).with_source(last))
}

async fn tls(name: &str, trust: Trust, stream: TcpStream) -> Result<Wire> {
    let unusable =
        || Error::transport(Layer::Tls, "TLS cannot be set up; look at http_ca_pem in the target's metadata");
    // The platform's roots are read from disk the first time.
    let config = spawn_blocking(move || trust.config(None))
        .await
        .map_err(|error| unusable().with_source(error))?
        .map_err(|error| unusable().with_source(error))?;
    let name = ServerName::try_from(name.to_owned()).map_err(|error| {
        Error::transport(Layer::Tls, "the host name cannot stand in a certificate").with_source(error)
    })?;
    let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await;
    let stream =
        stream.map_err(|error| Error::transport(Layer::Tls, explain(&error, METADATA)).with_source(error))?;
    Ok(Wire::Tls(Box::new(stream)))
}

//! From a name to a stream of bytes: look-up, connection, TLS.

use std::{io, sync::Arc};

use rustls::{client::ResolvesClientCert, pki_types::ServerName};
use tokio::{
    net::{TcpStream, lookup_host},
    task::spawn_blocking,
};
use tokio_rustls::TlsConnector;

use super::{
    account::Proof,
    channel_binding::server_end_point,
    host::{Host, METADATA},
};
use crate::{
    Error, Result,
    error::Layer,
    transport::{
        timings::Timings,
        tls::{Trust, explain},
        wire::Wire,
    },
};

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
    let shown = offer.clone().map(|offer| offer as Arc<dyn ResolvesClientCert>);
    // The platform's roots are read from disk the first time.
    let config = spawn_blocking(move || trust.config(shown))
        .await
        .map_err(|error| Error::transport(Layer::Tls, unusable).with_source(error))?
        .map_err(|error| Error::transport(Layer::Tls, unusable).with_source(error))?;
    let name = ServerName::try_from(host.name.clone()).map_err(|error| {
        Error::transport(Layer::Tls, "the host name cannot stand in a certificate").with_source(error)
    })?;
    let stream = TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
        .map_err(|error| Error::transport(Layer::Tls, explain(&error, METADATA)).with_source(error))?;
    let certificate = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
    let end_point = certificate.and_then(server_end_point);
    let certificate_asked = offer.is_some_and(|offer| offer.was_asked());
    Ok(Dialed { stream: Wire::Tls(Box::new(stream)), end_point, certificate_asked })
}

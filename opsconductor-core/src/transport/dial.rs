//! From a name to a connection.

use std::io;

use tokio::net::{TcpStream, lookup_host};

use crate::{Error, Result, error::Layer, transport::timings::Timings};

/// Connects to a host, trying its addresses in turn. `hint` says what to look at when none of them answers.
pub(super) async fn connect(name: &str, port: u16, hint: &str, timings: &mut Timings) -> Result<TcpStream> {
    let addresses = lookup_host((name, port)).await.map_err(|error| {
        Error::transport(Layer::Name, "the host name does not resolve").with_source(error)
    })?;
    timings.enter(Layer::Connect);
    let mut last = None;
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => {
                // Requests are small and wait for their answers: holding them back would only add latency.
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Err(error) => last = Some(error),
        }
    }
    let error = last.unwrap_or_else(|| io::Error::from(io::ErrorKind::NotFound));
    Err(Error::transport(Layer::Connect, format!("no connection to the host; {hint}")).with_source(error))
}

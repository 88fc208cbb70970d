//! From a name to a connection, and how long each layer took.

use std::{
    io,
    time::{Duration, Instant},
};

use tokio::net::{TcpStream, lookup_host};

use crate::{Error, Result, error::Layer};

/// How long each layer took, in the order they were passed.
#[derive(Debug, Default)]
pub(super) struct Timings {
    passed: Vec<(&'static str, Duration)>,
    current: Option<(Layer, &'static str, Instant)>,
}

impl Timings {
    pub(super) fn start(&mut self) {
        self.enter(Layer::Name);
    }

    /// Ends the layer before and begins this one.
    pub(super) fn enter(&mut self, layer: Layer) {
        let name = match layer {
            Layer::Name => "name",
            Layer::Connect => "connect",
            Layer::Tls => "tls",
            Layer::HostKey => "hostkey",
            Layer::Authentication => "authentication",
            Layer::Protocol => "protocol",
            Layer::Shell => "shell",
            Layer::Script => "script",
        };
        self.enter_as(layer, name);
    }

    /// The same with another name for the layer.
    pub(super) fn enter_as(&mut self, layer: Layer, name: &'static str) {
        self.finish();
        self.current = Some((layer, name, Instant::now()));
    }

    /// Ends the current layer.
    pub(super) fn finish(&mut self) {
        if let Some((_, name, since)) = self.current.take() {
            self.passed.push((name, since.elapsed()));
        }
    }

    /// The layer that is being passed.
    pub(super) fn current(&self) -> Layer {
        self.current.map_or(Layer::Connect, |(layer, ..)| layer)
    }

    /// Milliseconds by layer.
    pub(super) fn milliseconds(&self) -> Vec<(String, f64)> {
        self.passed.iter().map(|(name, took)| ((*name).to_owned(), took.as_secs_f64() * 1000.0)).collect()
    }
}

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

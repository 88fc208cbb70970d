//! How long each layer of a conversation took.

use std::time::{Duration, Instant};

use crate::error::Layer;

/// How long each layer took, in the order they were passed.
#[derive(Debug, Default)]
pub(super) struct Timings {
    passed: Vec<(Layer, Duration)>,
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
            self.passed.push((layer, since.elapsed()));
        }
    }

    /// The layer that is being passed.
    pub(super) fn current(&self) -> Layer {
        self.current.map_or(Layer::Connect, |(layer, _)| layer)
    }

    /// Milliseconds by layer; the layer of the protocol goes by the name that the transport gives it.
    pub(super) fn milliseconds(&self, protocol: &str) -> Vec<(String, f64)> {
        let name = |layer| match layer {
            Layer::Name => "name",
            Layer::Connect => "connect",
            Layer::Tls => "tls",
            Layer::HostKey => "hostkey",
            Layer::Authentication => "authentication",
            Layer::Protocol => protocol,
            Layer::Shell => "shell",
            Layer::Script => "script",
        };
        self.passed
            .iter()
            .map(|(layer, took)| (name(*layer).to_owned(), took.as_secs_f64() * 1000.0))
            .collect()
    }
}

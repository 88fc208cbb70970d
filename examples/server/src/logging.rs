//! Diagnostics on standard error.

use std::io;

use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::{
    EnvFilter, Layer, Registry,
    filter::{FilterExt, LevelFilter, filter_fn},
    fmt::MakeWriter,
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

/// Starts them. `RUST_LOG` wins over `-v`, but neither opens `sspi`, which would print what it encrypts.
pub(crate) fn start(verbose: u8) {
    let level = match verbose {
        0 => LevelFilter::ERROR,
        1 => LevelFilter::INFO,
        2 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    };
    let asked = EnvFilter::builder().with_default_directive(level.into()).from_env_lossy();
    subscriber(asked, io::stderr).init();
}

fn subscriber<W>(asked: EnvFilter, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    // A directive for one of its modules would win over a directive for all of `sspi`; a second filter cannot be outdone.
    let shown = asked.and(filter_fn(may_be_shown));
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(writer)
        // It would say with `eprintln!` that standard error cannot be written, and panic.
        .log_internal_errors(false);
    Registry::default().with(lines.with_filter(shown))
}

fn may_be_shown(metadata: &Metadata<'_>) -> bool {
    let of_sspi = |place: &str| place.starts_with("sspi");
    let closed = of_sspi(metadata.target()) || metadata.module_path().is_some_and(of_sspi);
    !closed || *metadata.level() <= Level::WARN
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use std::{
        io::Write,
        sync::{Arc, Mutex},
    };

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(directives: &str) -> String {
        let lines = Lines::default();
        let writer = lines.clone();
        let asked = EnvFilter::builder().parse(directives).unwrap();
        tracing::subscriber::with_default(subscriber(asked, move || writer.clone()), || {
            tracing::trace!(target: "sspi::ntlm", "plain text");
            tracing::info!(target: "sspi", "plain text");
            let _inside = tracing::info_span!(target: "sspi::ntlm", "sealing", data = "plain text").entered();
            tracing::warn!(target: "sspi::ntlm", "a warning");
            tracing::trace!(target: "opsconductor_core", "a trace");
        });
        let bytes = lines.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn no_directive_opens_sspi_below_a_warning() {
        for directives in ["trace", "sspi=trace", "trace,sspi::ntlm=trace", "trace,sspi::ntlm[sealing]=trace"]
        {
            let said = logged(directives);
            assert!(said.contains("a warning"), "{directives}: {said}");
            assert!(!said.contains("plain text"), "{directives}: {said}");
        }
        assert!(logged("trace").contains("a trace"), "what is not sspi is as open as it was asked to be");
    }
}

//! What the engine says through `tracing`, handed to Python's `logging`.

use std::{
    fmt::Write as _,
    sync::{
        OnceLock,
        atomic::{AtomicU8, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
    time::Duration,
};

use pyo3::prelude::*;
use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    Layer, Registry,
    layer::{Context, SubscriberExt as _},
};

/// How many lines may wait for the interpreter. What comes beyond is left out: the engine does not wait for a log.
const WAITING_MAX: usize = 4096;

/// How long a flush waits.
const FLUSH: Duration = Duration::from_secs(2);

/// The finest level that is handed on, as Python numbers them.
static FINEST: AtomicU8 = AtomicU8::new(20);
static LINES: OnceLock<SyncSender<Line>> = OnceLock::new();

enum Line {
    Said { level: u8, logger: String, message: String },
    Flush(SyncSender<()>),
    Stop(SyncSender<()>),
}

/// Begins to hand on; `log` is called with level, name of the logger and message.
#[pyfunction]
pub(crate) fn start_logs(log: Py<PyAny>) -> PyResult<()> {
    let (sender, lines) = sync_channel(WAITING_MAX);
    if LINES.set(sender.clone()).is_err() {
        return Ok(());
    }
    thread::Builder::new().name("opsconductor-log".to_owned()).spawn(move || hand_on(&lines, &log))?;
    let bridge = Registry::default().with(Bridge(sender));
    // Somebody else's would be one that this library was compiled with; there is none.
    let _ = tracing::subscriber::set_global_default(bridge);
    Ok(())
}

/// Sets the finest level that is handed on.
#[pyfunction]
pub(crate) fn log_level(level: u8) {
    FINEST.store(level, Ordering::Relaxed);
    tracing::callsite::rebuild_interest_cache();
}

/// Waits until what was said so far has reached `logging`.
#[pyfunction]
pub(crate) fn flush_logs(py: Python<'_>) {
    tell(py, Line::Flush);
}

/// The last lines are handed on, and then no more: the interpreter ends.
pub(crate) fn stop(py: Python<'_>) {
    tell(py, Line::Stop);
}

fn tell(py: Python<'_>, line: fn(SyncSender<()>) -> Line) {
    let Some(lines) = LINES.get() else { return };
    py.detach(|| {
        let (sender, done) = sync_channel(1);
        if lines.try_send(line(sender)).is_ok() {
            let _ = done.recv_timeout(FLUSH);
        }
    });
}

fn hand_on(lines: &Receiver<Line>, log: &Py<PyAny>) {
    for line in lines {
        match line {
            Line::Said { level, logger, message } => {
                let called = Python::try_attach(|py| {
                    if let Err(error) = log.call1(py, (level, logger, message)) {
                        error.write_unraisable(py, None);
                    }
                });
                if called.is_none() {
                    return;
                }
            }
            Line::Flush(done) => {
                let _ = done.send(());
            }
            Line::Stop(done) => {
                let _ = done.send(());
                return;
            }
        }
    }
}

struct Bridge(SyncSender<Line>);

impl<S: Subscriber> Layer<S> for Bridge {
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        let level = python_level(*metadata.level());
        // Others' diagnostics can hold what they were given; `sspi` prints plaintext below this.
        let least =
            if metadata.target().starts_with("opsconductor") { FINEST.load(Ordering::Relaxed) } else { 30 };
        level >= least
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut text = Text::default();
        event.record(&mut text);
        let logger = event.metadata().target().replace("opsconductor_", "opsconductor.").replace("::", ".");
        let level = python_level(*event.metadata().level());
        let _ = self.0.try_send(Line::Said { level, logger, message: text.message + &text.fields });
    }
}

fn python_level(level: Level) -> u8 {
    match level {
        Level::ERROR => 40,
        Level::WARN => 30,
        Level::INFO => 20,
        Level::DEBUG => 10,
        Level::TRACE => 5,
    }
}

#[derive(Default)]
struct Text {
    message: String,
    fields: String,
}

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        };
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" => self.message.push_str(value),
            _ => self.record_debug(field, &value),
        }
    }
}

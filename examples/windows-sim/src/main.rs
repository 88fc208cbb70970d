//! Simulated Windows hosts to run beside a test harness.
#![forbid(unsafe_code)]

mod program;

use std::{io::Write as _, process::ExitCode};

use clap::Parser as _;
use program::{Arguments, Fleet};

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            let _ = writeln!(std::io::stderr(), "windows-sim: {message}");
            ExitCode::from(2)
        }
    }
}

async fn run(arguments: Arguments) -> Result<(), String> {
    let fleet = Fleet::start(&arguments).await?;
    // Who has read the addresses may end the program at once, and still gets the last line.
    let stop = Stop::watch().map_err(|error| format!("the signals cannot be watched: {error}"))?;
    print(&fleet.addresses())?;
    stop.asked().await;
    print(&[fleet.report()])
}

/// Prints one JSON value a line.
fn print(lines: &[serde_json::Value]) -> Result<(), String> {
    let mut out = std::io::stdout().lock();
    lines
        .iter()
        .try_for_each(|line| writeln!(out, "{line}"))
        .and_then(|()| out.flush())
        .map_err(|error| format!("standard output cannot be written: {error}"))
}

/// Ctrl-C and, where there is such a thing, the signal to terminate.
struct Stop {
    #[cfg(unix)]
    signals: [tokio::signal::unix::Signal; 2],
}

impl Stop {
    #[cfg(unix)]
    fn watch() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { signals: [signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?] })
    }

    #[cfg(unix)]
    async fn asked(mut self) {
        let [interrupt, terminate] = &mut self.signals;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    }

    #[cfg(not(unix))]
    fn watch() -> std::io::Result<Self> {
        Ok(Self {})
    }

    #[cfg(not(unix))]
    async fn asked(self) {
        // Without Ctrl-C the program runs until it is killed.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

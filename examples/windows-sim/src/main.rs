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
    print(&fleet.addresses())?;
    stopped().await.map_err(|error| format!("the signals cannot be watched: {error}"))?;
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

/// Waits for Ctrl-C or, where there is such a thing, for the signal to terminate.
async fn stopped() -> std::io::Result<()> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate())?;
        tokio::select! {
            done = tokio::signal::ctrl_c() => done,
            _ = terminate.recv() => Ok(()),
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await
}

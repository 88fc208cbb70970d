//! A simulated Windows host to run beside a test harness.
#![forbid(unsafe_code)]

use std::{io::Write as _, num::NonZeroU64, path::PathBuf, process::ExitCode, time::Duration};

use clap::Parser;
use serde_json::json;
use windows_sim::{ChannelBinding, WindowsHost};

/// A simulated Windows host behind a WinRM endpoint.
///
/// When it listens it prints one line of JSON on standard output: the addresses, and the certificate when it has one.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Where to listen for HTTP; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// Where to listen for HTTPS; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS")]
    listen_tls: Option<String>,
    /// The account to log on with; `DOMAIN\user` makes a domain account.
    #[arg(long, default_value = "Administrator")]
    user: String,
    /// The file whose first line is the password; without it, WINDOWS_SIM_PASSWORD in the environment.
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// The host's name.
    #[arg(long, default_value = "WIN-SIM")]
    name: String,
    /// Accept bodies that are not sealed without TLS.
    #[arg(long)]
    allow_unencrypted: bool,
    /// Offer Basic over TLS.
    #[arg(long)]
    basic: bool,
    /// Require channel bindings over TLS.
    #[arg(long)]
    require_channel_binding: bool,
    /// Lock the account after so many failed logons in a row.
    #[arg(long, value_name = "N")]
    lockout: Option<u32>,
    /// The round-trip time of the network, in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 0)]
    latency: u64,
    /// How many bytes of body a second each connection carries each way.
    #[arg(long, value_name = "BYTES")]
    bandwidth: Option<NonZeroU64>,
    /// Cut output into pieces of at most so many bytes.
    #[arg(long, value_name = "BYTES")]
    output_split: Option<usize>,
}

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
    let password = password(&arguments)?;
    let mut builder = WindowsHost::builder(&arguments.name)
        .user(&arguments.user, &password)
        .allow_unencrypted(arguments.allow_unencrypted)
        .basic(arguments.basic)
        .latency(Duration::from_millis(arguments.latency));
    if let Some(address) = arguments.listen {
        builder = builder.http(address);
    }
    if let Some(address) = arguments.listen_tls {
        builder = builder.https(address);
    }
    if arguments.require_channel_binding {
        builder = builder.channel_binding(ChannelBinding::Strict);
    }
    if let Some(failed_in_a_row) = arguments.lockout {
        builder = builder.lockout_threshold(failed_in_a_row);
    }
    if let Some(bytes_per_second) = arguments.bandwidth {
        builder = builder.bandwidth(bytes_per_second);
    }
    if let Some(bytes) = arguments.output_split {
        builder = builder.output_split(bytes);
    }
    let host = builder.start().await.map_err(|error| format!("the host cannot start: {error}"))?;
    announce(&host).map_err(|error| format!("the addresses cannot be printed: {error}"))?;
    stopped().await.map_err(|error| format!("the signals cannot be watched: {error}"))
}

fn password(arguments: &Arguments) -> Result<String, String> {
    let Some(file) = &arguments.password_file else {
        return std::env::var("WINDOWS_SIM_PASSWORD").map_err(|_| {
            "there is no password: give --password-file or set WINDOWS_SIM_PASSWORD".to_owned()
        });
    };
    let text = std::fs::read_to_string(file)
        .map_err(|error| format!("the password file {} cannot be read: {error}", file.display()))?;
    match text.lines().next() {
        Some(password) if !password.is_empty() => Ok(password.to_owned()),
        _ => Err(format!("the first line of the password file {} is empty", file.display())),
    }
}

fn announce(host: &WindowsHost) -> std::io::Result<()> {
    let sha256 = host
        .certificate_sha256()
        .map(|hash| hash.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
    let line = json!({
        "name": host.name(),
        "http": host.http_addr(),
        "https": host.https_addr(),
        "certificate_sha256": sha256,
        "certificate_pem": host.certificate_pem(),
    });
    let mut out = std::io::stdout();
    writeln!(out, "{line}")?;
    out.flush()
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

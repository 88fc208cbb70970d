//! The command line.

use std::{num::NonZeroU64, path::PathBuf, str::FromStr, time::Duration};

use clap::{Parser, builder::RangedU64ValueParser};
use windows_sim::{ChannelBinding, FaultSpecError, HostBuilder, PlannedFault, Quotas, WindowsHost};

/// Simulated Windows hosts behind WinRM endpoints.
///
/// When they listen the program prints one line of JSON a host on standard output: its name, its addresses, and its certificate
/// when it has one. On Ctrl-C or SIGTERM it prints one line more, with what reached the hosts, and ends.
#[derive(Parser)]
#[command(version)]
pub(crate) struct Arguments {
    /// Where to listen for HTTP; port 0 takes a free one. More hosts take the ports that follow.
    #[arg(long, value_name = "ADDRESS")]
    pub(super) listen: Option<String>,
    /// Where to listen for HTTPS; port 0 takes a free one. More hosts take the ports that follow.
    #[arg(long, value_name = "ADDRESS")]
    pub(super) listen_tls: Option<String>,
    /// How many hosts to run. With more than one their names end in -1, -2 and so on.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = RangedU64ValueParser::<usize>::new().range(1..=10_000))]
    pub(super) hosts: usize,
    /// An account to log on with; `DOMAIN\user` makes a domain account. Repeat it for more, all with the one password.
    #[arg(long, default_value = "Administrator")]
    user: Vec<String>,
    /// The file whose first line is the password; without it, WINDOWS_SIM_PASSWORD in the environment.
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// The host's name.
    #[arg(long, default_value = "WIN-SIM")]
    pub(super) name: String,
    /// Accept bodies that are not sealed without TLS.
    #[arg(long)]
    allow_unencrypted: bool,
    /// Offer Basic over TLS.
    #[arg(long)]
    basic: bool,
    /// Do not answer Identify before authentication.
    #[arg(long)]
    no_unauthenticated_identify: bool,
    /// Require channel bindings over TLS.
    #[arg(long)]
    require_channel_binding: bool,
    /// Lock the account after so many failed logons in a row.
    #[arg(long, value_name = "N")]
    lockout: Option<u32>,
    /// The round-trip time of the network, in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 0)]
    latency: u64,
    /// How many bytes a second each connection carries each way.
    #[arg(long, value_name = "BYTES")]
    bandwidth: Option<NonZeroU64>,
    /// Cut output into pieces of at most so many bytes.
    #[arg(long, value_name = "BYTES")]
    output_split: Option<usize>,
    /// What goes wrong, and when: WHEN=FAULT, for example receive:2=drop-after. May be repeated.
    ///
    /// WHEN is `message` or one of identify, create, get, delete, command, send, receive, signal, disconnect, reconnect,
    /// connect, enumerate, pull, release, and negotiate and authenticate for the two legs of the handshake; `:N` picks the
    /// Nth (1 when left out), `:*` each. FAULT is drop-before, drop-after, unauthorized, truncated, garbage, bad-seal,
    /// delay=250ms, reboot, unavailable, too-large, refuse=NUMBER or refuse-wmi=NUMBER. NAME/WHEN=FAULT is for the host of
    /// that name, else every host has it.
    #[arg(long, value_name = "WHEN=FAULT")]
    pub(super) fault: Vec<HostFault>,
    /// Put the command lines that were executed into the last line.
    #[arg(long)]
    pub(super) report_commands: bool,
    #[command(flatten, next_help_heading = "Quotas")]
    limits: Limits,
}

/// The quotas that can be set.
#[derive(clap::Args)]
struct Limits {
    /// MaxShellsPerUser [default: 30]
    #[arg(long, value_name = "N")]
    max_shells: Option<usize>,
    /// MaxConcurrentOperationsPerUser, never given back on a text shell [default: 1500]
    #[arg(long, value_name = "N")]
    max_operations: Option<usize>,
    /// MaxProcessesPerShell [default: 25]
    #[arg(long, value_name = "N")]
    max_processes: Option<usize>,
    /// MaxEnvelopeSize, in bytes [default: 512000]
    #[arg(long, value_name = "BYTES")]
    max_envelope: Option<usize>,
    /// The longest a message may wait, in milliseconds [default: 60000]
    #[arg(long, value_name = "MS")]
    max_operation_timeout: Option<u64>,
    /// How long a shell may be idle, in milliseconds [default: 7200000]
    #[arg(long, value_name = "MS")]
    shell_idle_timeout: Option<u64>,
    /// How long a connection may be silent, in milliseconds [default: 120000]
    #[arg(long, value_name = "MS")]
    connection_idle_timeout: Option<u64>,
}

/// A fault, for every host or for the one of that name.
#[derive(Clone)]
pub(super) struct HostFault {
    pub(super) host: Option<String>,
    pub(super) planned: PlannedFault,
}

impl FromStr for HostFault {
    type Err = FaultSpecError;

    fn from_str(text: &str) -> Result<Self, FaultSpecError> {
        let (host, planned) = match text.split_once('/') {
            Some((host, planned)) => (Some(host.to_owned()), planned),
            None => (None, text),
        };
        Ok(Self { host, planned: planned.parse()? })
    }
}

impl Arguments {
    /// Sets up a host of that name, without an address.
    pub(super) fn host(&self, name: &str, password: &str) -> HostBuilder {
        let mut builder = WindowsHost::builder(name)
            .allow_unencrypted(self.allow_unencrypted)
            .basic(self.basic)
            .unauthenticated_identify(!self.no_unauthenticated_identify)
            .latency(Duration::from_millis(self.latency))
            .quotas(self.limits.quotas());
        for user in &self.user {
            builder = builder.user(user, password);
        }
        if self.require_channel_binding {
            builder = builder.channel_binding(ChannelBinding::Strict);
        }
        if let Some(failed_in_a_row) = self.lockout {
            builder = builder.lockout_threshold(failed_in_a_row);
        }
        if let Some(bytes_per_second) = self.bandwidth {
            builder = builder.bandwidth(bytes_per_second);
        }
        if let Some(bytes) = self.output_split {
            builder = builder.output_split(bytes);
        }
        builder
    }

    /// The password of all accounts.
    pub(super) fn password(&self) -> Result<String, String> {
        let Some(file) = &self.password_file else {
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
}

impl Limits {
    fn quotas(&self) -> Quotas {
        let mut quotas = Quotas::default();
        let set = |quota: &mut usize, limit: Option<usize>| *quota = limit.unwrap_or(*quota);
        set(&mut quotas.shells_per_user_max, self.max_shells);
        set(&mut quotas.operations_per_user_max, self.max_operations);
        set(&mut quotas.processes_per_shell_max, self.max_processes);
        set(&mut quotas.envelope_bytes_max, self.max_envelope);
        let set = |quota: &mut Duration, limit: Option<u64>| {
            *quota = limit.map_or(*quota, Duration::from_millis);
        };
        set(&mut quotas.operation_timeout_max, self.max_operation_timeout);
        set(&mut quotas.shell_idle_timeout, self.shell_idle_timeout);
        set(&mut quotas.connection_idle_timeout, self.connection_idle_timeout);
        quotas
    }
}

//! What all connections of one host share.

use std::sync::Arc;

use tokio::sync::watch;

use crate::{
    account::Accounts,
    counters::{Counters, Tally},
    fault::FaultPlan,
    journal::Journal,
    link::Network,
    machine::Machine,
    ntlm::ChannelBinding,
    quota::Quotas,
    shell::ShellTable,
    tls::Clients,
};

/// The shared state of a host.
pub(crate) struct Host {
    pub(crate) name: String,
    pub(crate) accounts: Accounts,
    pub(crate) machine: Arc<Machine>,
    pub(crate) shells: ShellTable,
    pub(crate) quotas: Quotas,
    pub(crate) faults: FaultPlan,
    pub(crate) tally: Tally,
    pub(crate) journal: Journal,
    pub(crate) allow_unencrypted: bool,
    pub(crate) basic: bool,
    /// Whether a stranger is told what the host is.
    pub(crate) unauthenticated_identify: bool,
    /// Who may log on with a certificate.
    pub(crate) clients: Option<Clients>,
    pub(crate) channel_binding: ChannelBinding,
    /// The largest piece of output in one `Stream` element.
    pub(crate) output_piece_bytes_max: usize,
    /// What lies between the host and its clients.
    pub(crate) network: Network,
    /// Every connection ends when this changes.
    pub(crate) boots: watch::Sender<u64>,
}

impl Host {
    /// Ends every shell, its commands and every connection.
    pub(crate) fn reboot(&self) {
        self.shells.clear();
        self.drop_connections();
    }

    /// Ends every connection.
    pub(crate) fn drop_connections(&self) {
        self.boots.send_modify(|boots| *boots += 1);
    }

    /// A picture of the counters.
    pub(crate) fn counters(&self) -> Counters {
        Counters {
            connections: self.tally.connections.get(),
            connections_open: self.tally.connections_open.get(),
            bytes_in: self.tally.bytes_in.get(),
            bytes_out: self.tally.bytes_out.get(),
            requests: self.tally.requests.get(),
            messages: self.tally.messages.get(),
            plaintext_bodies: self.tally.plaintext_bodies.get(),
            commands: self.tally.commands.get(),
            duplicates: self.tally.duplicates.get(),
            stdin_bytes: self.tally.stdin_bytes.get(),
            shells_opened: self.tally.shells_opened.get(),
            shells_open: self.shells.count(),
            logons: self.accounts.logons(),
        }
    }
}

//! What all connections of one host share.

use std::{num::NonZeroU64, sync::Arc, time::Duration};

use tokio::sync::watch;

use crate::{
    account::Accounts,
    counters::{Counters, Tally},
    fault::FaultPlan,
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
    pub(crate) allow_unencrypted: bool,
    pub(crate) basic: bool,
    /// Who may log on with a certificate.
    pub(crate) clients: Option<Clients>,
    pub(crate) channel_binding: ChannelBinding,
    /// The largest piece of output in one `Stream` element.
    pub(crate) output_piece_bytes_max: usize,
    /// What the network adds to each exchange, half on the way in, half on the way out.
    pub(crate) latency: Duration,
    /// How many bytes a second one connection carries each way; without limit when absent.
    pub(crate) bandwidth: Option<NonZeroU64>,
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
            requests: self.tally.requests.get(),
            messages: self.tally.messages.get(),
            plaintext_bodies: self.tally.plaintext_bodies.get(),
            commands: self.tally.commands.get(),
            shells_opened: self.tally.shells_opened.get(),
            shells_open: self.shells.count(),
            logons: self.accounts.logons(),
        }
    }
}

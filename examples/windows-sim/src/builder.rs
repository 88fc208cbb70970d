//! How a host is set up.

use std::{io, num::NonZeroU64, sync::Arc, time::Duration};

use tokio::sync::watch;

use crate::{
    account::{Account, Accounts},
    authority::Identity,
    counters::Tally,
    fault::FaultPlan,
    host::Host,
    journal::Journal,
    link::Network,
    machine::Machine,
    ntlm::ChannelBinding,
    quota::Quotas,
    server,
    shell::ShellTable,
    tls::{Certificate, Clients},
    windows_host::WindowsHost,
};

/// The largest piece of output that Windows puts into one `Stream` element.
const OUTPUT_PIECE_BYTES_MAX: usize = 32 * 1024;

/// Sets up a simulated host. Made by [`WindowsHost::builder`].
#[must_use = "the host listens only after `start`"]
pub struct HostBuilder {
    name: String,
    accounts: Vec<Account>,
    lockout_threshold: Option<u32>,
    http: Option<String>,
    https: Option<String>,
    allow_unencrypted: bool,
    basic: bool,
    unauthenticated_identify: bool,
    identity: Option<Identity>,
    clients: Option<(String, bool)>,
    principals: Vec<(String, String)>,
    channel_binding: ChannelBinding,
    quotas: Quotas,
    output_piece_bytes_max: usize,
    network: Network,
    machine: Option<Arc<Machine>>,
}

impl HostBuilder {
    pub(crate) fn new(name: String) -> Self {
        Self {
            name,
            accounts: Vec::new(),
            lockout_threshold: None,
            http: None,
            https: None,
            allow_unencrypted: false,
            basic: false,
            unauthenticated_identify: true,
            identity: None,
            clients: None,
            principals: Vec::new(),
            channel_binding: ChannelBinding::default(),
            quotas: Quotas::default(),
            output_piece_bytes_max: OUTPUT_PIECE_BYTES_MAX,
            network: Network::default(),
            machine: None,
        }
    }

    /// Adds an account. `DOMAIN\user` makes a domain account, any other name a local one.
    pub fn user(mut self, name: &str, password: &str) -> Self {
        self.accounts.push(Account::new(name, password));
        self
    }

    /// Locks an account after so many failed logons in a row; never without this.
    pub fn lockout_threshold(mut self, failed_in_a_row: u32) -> Self {
        self.lockout_threshold = Some(failed_in_a_row);
        self
    }

    /// Listens for HTTP here; port 0 takes a free one.
    pub fn http(mut self, address: impl Into<String>) -> Self {
        self.http = Some(address.into());
        self
    }

    /// Listens for HTTPS here; port 0 takes a free one.
    pub fn https(mut self, address: impl Into<String>) -> Self {
        self.https = Some(address.into());
        self
    }

    /// `AllowUnencrypted`: whether a body may come unsealed without TLS. Off, as on Windows.
    pub fn allow_unencrypted(mut self, allow: bool) -> Self {
        self.allow_unencrypted = allow;
        self
    }

    /// Whether Basic is offered: over TLS, and over plain HTTP only with `allow_unencrypted`. Off, as on Windows.
    pub fn basic(mut self, offered: bool) -> Self {
        self.basic = offered;
        self
    }

    /// Whether Identify is answered before any authentication, to who asks for that with `WSMANIDENTIFY: unauthenticated`.
    /// On, as on Windows; such an answer names no version.
    pub fn unauthenticated_identify(mut self, answered: bool) -> Self {
        self.unauthenticated_identify = answered;
        self
    }

    /// Serves HTTPS with this certificate instead of one that it makes for itself.
    pub fn certificate(mut self, identity: Identity) -> Self {
        self.identity = Some(identity);
        self
    }

    /// Asks clients for a certificate in the TLS handshake, and trusts the authority in `pem` for them. Without it nobody
    /// is asked, as on Windows by default.
    pub fn client_authority(mut self, pem: impl Into<String>) -> Self {
        self.clients = Some((pem.into(), false));
        self
    }

    /// The same, and a certificate that is not trusted ends the TLS handshake, as a gateway in front of a host has it.
    pub fn strict_client_authority(mut self, pem: impl Into<String>) -> Self {
        self.clients = Some((pem.into(), true));
        self
    }

    /// Maps the user principal name of a client's certificate to an account.
    pub fn map_certificate(mut self, principal: &str, user: &str) -> Self {
        self.principals.push((principal.to_owned(), user.to_owned()));
        self
    }

    /// How strictly channel bindings are checked over TLS.
    pub fn channel_binding(mut self, policy: ChannelBinding) -> Self {
        self.channel_binding = policy;
        self
    }

    /// Other limits than Windows' defaults.
    pub fn quotas(mut self, quotas: Quotas) -> Self {
        self.quotas = quotas;
        self
    }

    /// Cuts output into pieces of at most so many bytes, wherever that falls, also inside a character.
    pub fn output_split(mut self, bytes_max: usize) -> Self {
        self.output_piece_bytes_max = bytes_max.clamp(1, OUTPUT_PIECE_BYTES_MAX);
        self
    }

    /// The round-trip time of the network: each byte takes half of it, in both directions, and connecting takes all of it,
    /// so that a TLS handshake costs what it would. None without this.
    pub fn latency(mut self, round_trip: Duration) -> Self {
        self.network.latency = round_trip;
        self
    }

    /// How many bytes a second each connection carries each way, all layers above TCP included. No limit without this.
    pub fn bandwidth(mut self, bytes_per_second: NonZeroU64) -> Self {
        self.network.bandwidth = Some(bytes_per_second);
        self
    }

    /// Puts the endpoint in front of this machine instead of a new one.
    pub fn machine(mut self, machine: Arc<Machine>) -> Self {
        self.machine = Some(machine);
        self
    }

    /// Starts to listen. The host stops when the answer is dropped.
    ///
    /// # Errors
    /// When neither address is set, when one cannot be listened on, or when the certificate cannot be made.
    pub async fn start(self) -> io::Result<WindowsHost> {
        if self.http.is_none() && self.https.is_none() {
            let message = "no address to listen on: set `http`, `https` or both";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        let clients = self.clients.as_ref().map(|(pem, strict)| Clients::new(pem, *strict)).transpose()?;
        let host = Arc::new(Host {
            machine: self.machine.unwrap_or_else(|| Machine::new(&self.name)),
            accounts: Accounts::new(self.accounts, self.principals, self.lockout_threshold),
            name: self.name,
            shells: ShellTable::default(),
            quotas: self.quotas,
            faults: FaultPlan::default(),
            tally: Tally::default(),
            journal: Journal::default(),
            allow_unencrypted: self.allow_unencrypted,
            basic: self.basic,
            unauthenticated_identify: self.unauthenticated_identify,
            clients,
            channel_binding: self.channel_binding,
            output_piece_bytes_max: self.output_piece_bytes_max,
            network: self.network,
            boots: watch::Sender::new(0),
        });
        let mut running = WindowsHost::new(Arc::clone(&host));
        if let Some(address) = &self.http {
            running.add_http(server::listen(&host, address, None).await?);
        }
        if let Some(address) = &self.https {
            let certificate = match &self.identity {
                Some(identity) => Certificate::load(identity, host.clients.as_ref())?,
                None => Certificate::make(&host.name, host.clients.as_ref())?,
            };
            let listening = server::listen(&host, address, Some(&certificate)).await?;
            running.add_https(listening, certificate);
        }
        Ok(running)
    }
}

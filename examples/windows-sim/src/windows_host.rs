//! A host that runs.

use std::{net::SocketAddr, sync::Arc};

use tokio::task::AbortHandle;

use crate::{
    builder::HostBuilder, counters::Counters, fault::FaultPlan, host::Host, journal::Executed,
    machine::Machine, tls::Certificate,
};

/// A simulated Windows host that listens. Dropping it closes every connection and ends every command.
pub struct WindowsHost {
    host: Arc<Host>,
    listeners: Vec<AbortHandle>,
    http: Option<SocketAddr>,
    https: Option<SocketAddr>,
    certificate: Option<Certificate>,
}

impl WindowsHost {
    /// Sets up a host of that name.
    pub fn builder(name: impl Into<String>) -> HostBuilder {
        HostBuilder::new(name.into())
    }

    pub(crate) fn new(host: Arc<Host>) -> Self {
        Self { host, listeners: Vec::new(), http: None, https: None, certificate: None }
    }

    pub(crate) fn add_http(&mut self, (address, task): (SocketAddr, AbortHandle)) {
        self.http = Some(address);
        self.listeners.push(task);
    }

    pub(crate) fn add_https(&mut self, (address, task): (SocketAddr, AbortHandle), certificate: Certificate) {
        self.https = Some(address);
        self.certificate = Some(certificate);
        self.listeners.push(task);
    }

    /// The host's name.
    pub fn name(&self) -> &str {
        &self.host.name
    }

    /// Where it listens for HTTP.
    pub fn http_addr(&self) -> Option<SocketAddr> {
        self.http
    }

    /// Where it listens for HTTPS.
    pub fn https_addr(&self) -> Option<SocketAddr> {
        self.https
    }

    /// Its certificate as PEM, when it listens for HTTPS.
    pub fn certificate_pem(&self) -> Option<&str> {
        self.certificate.as_ref().map(|certificate| certificate.pem.as_str())
    }

    /// SHA-256 over its certificate, when it listens for HTTPS.
    pub fn certificate_sha256(&self) -> Option<[u8; 32]> {
        self.certificate.as_ref().map(|certificate| certificate.sha256)
    }

    /// The machine behind the endpoint.
    pub fn machine(&self) -> &Arc<Machine> {
        &self.host.machine
    }

    /// What has reached the host so far.
    pub fn counters(&self) -> Counters {
        self.host.counters()
    }

    /// The commands that were executed, in order: the last 10,000.
    pub fn executed(&self) -> Vec<Executed> {
        self.host.journal.list()
    }

    /// The faults that are still to come.
    pub fn faults(&self) -> &FaultPlan {
        &self.host.faults
    }

    /// Gives an account another password, as an administrator does; whether there is such an account. Connections that
    /// are logged on stay so.
    pub fn set_password(&self, user: &str, password: &str) -> bool {
        self.host.accounts.set_password(user, password)
    }

    /// Restarts the host at once: every shell and every connection is gone, the listeners stay.
    pub fn reboot(&self) {
        self.host.reboot();
    }

    /// Closes every connection and leaves the shells open, as a network that fails for a moment does.
    pub fn drop_connections(&self) {
        self.host.drop_connections();
    }
}

impl Drop for WindowsHost {
    fn drop(&mut self) {
        self.listeners.iter().for_each(AbortHandle::abort);
        self.host.reboot();
    }
}

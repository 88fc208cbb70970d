//! The demo's simulated hosts, with the credential that opens them and the targets that name them.

use std::net::Ipv4Addr;

use opsconductor_core::{
    Error, ErrorKind, Secret,
    engine::Scoped,
    id::CredentialId,
    target::TargetSpec,
    vault::{self, Credential},
};
use windows_sim::WindowsHost;

const CREDENTIAL: &str = "demo-admin";
const USER: &str = "Administrator";
const HOSTS: [(&str, &str); 3] = [("web-1", "role:web"), ("web-2", "role:web"), ("db-1", "role:db")];

/// Hosts that run in this process.
pub(super) struct Fleet {
    hosts: Vec<WindowsHost>,
}

impl Fleet {
    /// Starts the hosts with a password made on the spot, and writes down how to reach them. Targets of an earlier start
    /// keep their ports where those are free, so that its runs find them.
    pub(super) async fn start(ops: &Scoped) -> Result<Self, Error> {
        let password = vault::generate_key()?;
        let credential = save_credential(ops, &password).await?;
        let mut hosts = Vec::with_capacity(HOSTS.len());
        for (name, tag) in HOSTS {
            let known = match ops.targets().get(name).await {
                Ok(target) => Some(target.spec),
                Err(error) if error.kind() == ErrorKind::NotFound => None,
                Err(error) => return Err(error),
            };
            let host = start(name, &password, known.as_ref().map_or(0, |spec| spec.port)).await?;
            let spec = TargetSpec::winrm(name, Ipv4Addr::LOCALHOST.to_string(), credential)
                .with_port(port(&host)?)
                .with_tag(tag)
                .with_tag("environment:demo");
            match known {
                None => drop(ops.targets().create(spec).await?),
                Some(_) => drop(ops.targets().update(name, spec).await?),
            }
            hosts.push(host);
        }
        Ok(Self { hosts })
    }

    /// Where they listen.
    pub(super) fn addresses(&self) -> String {
        let each = HOSTS
            .iter()
            .zip(&self.hosts)
            .filter_map(|((name, _), host)| Some(format!("{name} {}", host.http_addr()?)));
        each.collect::<Vec<_>>().join(", ")
    }
}

async fn save_credential(ops: &Scoped, password: &Secret<String>) -> Result<CredentialId, Error> {
    let credential = Credential::winrm(USER, password.clone());
    match ops.credentials().create(CREDENTIAL, &credential).await {
        Err(error) if error.kind() == ErrorKind::Conflict => {
            Ok(ops.credentials().rotate(CREDENTIAL, &credential).await?.id)
        }
        created => Ok(created?.id),
    }
}

async fn start(name: &str, password: &Secret<String>, port: u16) -> Result<WindowsHost, Error> {
    match bind(name, password, port).await {
        Err(_) if port != 0 => bind(name, password, 0).await,
        started => started,
    }
    .map_err(|source| {
        Error::new(ErrorKind::Internal, "a simulated host could not be started").with_source(source)
    })
}

fn port(host: &WindowsHost) -> Result<u16, Error> {
    host.http_addr()
        .map(|address| address.port())
        .ok_or_else(|| Error::new(ErrorKind::Internal, "a simulated host does not listen"))
}

async fn bind(name: &str, password: &Secret<String>, port: u16) -> std::io::Result<WindowsHost> {
    WindowsHost::builder(name.to_uppercase())
        .user(USER, password.expose())
        .http(format!("{}:{port}", Ipv4Addr::LOCALHOST))
        .start()
        .await
}

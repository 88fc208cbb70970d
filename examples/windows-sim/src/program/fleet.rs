//! The hosts of one process.

use std::io;

use serde_json::Value;
use windows_sim::WindowsHost;

use super::{Arguments, report};

/// Hosts that run.
pub(crate) struct Fleet {
    hosts: Vec<WindowsHost>,
    report_commands: bool,
}

impl Fleet {
    /// Starts the hosts that the arguments ask for, with the faults that are planned for them.
    pub(crate) async fn start(arguments: &Arguments) -> Result<Self, String> {
        let password = arguments.password()?;
        let mut hosts = Vec::with_capacity(arguments.hosts);
        for index in 0..arguments.hosts {
            let name = match arguments.hosts {
                1 => arguments.name.clone(),
                _ => format!("{}-{}", arguments.name, index + 1),
            };
            let mut builder = arguments.host(&name, &password);
            if let Some(address) = &arguments.listen {
                builder = builder.http(nth_address(address, index)?);
            }
            if let Some(address) = &arguments.listen_tls {
                builder = builder.https(nth_address(address, index)?);
            }
            let host = builder.start().await.map_err(|error| cannot_start(&name, &error))?;
            for fault in &arguments.fault {
                if fault.host.as_ref().is_none_or(|only| *only == name) {
                    host.faults().plan(fault.planned);
                }
            }
            hosts.push(host);
        }
        let stray = arguments.fault.iter().filter_map(|fault| fault.host.as_deref());
        if let Some(name) = stray.into_iter().find(|name| hosts.iter().all(|host| host.name() != *name)) {
            return Err(format!("--fault is for the host '{name}', but there is none of that name"));
        }
        Ok(Self { hosts, report_commands: arguments.report_commands })
    }

    /// Where each host listens.
    pub(crate) fn addresses(&self) -> Vec<Value> {
        self.hosts.iter().map(report::address).collect()
    }

    /// What reached the hosts.
    pub(crate) fn report(&self) -> Value {
        report::counters(&self.hosts, self.report_commands)
    }
}

/// The address of the host at that place: the port counts up, unless it is 0.
fn nth_address(first: &str, index: usize) -> Result<String, String> {
    let port = first.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse::<u16>().ok()?)));
    match port {
        Some((host, port)) if port > 0 => {
            let port = u16::try_from(usize::from(port) + index)
                .map_err(|_| format!("there are not enough ports after {first} for so many hosts"))?;
            Ok(format!("{host}:{port}"))
        }
        _ => Ok(first.to_owned()),
    }
}

fn cannot_start(name: &str, error: &io::Error) -> String {
    // EMFILE: each host holds a socket, and each connection another.
    let hint = match error.raw_os_error() {
        Some(24) => "; raise the limit of open files, for example with `ulimit -n 16384`",
        _ => "",
    };
    format!("the host {name} cannot start: {error}{hint}")
}

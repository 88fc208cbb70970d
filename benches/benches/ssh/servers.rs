//! The hosts: OpenSSH servers of this machine, each on many loopback addresses, with one key that opens all of them.

use std::{fs, io::Write as _, path::PathBuf, time::Duration};

use opsconductor_tests::openssh::{OpenSsh, me};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::Failure;

/// How many addresses one server listens on: OpenSSH has room for 16.
const ADDRESSES_MAX: usize = 13;

/// How long a server may take to listen on all of them.
const START: Duration = Duration::from_secs(20);

/// Servers that run.
pub(crate) struct Servers {
    servers: Vec<OpenSsh>,
    hosts: Vec<Value>,
    /// Holds what is known of the hosts, for those who read it from a file.
    folder: TempDir,
}

impl Servers {
    /// As many hosts as asked for: 127.0.1.1, 127.0.1.2 and so on.
    pub(crate) fn start(hosts: usize) -> Result<Self, Failure> {
        let mut all = Self { servers: Vec::new(), hosts: Vec::new(), folder: tempfile::tempdir()? };
        let mut known = fs::File::create(all.known_hosts())?;
        let addresses: Vec<String> = (1..=hosts).map(|host| format!("127.0.1.{host}")).collect();
        for addresses in addresses.chunks(ADDRESSES_MAX) {
            let mut config = vec!["LogLevel INFO".to_owned()];
            config.extend(addresses.iter().map(|address| format!("ListenAddress {address}")));
            // What stands first counts.
            config.extend(all.servers.first().map(|first| {
                format!("AuthorizedKeysFile {}", first.folder().join("authorized_keys").display())
            }));
            let config: Vec<&str> = config.iter().map(String::as_str).collect();
            let server = OpenSsh::start(&config);
            let port = server.port();
            let pin = server.endpoint().metadata["ssh_host_key_sha256"].clone();
            let key = server.read("host_ed25519.pub");
            for address in addresses {
                if !server.says(&format!("listening on {address} "), START) {
                    return Err(format!("sshd does not listen on {address}: {:?}", server.log()).into());
                }
                writeln!(known, "[{address}]:{port} {}", key.trim())?;
                all.hosts.push(json!({"address": address, "port": port, "pin": pin}));
            }
            all.servers.push(server);
        }
        Ok(all)
    }

    /// What every subject is told of them.
    pub(crate) fn task(&self) -> Result<Value, Failure> {
        let key = self.servers.first().ok_or("there is no server")?.folder().join("user");
        Ok(json!({"hosts": self.hosts, "user": me(), "key": key, "known_hosts": self.known_hosts()}))
    }

    /// A folder on the first host.
    pub(crate) fn files(&self) -> Result<PathBuf, Failure> {
        Ok(self.servers.first().ok_or("there is no server")?.folder().join("files"))
    }

    fn known_hosts(&self) -> PathBuf {
        self.folder.path().join("known_hosts")
    }
}

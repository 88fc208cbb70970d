//! A simulated Windows host under the transport suite.

use std::sync::Arc;

use async_trait::async_trait;
use opsconductor_core::{
    Secret,
    testing::transport::{Cmd, Dialect, HostFiles, Powershell, TestHost, TransportBuilder},
    transport::{Connector, Endpoint, winrm::WinrmConnector},
    vault::credential::Credential,
};
use serde_json::json;
use windows_sim::{ChannelBinding, WindowsHost};

const USER: &str = "Administrator";
const PASSWORD: &str = "Pässw0rd & <co>";
const DIRECTORY: &str = "C:\\suite";

/// How the host is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// NTLM, sealed.
    Http,
    /// NTLM, bound to the channel.
    Https,
}

/// Starts hosts, and makes connectors of one kind for them.
pub(crate) struct Windows {
    way: Way,
    connector: fn(&WindowsHost) -> Arc<dyn Connector>,
}

impl Windows {
    /// For our own connector.
    pub(crate) fn winrm(way: Way) -> Self {
        let connector: fn(&WindowsHost) -> Arc<dyn Connector> = |host| {
            let builder = WinrmConnector::builder();
            Arc::new(match host.certificate_pem() {
                Some(pem) => builder.with_ca_pem(pem).build().unwrap(),
                None => builder.build().unwrap(),
            })
        };
        Self { way, connector }
    }
}

#[async_trait]
impl TransportBuilder for Windows {
    async fn start(&self) -> Arc<dyn TestHost> {
        // A piece of output ends inside a character wherever characters have more than one byte.
        let builder = WindowsHost::builder("WEB-1").user(USER, PASSWORD).output_split(4097);
        let builder = match self.way {
            Way::Http => builder.http("127.0.0.1:0"),
            Way::Https => builder.https("127.0.0.1:0").channel_binding(ChannelBinding::Strict),
        };
        let host = builder.start().await.unwrap();
        host.machine().write_file(&format!("{DIRECTORY}\\here.txt"), Vec::new());
        Arc::new(Simulated { host, connector: self.connector })
    }
}

struct Simulated {
    host: WindowsHost,
    connector: fn(&WindowsHost) -> Arc<dyn Connector>,
}

impl TestHost for Simulated {
    fn connector(&self) -> Arc<dyn Connector> {
        (self.connector)(&self.host)
    }

    fn endpoint(&self) -> Endpoint {
        let address = self.host.http_addr().or(self.host.https_addr()).unwrap();
        let mut endpoint = Endpoint::new("suite-target", address.ip().to_string(), address.port());
        let tls = self.host.https_addr().is_some();
        endpoint.metadata.insert("winrm_use_https".to_owned(), json!(tls));
        endpoint
    }

    fn credential(&self) -> Credential {
        Credential::winrm(USER, Secret::from(PASSWORD))
    }

    fn wrong_credential(&self) -> Credential {
        Credential::winrm(USER, Secret::from("not the p4ssword"))
    }

    fn user(&self) -> String {
        USER.to_owned()
    }

    fn dialects(&self) -> Vec<Arc<dyn Dialect>> {
        vec![Arc::new(Powershell), Arc::new(Cmd)]
    }

    fn commands_started(&self) -> Option<u64> {
        Some(self.host.counters().commands)
    }

    fn commands_running(&self) -> Option<u64> {
        Some(self.host.machine().running_processes() as u64)
    }

    fn failed_logons(&self) -> Option<u64> {
        Some(self.host.counters().logons.values().map(|logons| logons.failed).sum())
    }

    fn sessions_open(&self) -> Option<u64> {
        Some(self.host.counters().shells_open as u64)
    }

    fn break_connections(&self) -> bool {
        self.host.drop_connections();
        true
    }

    fn files(&self) -> Option<&dyn HostFiles> {
        Some(self)
    }
}

impl HostFiles for Simulated {
    fn read(&self, path: &str) -> Option<Vec<u8>> {
        self.host.machine().read_file(path)
    }

    fn write(&self, path: &str, content: &[u8]) {
        self.host.machine().write_file(path, content.to_vec());
    }

    fn list(&self, directory: &str) -> Vec<String> {
        self.host.machine().files(directory)
    }

    fn join(&self, directory: &str, name: &str) -> String {
        format!("{directory}\\{name}")
    }

    fn directory(&self) -> String {
        DIRECTORY.to_owned()
    }

    fn odd_names(&self) -> Vec<String> {
        [
            "it's.txt",
            "a [1] b.txt",
            "$env x`.txt",
            "é 日本.txt",
            "a & b ; c.txt",
            "\u{201c}quoted\u{201d}.txt",
            "100%.txt",
        ]
        .map(str::to_owned)
        .to_vec()
    }
}

//! Debian's OpenSSH server under the transport suite, behind a way that can be cut.

use std::{fs, sync::Arc};

use async_trait::async_trait;
use opsconductor_core::{
    testing::transport::{Dialect, HostFiles, Sh, TestHost, TransportBuilder},
    transport::{Connector, Endpoint, ssh::SshConnector},
    vault::credential::Credential,
};
use opsconductor_tests::{
    openssh::{OpenSsh, me},
    relay::Relay,
};

/// Starts servers.
pub(crate) struct Unix;

#[async_trait]
impl TransportBuilder for Unix {
    async fn start(&self) -> Arc<dyn TestHost> {
        let server = OpenSsh::start(&[]);
        let relay = Relay::start(server.port()).await;
        Arc::new(Host { server, relay })
    }
}

struct Host {
    server: OpenSsh,
    relay: Relay,
}

impl TestHost for Host {
    fn connector(&self) -> Arc<dyn Connector> {
        Arc::new(SshConnector::new().unwrap())
    }

    fn endpoint(&self) -> Endpoint {
        Endpoint { port: self.relay.port(), ..self.server.endpoint() }
    }

    fn credential(&self) -> Credential {
        self.server.credential()
    }

    fn wrong_credential(&self) -> Credential {
        self.server.credential_of("other", None)
    }

    fn user(&self) -> String {
        me()
    }

    fn dialects(&self) -> Vec<Arc<dyn Dialect>> {
        vec![Arc::new(Sh { directory: self.directory() })]
    }

    fn commands_started(&self) -> Option<u64> {
        Some(self.server.count("Starting session: command"))
    }

    fn commands_running(&self) -> Option<u64> {
        Some(self.server.processes())
    }

    fn failed_logons(&self) -> Option<u64> {
        Some(self.server.failed_logons())
    }

    fn sessions_open(&self) -> Option<u64> {
        Some(self.relay.open())
    }

    fn break_connections(&self) -> bool {
        self.relay.cut();
        true
    }

    fn files(&self) -> Option<&dyn HostFiles> {
        Some(self)
    }
}

impl HostFiles for Host {
    fn read(&self, path: &str) -> Option<Vec<u8>> {
        fs::read(path).ok()
    }

    fn write(&self, path: &str, content: &[u8]) {
        fs::write(path, content).unwrap();
    }

    fn list(&self, directory: &str) -> Vec<String> {
        let entries = fs::read_dir(directory).unwrap();
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect()
    }

    fn join(&self, directory: &str, name: &str) -> String {
        format!("{directory}/{name}")
    }

    fn directory(&self) -> String {
        self.server.folder().join("files").display().to_string()
    }

    fn odd_names(&self) -> Vec<String> {
        ["it's.txt", "-rf", "$(id) `id` \\n.txt", "é 日本 🦀", "a\nb", " * ?[a] ", "\"q\"; & | < >", "~"]
            .map(str::to_owned)
            .to_vec()
    }
}

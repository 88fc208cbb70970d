//! A realm with a host in it, both MIT's, in front of a simulated Windows host.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::{Mutex, PoisonError},
};

use opsconductor_core::{
    Secret,
    transport::{Endpoint, winrm::WinrmConnector},
    vault::credential::Credential,
};
use serde_json::{Value, json};
use windows_sim::{CertificateAuthority, WindowsHost};

/// A user of the realm, and the password.
pub(crate) const USER: &str = "ada";
pub(crate) const PASSWORD: &str = "Pass word-1";

/// A user whose password looks like the mark of an NT hash.
pub(crate) const ODD_USER: &str = "odd";
pub(crate) const ODD_PASSWORD: &str = "$NTLM$:32ed87bdb5fdc5e9cba88547376818d4";

const BACKEND_USER: &str = "Administrator";
const BACKEND_PASSWORD: &str = "behind the front";

/// A realm that runs until this is dropped.
pub(crate) struct Realm {
    pub(crate) host: WindowsHost,
    authority: CertificateAuthority,
    listening: Value,
    process: Child,
    /// Nothing once it is to end.
    talk: Mutex<Option<(ChildStdin, BufReader<ChildStdout>)>>,
}

impl Realm {
    pub(crate) async fn start() -> Self {
        let host = WindowsHost::builder("WEB-1")
            .user(BACKEND_USER, BACKEND_PASSWORD)
            .http("127.0.0.1:0")
            .allow_unencrypted(true)
            .basic(true)
            .start()
            .await
            .unwrap();
        let authority = CertificateAuthority::new("Realm's CA").unwrap();
        let identity = authority.host(&["127.0.0.1"], 2020..2090).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let (certificate, key) = (directory.path().join("host.pem"), directory.path().join("host.key"));
        std::fs::write(&certificate, identity.certificate_pem).unwrap();
        std::fs::write(&key, identity.private_key_pem).unwrap();
        let python = std::env::var("SYSTEM_PYTHON").unwrap_or_else(|_| "/usr/bin/python3".to_owned());
        let mut process = Command::new(python)
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/interop/kerberos_realm.py"))
            .args(["--backend", &host.http_addr().unwrap().to_string(), "--backend-user", BACKEND_USER])
            .arg("--certificate")
            .arg(&certificate)
            .arg("--private-key")
            .arg(&key)
            .env("BACKEND_PASSWORD", BACKEND_PASSWORD)
            .env("REALM_USERS", json!({USER: PASSWORD, ODD_USER: ODD_PASSWORD}).to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (input, output) = (process.stdin.take().unwrap(), process.stdout.take().unwrap());
        let mut output = BufReader::new(output);
        // Another thread waits for the line, for the simulated host runs on this one.
        let (output, line) = tokio::task::spawn_blocking(move || {
            let mut line = String::new();
            output.read_line(&mut line).unwrap();
            (output, line)
        })
        .await
        .unwrap();
        let listening = serde_json::from_str(&line)
            .expect("the realm does not start: `make test-kerberos` installs what it needs");
        Self { host, authority, listening, process, talk: Mutex::new(Some((input, output))) }
    }

    fn port(&self, name: &str) -> u16 {
        u16::try_from(self.listening[name].as_u64().unwrap()).unwrap()
    }

    pub(crate) fn centre(&self) -> String {
        format!("127.0.0.1:{}", self.port("kdc"))
    }

    /// The host over plain HTTP.
    pub(crate) fn endpoint(&self) -> Endpoint {
        let mut endpoint = Endpoint::new("web-1", "127.0.0.1", self.port("http"));
        endpoint.metadata.insert("kerberos_kdc".into(), json!(self.centre()));
        endpoint.metadata.insert("kerberos_spn".into(), self.listening["service"].clone());
        endpoint
    }

    /// The host over HTTPS.
    pub(crate) fn https(&self) -> Endpoint {
        let mut endpoint = self.endpoint();
        endpoint.port = self.port("https");
        endpoint.metadata.insert("winrm_use_https".into(), json!(true));
        endpoint
    }

    pub(crate) fn connector(&self) -> WinrmConnector {
        WinrmConnector::builder().with_ca_pem(self.authority.pem()).build().unwrap()
    }

    /// What has reached the host and the centre so far.
    pub(crate) fn counters(&self) -> Value {
        let mut talk = self.talk.lock().unwrap();
        let talk = talk.as_mut().unwrap();
        talk.0.write_all(b"counters\n").unwrap();
        let mut line = String::new();
        talk.1.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }
}

impl Drop for Realm {
    fn drop(&mut self) {
        // The end of its input is what ends it in an orderly way.
        drop(self.talk.lock().unwrap_or_else(PoisonError::into_inner).take());
        let _ = self.process.wait();
    }
}

pub(crate) fn credential(username: &str, password: &str) -> Credential {
    Credential::Winrm {
        username: username.into(),
        password: Secret::from(password),
        domain: None,
        transport: Some("kerberos".into()),
    }
}

//! Who we are: keys in every form, passwords, certificates, an agent, and a host in between.

use std::{
    fs,
    process::{Child, Command, Stdio},
};

use opsconductor_core::{
    ErrorKind, Secret,
    error::Layer,
    transport::{
        Connector as _,
        ssh::{SshConnector, SshSettings},
    },
    vault::credential::Credential,
};
use opsconductor_tests::openssh::{OpenSsh, User, fingerprint, keygen, me, run};
use serde_json::json;

use crate::support::{connector, refused, run as exec, sh, whoami};

#[tokio::test]
async fn keys_of_every_kind_and_form_are_taken() {
    let server = OpenSsh::start(&[]);
    let mut authorized = String::new();
    let forms: [(&str, &[&str]); 8] = [
        ("ed25519", &["-t", "ed25519"]),
        ("ecdsa256", &["-t", "ecdsa"]),
        ("ecdsa521", &["-t", "ecdsa", "-b", "521"]),
        ("rsa", &["-t", "rsa", "-b", "2048"]),
        ("pkcs1", &["-t", "rsa", "-b", "2048", "-m", "PEM"]),
        ("pkcs8", &["-t", "rsa", "-b", "2048", "-m", "PKCS8"]),
        ("sealed", &["-t", "ed25519", "-N", "correct horse", "-a", "4"]),
        ("sealed8", &["-t", "rsa", "-b", "2048", "-m", "PKCS8", "-N", "correct horse"]),
    ];
    for (name, arguments) in forms {
        keygen(&server.folder().join(name), arguments);
        authorized.push_str(&server.read(&format!("{name}.pub")));
    }
    fs::write(server.folder().join("authorized_keys"), authorized).unwrap();
    for (name, _) in forms {
        let passphrase = name.starts_with("sealed").then_some("correct horse");
        let credential = server.credential_of(name, passphrase);
        let said = whoami(&connector(), &server.endpoint(), &credential).await;
        assert_eq!(said.unwrap_or_else(|error| panic!("{name}: {error:?}")), me(), "{name}");
    }
}

#[tokio::test]
async fn a_key_that_does_not_open_is_never_shown() {
    let server = OpenSsh::start(&[]);
    keygen(&server.folder().join("sealed"), &["-t", "ed25519", "-N", "correct horse", "-a", "4"]);
    for (passphrase, expected) in [(Some("battery staple"), "passphrase"), (None, "encrypted")] {
        let credential = server.credential_of("sealed", passphrase);
        let error = refused(&connector(), &server.endpoint(), &credential).await;
        assert_eq!(
            (error.kind(), error.layer()),
            (ErrorKind::Auth, Some(Layer::Authentication)),
            "{error:?}"
        );
        assert!(error.to_string().contains(expected), "{error}");
        assert!(!format!("{error:?} {}", error.report()).contains("staple"), "{error:?}");
    }
    for text in ["no key", "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----"] {
        let Credential::Ssh { username, .. } = server.credential() else { unreachable!() };
        let credential = Credential::Ssh {
            username,
            password: None,
            private_key: Some(Secret::from(text)),
            passphrase: None,
            certificate: None,
        };
        let error = refused(&connector(), &server.endpoint(), &credential).await;
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error:?}");
    }
    assert_eq!(server.count("Connection from"), 0, "the host was bothered: {:?}", server.log());
}

#[tokio::test]
async fn a_password_is_shown_once_by_either_method() {
    let user = User::create();
    for dialogue in [false, true] {
        let lines = match dialogue {
            false => ["PasswordAuthentication yes", "UsePAM no"],
            true => ["KbdInteractiveAuthentication yes", "UsePAM yes"],
        };
        let server = OpenSsh::start(&lines);
        let said = whoami(&connector(), &server.endpoint(), &user.credential()).await;
        assert_eq!(said.unwrap_or_else(|error| panic!("{error:?}, {:?}", server.log())), user.name);
        assert_eq!(server.failed_logons(), 0, "{:?}", server.log());

        let connector = connector();
        let wrong = user.credential_with("not the pa55word");
        let (endpoint, before) = (server.endpoint(), server.count("Connection from"));
        let all = (0..5).map(|_| refused(&connector, &endpoint, &wrong));
        for error in futures_util::future::join_all(all).await {
            assert_eq!(error.kind(), ErrorKind::Auth, "{error:?}");
            assert!(error.to_string().contains(&user.name), "{error}");
            assert!(!format!("{error:?}").contains("not the pa55word"), "{error:?}");
        }
        assert_eq!(server.failed_logons(), 1, "{:?}", server.log());
        assert_eq!(server.count("Connection from") - before, 1, "{:?}", server.log());
    }
}

#[tokio::test]
async fn a_certificate_and_an_agent_are_used() {
    let server = OpenSsh::start(&["TrustedUserCAKeys @/ca.pub"]);
    let at = |name: &str| server.folder().join(name);
    keygen(&at("ca"), &["-t", "ed25519"]);
    let mut sign = Command::new("ssh-keygen");
    sign.args(["-q", "-I", "user", "-n", &me(), "-V", "-1h:+1h", "-s"]).arg(at("ca")).arg(at("other.pub"));
    run(&mut sign, "openssh-client");
    let Credential::Ssh { username, private_key, .. } = server.credential_of("other", None) else {
        unreachable!()
    };
    let certificate = Some(server.read("other-cert.pub"));
    let certified = Credential::Ssh { username, password: None, private_key, passphrase: None, certificate };
    assert_eq!(whoami(&connector(), &server.endpoint(), &certified).await.unwrap(), me());
    assert!(server.count("Accepted certificate ID \"user\"") > 0, "{:?}", server.log());

    let public = server.credential_of("user.pub", None);
    let error = refused(&connector(), &server.endpoint(), &public).await;
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error:?}");
    assert!(error.to_string().contains("agent"), "{error}");

    let agent = Agent::start(&server);
    let mut settings = SshSettings::default();
    settings.agent = Some(agent.socket.clone());
    let connector = SshConnector::builder().with_settings(settings).build().unwrap();
    assert_eq!(whoami(&connector, &server.endpoint(), &public).await.unwrap(), me());
    let absent = server.credential_of("ca.pub", None);
    let error = refused(&connector, &server.endpoint(), &absent).await;
    assert_eq!(error.kind(), ErrorKind::Auth, "{error:?}");
}

/// An agent that holds the user's key.
struct Agent {
    socket: std::path::PathBuf,
    process: Child,
}

impl Agent {
    fn start(server: &OpenSsh) -> Self {
        let socket = server.folder().join("agent");
        let mut command = Command::new("ssh-agent");
        command.arg("-D").arg("-a").arg(&socket).stdout(Stdio::null());
        let process = command.spawn().expect("sudo apt-get install openssh-client");
        let mut add = Command::new("ssh-add");
        add.arg(server.folder().join("user")).env("SSH_AUTH_SOCK", &socket).stderr(Stdio::null());
        while !add.status().unwrap().success() {
            std::thread::yield_now();
        }
        Self { socket, process }
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

#[tokio::test]
async fn a_host_behind_another_is_reached_and_both_are_checked() {
    let (gate, server) = (OpenSsh::start(&[]), OpenSsh::start(&[]));
    let mut endpoint = server.endpoint();
    let jump = format!("127.0.0.1:{}", gate.port());
    endpoint.metadata.insert("ssh_jump".to_owned(), json!(jump));
    let pin = fingerprint(&gate.folder().join("host_ed25519.pub"));
    let builder =
        || SshConnector::builder().with_jump_credential("127.0.0.1", gate.port(), gate.credential());
    let error = refused(&builder().build().unwrap(), &endpoint, &server.credential()).await;
    assert_eq!(error.layer(), Some(Layer::HostKey), "the gate's key is not known: {error:?}");
    assert!(error.to_string().contains(&jump), "{error}");

    endpoint.metadata.insert("ssh_jump_host_key_sha256".to_owned(), json!(pin));
    let connector = builder().build().unwrap();
    let mut session = connector.connect(&endpoint, &server.credential()).await.unwrap();
    let said = exec(&mut *session, sh("echo through")).await.unwrap();
    assert_eq!(said.stdout, "through\n");
    assert_eq!((gate.count("Accepted publickey"), server.count("Accepted publickey")), (1, 1));
    drop(session);
    connector.shutdown().await;
}

#[tokio::test]
async fn a_probe_tells_who_answers_and_how_long_each_layer_took() {
    let server = OpenSsh::start(&[]);
    let report = connector().probe(&server.endpoint(), &server.credential()).await;
    assert!(report.ok, "{report:?}");
    assert_eq!(report.details.whoami, Some(me()));
    let layers: Vec<_> = report.details.timings_ms.iter().map(|(layer, _)| layer.as_str()).collect();
    assert_eq!(layers, ["name", "connect", "handshake", "authentication", "shell", "script"]);
    assert!(report.details.product_vendor.unwrap().starts_with("OpenSSH"));
}

//! A host is known, or nothing is shown to it.

use std::{fs, process::Command};

use opsconductor_core::{
    ErrorKind,
    error::Layer,
    transport::{Endpoint, ssh::HostKeyPolicy},
};
use opsconductor_tests::openssh::{OpenSsh, fingerprint, keygen, me, run};
use serde_json::json;

use crate::support::{connector, knowing, refused, whoami};

/// The way to a server of which nothing is known.
fn unknown(server: &OpenSsh) -> Endpoint {
    Endpoint::new("suite-target", "127.0.0.1", server.port())
}

fn public(server: &OpenSsh, name: &str) -> String {
    let key = server.read(&format!("{name}.pub"));
    key.split_whitespace().take(2).collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn an_unknown_host_is_refused_with_its_fingerprint_and_sees_no_credential() {
    let server = OpenSsh::start(&[]);
    let known = server.folder().join("known_hosts");
    let connector = knowing(&known, HostKeyPolicy::Strict);
    let error = refused(&connector, &unknown(&server), &server.credential()).await;
    assert_eq!((error.kind(), error.layer()), (ErrorKind::Transport, Some(Layer::HostKey)), "{error:?}");
    assert!(!error.is_retryable() && !error.is_outcome_unknown(), "{error:?}");
    let shown = error.to_string();
    let seen = fingerprint(&server.folder().join("host_ed25519.pub"));
    for part in [seen.as_str(), "ssh-keyscan", "ssh_host_key_sha256", "suite-target"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    assert!(!known.exists(), "nothing is written down");
    assert_eq!(server.failed_logons() + server.count("Accepted"), 0, "{:?}", server.log());
}

#[tokio::test]
async fn a_new_host_is_written_down_once_when_told_to_and_another_key_is_refused() {
    let server = OpenSsh::start(&[]);
    let known = server.folder().join("deep").join("known_hosts");
    let endpoint = unknown(&server);
    for _ in 0..2 {
        let connector = knowing(&known, HostKeyPolicy::AcceptNew);
        assert_eq!(whoami(&connector, &endpoint, &server.credential()).await.unwrap(), me());
    }
    let line = format!("[127.0.0.1]:{} {}\n", server.port(), public(&server, "host_ed25519"));
    assert_eq!(fs::read_to_string(&known).unwrap(), line);
    let strict = knowing(&known, HostKeyPolicy::Strict);
    assert_eq!(whoami(&strict, &endpoint, &server.credential()).await.unwrap(), me());

    fs::write(&known, line.replace(&public(&server, "host_ed25519"), &public(&server, "other"))).unwrap();
    for policy in [HostKeyPolicy::Strict, HostKeyPolicy::AcceptNew] {
        let error = refused(&knowing(&known, policy), &endpoint, &server.credential()).await;
        assert_eq!(error.layer(), Some(Layer::HostKey), "{error:?}");
        let shown = error.to_string();
        assert!(shown.contains("another key") && shown.contains("line 1"), "{shown}");
        assert!(shown.contains(&fingerprint(&server.folder().join("host_ed25519.pub"))), "{shown}");
    }
    assert_eq!(fs::read_to_string(&known).unwrap().lines().count(), 1, "the file is as it was");
}

#[tokio::test]
async fn hashed_names_revoked_keys_and_keys_in_the_metadata_are_heeded() {
    let server = OpenSsh::start(&[]);
    let known = server.folder().join("known_hosts");
    let key = public(&server, "host_ed25519");
    fs::write(&known, format!("[127.0.0.1]:{} {key}\n", server.port())).unwrap();
    run(Command::new("ssh-keygen").arg("-H").arg("-f").arg(&known), "openssh-client");
    assert!(fs::read_to_string(&known).unwrap().starts_with("|1|"));
    let strict = knowing(&known, HostKeyPolicy::Strict);
    assert_eq!(whoami(&strict, &unknown(&server), &server.credential()).await.unwrap(), me());

    let mut lines = fs::read_to_string(&known).unwrap();
    lines.push_str(&format!("@revoked * {key}\n"));
    fs::write(&known, &lines).unwrap();
    let revoking = knowing(&known, HostKeyPolicy::AcceptNew);
    let error = refused(&revoking, &unknown(&server), &server.credential()).await;
    assert!(error.to_string().contains("revokes"), "{error}");

    let nothing = knowing(&server.folder().join("none"), HostKeyPolicy::Strict);
    let mut endpoint = unknown(&server);
    let line = format!("[127.0.0.1]:{} {key}", server.port());
    endpoint.metadata.insert("ssh_known_hosts".to_owned(), json!(line));
    assert_eq!(whoami(&nothing, &endpoint, &server.credential()).await.unwrap(), me());
}

#[tokio::test]
async fn a_pinned_key_is_the_only_one() {
    let server = OpenSsh::start(&[]);
    let mut endpoint = server.endpoint();
    assert_eq!(whoami(&connector(), &endpoint, &server.credential()).await.unwrap(), me());
    let other = fingerprint(&server.folder().join("other.pub"));
    endpoint.metadata.insert("ssh_host_key_sha256".to_owned(), json!([other]));
    let error = refused(&connector(), &endpoint, &server.credential()).await;
    assert_eq!(error.layer(), Some(Layer::HostKey), "{error:?}");
    assert!(error.to_string().contains("pinned"), "{error}");
}

#[tokio::test]
async fn a_host_with_a_certificate_is_known_by_its_authority() {
    let folder = tempfile::tempdir().unwrap();
    let (authority, host) = (folder.path().join("ca"), folder.path().join("host"));
    keygen(&authority, &["-t", "ed25519"]);
    keygen(&host, &["-t", "ecdsa"]);
    let sign = |names: &str| {
        let mut command = Command::new("ssh-keygen");
        command.args(["-q", "-h", "-I", "host", "-n", names, "-V", "-1h:+1h", "-s"]).arg(&authority);
        run(command.arg(folder.path().join("host.pub")), "openssh-client");
    };
    for (names, fits) in [("127.0.0.1", true), ("elsewhere", false)] {
        sign(names);
        let at = folder.path().display();
        let lines = [format!("HostKey {at}/host"), format!("HostCertificate {at}/host-cert.pub")];
        let server = OpenSsh::start(&lines.each_ref().map(String::as_str));
        let known = server.folder().join("known_hosts");
        let key = fs::read_to_string(folder.path().join("ca.pub")).unwrap();
        fs::write(&known, format!("@cert-authority [127.0.0.1]:* {key}")).unwrap();
        let strict = knowing(&known, HostKeyPolicy::Strict);
        if fits {
            assert_eq!(whoami(&strict, &unknown(&server), &server.credential()).await.unwrap(), me());
        } else {
            let error = refused(&strict, &unknown(&server), &server.credential()).await;
            assert!(error.to_string().contains("other names"), "{error}");
        }
    }
}

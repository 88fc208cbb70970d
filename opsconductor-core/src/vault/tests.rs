#![allow(clippy::unwrap_used, reason = "a test may panic")]

use super::*;
use crate::id::{CredentialId, TenantId};

const OLD: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const NEW: &str = "Hx4dHBsaGRgXFhUUExIREA8ODQwLCgkIBwYFBAMCAQA=";

fn vault(deployment: &str, keys: Keyring) -> Vault {
    Vault::new(deployment, Arc::new(keys)).unwrap()
}

fn ring(key: &str) -> Keyring {
    Keyring::new(MasterKey::parse(key).unwrap())
}

fn place() -> RecordContext<'static> {
    RecordContext::credential(TenantId::new(1), CredentialId::new(7), "winrm", 3)
}

#[test]
fn a_place_is_the_map_that_the_format_names() {
    let named: Context = [
        ("deployment", "main"),
        ("tenant", "1"),
        ("kind", "credential"),
        ("id", "7"),
        ("field", "data"),
        ("type", "winrm"),
        ("version", "3"),
    ]
    .into_iter()
    .collect();
    assert_eq!(place().in_deployment("main"), named);
}

#[tokio::test]
async fn a_record_opens_in_its_own_place_alone() {
    let main = vault("main", ring(OLD));
    let sealed = main.seal(&place(), b"hunter2").await.unwrap();
    assert_eq!(main.open(&place(), &sealed).await.unwrap().expose(), b"hunter2");

    let elsewhere = [
        RecordContext { tenant: TenantId::new(2), ..place() },
        RecordContext { kind: "parameter", ..place() },
        RecordContext { id: "8".to_owned(), ..place() },
        RecordContext { field: "description", ..place() },
        RecordContext { record_type: "ssh", ..place() },
        RecordContext { version: 2, ..place() },
    ];
    for place in elsewhere {
        let error = main.open(&place, &sealed).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Vault, "{place:?}");
    }
    let error = vault("staging", ring(OLD)).open(&place(), &sealed).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Vault);
    let error = vault("main", ring(NEW)).open(&place(), &sealed).await.unwrap_err();
    assert!(error.to_string().contains("no key with this id"), "{error}");
}

#[tokio::test]
async fn keys_rotate() {
    let sealed = vault("main", ring(OLD)).seal(&place(), b"hunter2").await.unwrap();
    let both = vault("main", ring(NEW).with_former(MasterKey::parse(OLD).unwrap()).unwrap());
    assert!(both.needs_rewrap(&sealed).await.unwrap());
    let rewrapped = both.rewrap(&place(), &sealed).await.unwrap();
    assert!(!both.needs_rewrap(&rewrapped).await.unwrap());
    let opened = vault("main", ring(NEW)).open(&place(), &rewrapped).await.unwrap();
    assert_eq!(opened.expose(), b"hunter2");
    assert_eq!(format!("{opened:?}"), "[redacted]");
}

#[tokio::test]
async fn what_is_not_a_record_is_never_passed_through() {
    for bytes in [&b""[..], b"hunter2", b"{\"password\":\"hunter2\"}"] {
        let main = vault("main", ring(OLD));
        assert_eq!(main.open(&place(), bytes).await.unwrap_err().kind(), ErrorKind::Vault);
        assert_eq!(main.needs_rewrap(bytes).await.unwrap_err().kind(), ErrorKind::Vault);
    }
}

#[test]
fn a_deployment_has_a_name() {
    for name in ["", &"x".repeat(256)] {
        let error = Vault::new(name, Arc::new(ring(OLD))).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    }
}

#[test]
fn debug_shows_no_key() {
    let shown = format!("{:?} {:?}", vault("main", ring(OLD)), ring(OLD));
    assert!(shown.contains("main") && !shown.contains("AAECAw") && shown.contains("[redacted]"), "{shown}");
}

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use proptest::prelude::*;
use serde_json::json;

use super::*;
use CredentialKind::{ApiKey, Ssh, Winrm};

/// Both doors must say the same, so every case goes through both.
fn read(kind: CredentialKind, data: serde_json::Value) -> Result<Credential> {
    let parsed = Credential::parse(kind, data.to_string().as_bytes());
    let taken = Credential::from_value(kind, data);
    match (&parsed, &taken) {
        (Ok(one), Ok(two)) => assert_eq!(one.to_bytes().expose(), two.to_bytes().expose()),
        (Err(one), Err(two)) => assert_eq!(one.problems(), two.problems()),
        _ => panic!("{parsed:?} but {taken:?}"),
    }
    parsed
}

fn problems(kind: CredentialKind, data: serde_json::Value) -> Vec<String> {
    let error = read(kind, data).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
    error.problems().iter().map(Problem::to_string).collect()
}

#[test]
fn each_kind_is_read() {
    let winrm =
        json!({"username": "CORP\\admin", "password": "hunter2", "domain": null, "transport": "ntlm"});
    let Credential::Winrm { username, password, domain, transport } = read(Winrm, winrm).unwrap() else {
        panic!("another kind")
    };
    assert_eq!((username.as_str(), password.expose().as_str()), ("CORP\\admin", "hunter2"));
    assert_eq!((domain, transport.as_deref()), (None, Some("ntlm")));

    let key = "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n";
    let ssh = json!({"username": "root", "private_key": key, "passphrase": "hunter2"});
    let ssh = read(Ssh, ssh).unwrap();
    assert_eq!(ssh.secrets().map(|s| s.expose().as_str()).collect::<Vec<_>>(), [key, "hunter2"]);
    assert!(read(Ssh, json!({"username": "root", "password": "hunter2"})).is_ok());

    let api = read(ApiKey, json!({"api_key": "hunter2", "header": "X-Api-Key"})).unwrap();
    assert_eq!((api.kind(), api.secrets().count()), (ApiKey, 1));
}

const CERTIFICATE_PEM: &str = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
const KEY_PEM: &str = "-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----\n";

#[test]
fn a_winrm_credential_may_be_a_certificate() {
    let data = json!({
        "username": null, "password": null, "transport": "Certificate",
        "certificate": CERTIFICATE_PEM, "private_key": KEY_PEM,
    });
    let credential = read(Winrm, data).unwrap();
    assert_eq!(credential.kind(), Winrm);
    assert_eq!(credential.secrets().map(|s| s.expose().as_str()).collect::<Vec<_>>(), [KEY_PEM]);
    assert!(!format!("{credential:?}").contains("hunter2"));
    let again = Credential::parse(Winrm, credential.to_bytes().expose()).unwrap();
    let Credential::WinrmCertificate { certificate, private_key } = again else { panic!("another kind") };
    assert_eq!((certificate.as_str(), private_key.expose().as_str()), (CERTIFICATE_PEM, KEY_PEM));
}

#[test]
fn a_certificate_and_a_password_do_not_mix() {
    let both = json!({
        "transport": "certificate", "certificate": CERTIFICATE_PEM, "private_key": KEY_PEM, "password": "hunter2",
    });
    assert_eq!(
        problems(Winrm, both),
        ["/password: has no place beside a certificate, which the host itself maps to a user"]
    );
    let other = json!({"username": "ada", "password": "hunter2", "private_key": KEY_PEM});
    assert_eq!(
        problems(Winrm, other),
        ["/private_key: belongs to the transport `certificate`, and that is not the transport here"]
    );
    let bare = json!({"transport": "certificate", "certificate": null});
    assert_eq!(problems(Winrm, bare), ["/certificate: must be a string", "/private_key: is missing"]);
    let swapped = json!({"transport": "certificate", "certificate": KEY_PEM, "private_key": CERTIFICATE_PEM});
    assert_eq!(
        problems(Winrm, swapped),
        [
            "/certificate: must be certificates in PEM form and nothing else",
            "/private_key: must be a private key in PEM form that is not encrypted",
        ]
    );
}

#[test]
fn kinds_have_names_and_an_alias() {
    for kind in [Winrm, Ssh, ApiKey] {
        assert_eq!(kind.to_string().parse::<CredentialKind>().unwrap(), kind);
    }
    assert_eq!("winrm_ntlm".parse::<CredentialKind>().unwrap(), Winrm);
    assert_eq!("telnet".parse::<CredentialKind>().unwrap_err().kind(), ErrorKind::InvalidInput);
}

#[test]
fn every_problem_is_named_with_its_place() {
    let data = json!({"password": 7, "pass/word": {"a": ["hunter2"]}, "domain": "", "transport": "a\nb"});
    assert_eq!(
        problems(Winrm, data),
        [
            "/password: must be a string",
            "/pass~1word: is not known here: the members are username, password, domain, transport, certificate, private_key",
            "/domain: must not be empty",
            "/username: is missing",
            "/transport: must not have control characters",
        ]
    );
    assert_eq!(
        problems(Winrm, json!({"username": null, "password": "hunter2"})),
        ["/username: must be a string"]
    );
    assert_eq!(problems(Ssh, json!({"username": "root"})), ["give a `password` or a `private_key`"]);
    assert_eq!(
        problems(Ssh, json!({"username": "root", "password": "hunter2", "passphrase": "hunter2"})),
        ["/passphrase: belongs to a `private_key`, and there is none"]
    );
    assert_eq!(
        problems(ApiKey, json!({"api_key": "hunter2\r\nHost: x", "header": "X Key"})),
        ["/api_key: must not have control characters", "/header: is not the name of an HTTP header"]
    );
}

#[test]
fn what_is_not_an_object_is_refused_without_repeating_it() {
    for data in [json!("hunter2"), json!(["hunter2"]), json!(null), json!(7)] {
        let found = problems(Winrm, data);
        assert!(found[0].contains("not a JSON object"), "{found:?}");
    }
    for data in [&b"hunter2"[..], b"", b"{\"password\": \"hunter2\"", b"{} hunter2", b"\xff\xfe"] {
        let error = Credential::parse(Winrm, data).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
    }
    let nested = "[".repeat(60_000);
    assert!(Credential::parse(Winrm, format!("{{\"password\": {nested}").as_bytes()).is_err());
    let long = Credential::parse(Winrm, &vec![b' '; SECRET_BYTES_MAX + 1]).unwrap_err();
    assert!(long.to_string().contains("at most 65536 bytes"), "{long}");
}

#[test]
fn a_member_given_twice_is_refused() {
    let data = br#"{"username": "a", "password": "hunter2", "\u0070assword": "hunter3"}"#;
    let error = Credential::parse(Winrm, data).unwrap_err();
    assert_eq!(error.problems(), [Problem::new("/password", "is given twice")]);
}

#[test]
fn escapes_are_decoded_and_half_a_surrogate_is_refused() {
    let data = br#"{"username": "a", "password": "\"\\\/\b\f\n\r\t\u00e9\ud83d\uDD11z"}"#;
    let credential = Credential::parse(Winrm, data).unwrap();
    assert_eq!(credential.secrets().next().unwrap().expose(), "\"\\/\u{8}\u{c}\n\r\té🔑z");
    for broken in ["\\ud83d", "\\ud83dx", "\\ud83d\\u0041", "\\udd11", "\\ud83d\\n"] {
        let data = format!("{{\"username\": \"a\", \"password\": \"{broken}\"}}");
        let error = Credential::parse(Winrm, data.as_bytes()).unwrap_err();
        assert_eq!(error.problems()[0].pointer, "/password", "{broken}");
    }
}

#[test]
fn debug_shows_no_secret() {
    let all = [
        read(Winrm, json!({"username": "admin", "password": "hunter2"})),
        read(Ssh, json!({"username": "root", "private_key": "hunter2", "passphrase": "hunter2"})),
        read(ApiKey, json!({"api_key": "hunter2"})),
    ];
    for credential in all {
        let shown = format!("{credential:?} {credential:#?}");
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(
        username in "[^\\p{Cc}]{1,20}",
        password in "(?s).{1,40}",
        private_key in prop::option::of("(?s).{1,40}"),
    ) {
        let ssh = Credential::Ssh {
            username: username.clone(),
            password: Some(Secret::from(password.clone())),
            private_key: private_key.clone().map(Secret::from),
            passphrase: None,
            certificate: None,
        };
        let bytes = ssh.to_bytes();
        let value: serde_json::Value = serde_json::from_slice(bytes.expose()).unwrap();
        prop_assert_eq!(&value["password"], &json!(password));
        let private_key = private_key.map(|key| json!(key));
        prop_assert_eq!(value.get("private_key"), private_key.as_ref());
        let again = Credential::parse(Ssh, bytes.expose()).unwrap();
        let again = again.to_bytes();
        prop_assert_eq!(again.expose(), bytes.expose());
    }
}

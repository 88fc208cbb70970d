//! Sealed records, keys, the data of credentials.

use std::sync::LazyLock;

use opsconductor_core::{
    Secret,
    vault::{
        Context, MasterKey,
        credential::{Credential, CredentialKind},
        envelope,
    },
};
use serde_json::Value;

use super::{Target, seeds_of, text};
use crate::random::Random;

const KEY_TEXT: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const NEXT_TEXT: &str = "Hx4dHBsaGRgXFhUUExIREA8ODQwLCgkIBwYFBAMCAQA=";

/// Bytes that are, or were, a sealed record.
pub(super) const ENVELOPE: Target = Target {
    name: "envelope",
    seeds: || vec![GOLDEN.sealed.clone()],
    words: &["OAV1", "\u{1}\u{10}"],
    check: envelope,
};

/// The record that was written down byte for byte, with all that opens it.
struct Golden {
    key: MasterKey,
    next: MasterKey,
    context: Context,
    plain: Vec<u8>,
    sealed: Vec<u8>,
}

static GOLDEN: LazyLock<Golden> = LazyLock::new(|| {
    let all: Value =
        serde_json::from_str(include_str!("../../../testdata/envelope.json")).unwrap_or_default();
    let member = |name: &str| all[0][name].as_str().map(hex).unwrap_or_default();
    let pairs = all[0]["context"].as_object().into_iter().flatten();
    let kek: [u8; 32] = member("kek").try_into().expect("a key has 32 bytes");
    Golden {
        key: MasterKey::from_bytes(Secret::new(kek)).expect("the key is one"),
        next: MasterKey::parse(NEXT_TEXT).expect("the key is one"),
        context: pairs.map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default())).collect(),
        plain: member("plaintext"),
        sealed: member("sealed"),
    }
});

fn hex(digits: &str) -> Vec<u8> {
    let digits: Vec<u8> =
        digits.chars().filter_map(|digit| digit.to_digit(16)).map(|digit| digit as u8).collect();
    digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

fn envelope(input: &[u8], _: &mut Random) -> Result<(), String> {
    let Golden { key, next, context, plain, sealed } = &*GOLDEN;
    let whole = input == sealed;
    match envelope::open(key, input, context) {
        Ok(opened) if !whole || opened.expose() != plain => return Err("it opens to something".to_owned()),
        Err(error) if whole => return Err(format!("it does not open: {}", error.report())),
        _ => {}
    }
    if let (Ok(id), head) = (envelope::key_id(input), envelope::named_key(input))
        && head != Some(id)
    {
        return Err(format!("the head names {head:?} and the record {id:?}"));
    }
    match envelope::rewrap(key, next, input, context) {
        // What rewrapping leaves alone, the ciphertext, is found when it is opened.
        Ok(moved) if !whole && envelope::open(next, &moved, context).is_ok() => {
            Err("another record is rewrapped and opens".to_owned())
        }
        Err(error) if whole => Err(format!("it is not rewrapped: {}", error.report())),
        _ => Ok(()),
    }
}

/// The text of a master key.
pub(super) const KEY: Target = Target {
    name: "key",
    seeds: || seeds_of(&[KEY_TEXT, NEXT_TEXT, "AAEC_-QFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"]),
    words: &["=", "==", "-", "_", "+", "/"],
    check: |input, _| match MasterKey::parse(&text(input)) {
        Ok(key) if key.id().len() != 16 => Err(format!("its id is {:?}", key.id())),
        _ => Ok(()),
    },
};

/// The data of a credential.
pub(super) const CREDENTIAL: Target = Target {
    name: "credential",
    seeds: || {
        seeds_of(&[
            r#"{"username": "Administrator", "password": "h\u0075nter2\ud83d\ude00", "domain": null, "transport": "ntlm"}"#,
            r#"{"username": "root", "private_key": "-----BEGIN OPENSSH PRIVATE KEY-----\nx\n", "passphrase": "p"}"#,
            r#"{"api_key": "k-1", "header": "X-Api-Key"}"#,
        ])
    },
    words: &[
        "\"username\":",
        "\"password\":",
        "\\u",
        "\\ud83d",
        "null",
        "\"transport\": \"certificate\"",
        "{",
        "}",
    ],
    check: credential,
};

fn credential(input: &[u8], _: &mut Random) -> Result<(), String> {
    for kind in [CredentialKind::Winrm, CredentialKind::Ssh, CredentialKind::ApiKey] {
        let Ok(read) = Credential::parse(kind, input) else { continue };
        let written = read.to_bytes();
        let again = Credential::parse(kind, written.expose()).map_err(|error| error.report())?;
        if again.to_bytes().expose() != written.expose() {
            return Err("it is another one when it is written and read again".to_owned());
        }
    }
    Ok(())
}

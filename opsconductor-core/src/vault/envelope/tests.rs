#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde::Deserialize;

use super::*;

/// Records written down with everything that went into them. `tests/interop/envelope_check.py` made the bytes,
/// from the format alone, and opens them too.
const VECTORS: &str = include_str!("../../../testdata/envelope.json");

#[derive(Deserialize)]
struct Vector {
    name: String,
    kek: String,
    key_id: Option<String>,
    data_key: String,
    nonce: String,
    wrap_nonce: String,
    context: BTreeMap<String, String>,
    plaintext: String,
    sealed: String,
}

impl Vector {
    fn key(&self) -> MasterKey {
        let key = MasterKey::from_bytes(Secret::new(array(&self.kek))).unwrap();
        match &self.key_id {
            Some(id) => key.with_id(id).unwrap(),
            None => key,
        }
    }

    fn material(&self) -> Material {
        Material {
            data_key: array(&self.data_key),
            nonce: array(&self.nonce),
            wrap_nonce: array(&self.wrap_nonce),
        }
    }
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

fn array<const N: usize>(hex: &str) -> [u8; N] {
    bytes(hex).try_into().unwrap()
}

#[test]
fn the_format_is_frozen() {
    let vectors: Vec<Vector> = serde_json::from_str(VECTORS).unwrap();
    assert_eq!(vectors.len(), 3);
    for vector in vectors {
        let context = Context::from(vector.context.clone());
        let (plaintext, sealed) = (bytes(&vector.plaintext), bytes(&vector.sealed));
        let again =
            seal_with(&vector.key(), &plaintext, &context.bind().unwrap(), &vector.material()).unwrap();
        assert_eq!(again, sealed, "{}: this would not be read by what is released", vector.name);
        assert_eq!(open(&vector.key(), &sealed, &context).unwrap().expose(), &plaintext, "{}", vector.name);
        assert_eq!(key_id(&sealed).unwrap(), vector.key().id());
    }
}

fn key(seed: u8) -> MasterKey {
    let mut bytes = [seed; KEY_LEN];
    bytes[0] = !seed;
    MasterKey::from_bytes(Secret::new(bytes)).unwrap()
}

fn place() -> Context {
    [
        ("deployment", "main"),
        ("tenant", "default"),
        ("kind", "credential"),
        ("id", "7"),
        ("field", "data"),
        ("type", "winrm"),
        ("version", "1"),
    ]
    .into_iter()
    .collect()
}

fn assert_vault<T>(result: Result<T>, why: &str) {
    let error = result.err().expect("it must not open");
    assert_eq!(error.kind(), ErrorKind::Vault);
    assert!(error.to_string().contains(why), "{error}");
}

#[test]
fn what_is_not_a_record_is_refused_by_name() {
    let sealed = seal(&key(1), b"hunter2", &place()).unwrap();
    let with = |at: usize, byte: u8| {
        let mut altered = sealed.clone();
        altered[at] = byte;
        altered
    };
    let long = [sealed.as_slice(), &[0; SECRET_BYTES_MAX + KEY_ID_BYTES_MAX]].concat();
    for (bytes, why) in [
        (b"".to_vec(), "not a sealed record"),
        (b"hunter2".to_vec(), "not a sealed record"),
        (b"OAV1".to_vec(), "cut short"),
        (b"OAV1\x01".to_vec(), "cut short"),
        (b"OAV1\x01\x00".to_vec(), "key id"),
        (with(3, b'2'), "not a sealed record"),
        (with(4, 2), "suite 2"),
        (with(6, 0xff), "key id is not text"),
        (with(6, b'z'), "another key"),
        (long, "too long"),
    ] {
        assert_vault(open(&key(1), &bytes, &place()), why);
        assert_vault(rewrap(&key(1), &key(2), &bytes, &place()), why);
    }
}

#[test]
fn a_forged_key_id_cannot_forge_a_log_line() {
    let mut sealed = seal(&key(1), b"hunter2", &place()).unwrap();
    sealed[6] = b'\n';
    let error = open(&key(1), &sealed, &place()).unwrap_err();
    assert!(!error.to_string().contains('\n'), "{error:?}");
}

#[test]
fn another_key_of_the_same_name_does_not_open_it() {
    let sealed = seal(&key(1).with_id("k").unwrap(), b"hunter2", &place()).unwrap();
    assert_vault(open(&key(2).with_id("k").unwrap(), &sealed, &place()), "does not open");
}

#[test]
fn a_secret_is_bounded() {
    let sealed = seal(&key(1), &[b'x'; SECRET_BYTES_MAX], &place()).unwrap();
    assert_eq!(open(&key(1), &sealed, &place()).unwrap().expose().len(), SECRET_BYTES_MAX);
    let error = seal(&key(1), &[b'x'; SECRET_BYTES_MAX + 1], &place()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}

#[test]
fn two_seals_share_nothing() {
    let (one, two) =
        (seal(&key(1), b"hunter2", &place()).unwrap(), seal(&key(1), b"hunter2", &place()).unwrap());
    let after_id = HEAD_LEN + key(1).id().len();
    let same = one[after_id..].windows(8).filter(|part| two.windows(8).any(|other| other == *part)).count();
    assert_eq!(same, 0);
}

#[test]
fn a_count_at_its_limit_refuses_to_seal_and_still_opens() {
    let full = key(1).with_wraps(crate::vault::WRAPS_MAX);
    let sealed = seal(&key(1), b"hunter2", &place()).unwrap();
    assert_vault(seal(&full, b"hunter2", &place()), "make a new key current");
    assert_vault(rewrap(&full, &full, &sealed, &place()), "make a new key current");
    assert_eq!(open(&full, &sealed, &place()).unwrap().expose(), b"hunter2");
    assert_eq!(full.wraps(), crate::vault::WRAPS_MAX);
}

#[test]
fn sealing_and_rewrapping_count_and_opening_does_not() {
    let (old, new) = (key(1), key(2));
    let sealed = seal(&old, b"hunter2", &place()).unwrap();
    open(&old, &sealed, &place()).unwrap();
    rewrap(&old, &new, &sealed, &place()).unwrap();
    assert_eq!((old.wraps(), new.wraps()), (1, 1));
}

/// Every single byte, every bit of it that matters, every length: small enough to try them all.
#[test]
fn every_byte_and_every_length_counts() {
    let key = key(1);
    let sealed = seal(&key, b"hunter2", &place()).unwrap();
    for at in 0..sealed.len() {
        for bit in 0..8 {
            let mut altered = sealed.clone();
            altered[at] ^= 1 << bit;
            assert_vault(open(&key, &altered, &place()), "");
        }
        let mut cut = sealed.clone();
        cut.remove(at);
        assert_vault(open(&key, &cut, &place()), "");
        assert_vault(open(&key, &sealed[..at], &place()), "");
    }
}

proptest! {
    #[test]
    fn any_secret_comes_back(plaintext in prop::collection::vec(any::<u8>(), 0..2000)) {
        let sealed = seal(&key(1), &plaintext, &place()).unwrap();
        let opened = open(&key(1), &sealed, &place()).unwrap();
        prop_assert_eq!(opened.expose(), &plaintext);
    }

    #[test]
    fn it_opens_only_where_it_belongs(
        member in prop::sample::select(vec![
            "deployment", "tenant", "kind", "id", "field", "type", "version", "one more",
        ]),
        value in ".{0,12}",
    ) {
        let elsewhere = place().with(member, value);
        prop_assume!(elsewhere != place());
        let sealed = seal(&key(1), b"hunter2", &place()).unwrap();
        assert_vault(open(&key(1), &sealed, &elsewhere), "belongs elsewhere");
        assert_vault(rewrap(&key(1), &key(2), &sealed, &elsewhere), "belongs elsewhere");
    }

    #[test]
    fn anything_added_is_refused(at in any::<prop::sample::Index>(), byte: u8) {
        let mut sealed = seal(&key(1), b"hunter2", &place()).unwrap();
        let at = at.index(sealed.len() + 1);
        sealed.insert(at, byte);
        assert_vault(open(&key(1), &sealed, &place()), "");
    }

    #[test]
    fn a_part_of_another_record_is_refused(from in any::<prop::sample::Index>(), length in 1_usize..64) {
        let (one, two) = (
            seal(&key(1), b"hunter2", &place()).unwrap(),
            seal(&key(1), b"hunter3", &place()).unwrap(),
        );
        let after_id = HEAD_LEN + key(1).id().len();
        let from = after_id + from.index(one.len() - after_id);
        let to = (from + length).min(one.len());
        let mut spliced = one.clone();
        spliced[from..to].copy_from_slice(&two[from..to]);
        prop_assume!(spliced != one && spliced != two);
        assert_vault(open(&key(1), &spliced, &place()), "");
    }

    #[test]
    fn arbitrary_bytes_never_open_and_never_panic(
        mut bytes in prop::collection::vec(any::<u8>(), 0..400),
        as_record: bool,
    ) {
        if as_record {
            bytes.splice(0..0, *b"OAV1\x01");
        }
        assert_vault(open(&key(1), &bytes, &place()), "");
        let _ = key_id(&bytes);
    }

    #[test]
    fn rewrapping_changes_the_head_alone(plaintext in prop::collection::vec(any::<u8>(), 0..300)) {
        let sealed = seal(&key(1), &plaintext, &place()).unwrap();
        let again = rewrap(&key(1), &key(2), &sealed, &place()).unwrap();
        prop_assert_eq!(Record::parse(&again).unwrap().body, Record::parse(&sealed).unwrap().body);
        prop_assert_eq!(key_id(&again).unwrap(), key(2).id().to_owned());
        let opened = open(&key(2), &again, &place()).unwrap();
        prop_assert_eq!(opened.expose(), &plaintext);
        assert_vault(open(&key(1), &again, &place()), "another key");
    }
}

#[test]
fn a_rewrap_finds_an_exchanged_body() {
    let mut sealed = seal(&key(1), b"hunter2", &place()).unwrap();
    let other = seal(&key(1), b"hunter3", &place()).unwrap();
    let head = HEAD_LEN + key(1).id().len() + WRAP_LEN;
    sealed.truncate(head);
    sealed.extend_from_slice(&other[head..]);
    assert_vault(rewrap(&key(1), &key(2), &sealed, &place()), "does not open");
}

//! Project Wycheproof's vectors against the primitives as the sealed record uses them.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use hkdf::hmac::{Hmac, KeyInit, Mac};
use wycheproof::{aead, hkdf as wycheproof_hkdf, mac};

use super::*;

#[test]
fn aes_256_gcm_agrees_with_wycheproof() {
    let set = aead::TestSet::load(aead::TestName::AesGcm).unwrap();
    let mut seen = 0;
    for group in set.test_groups {
        if group.key_size != 256 || group.nonce_size != 96 || group.tag_size != 128 {
            continue;
        }
        for test in group.tests {
            seen += 1;
            let key: [u8; KEY_LEN] = test.key.as_slice().try_into().unwrap();
            let nonce: [u8; NONCE_LEN] = test.nonce.as_slice().try_into().unwrap();
            let tag: [u8; TAG_LEN] = test.tag.as_slice().try_into().unwrap();

            let mut buffer = test.ct.to_vec();
            let opened = decrypt(&key, &nonce, &test.aad, &mut buffer, &tag);
            if test.result.must_fail() {
                assert_eq!(opened, Err(TagMismatch), "test {}", test.tc_id);
                assert_eq!(buffer, test.ct.as_slice(), "test {} gave bytes away", test.tc_id);
                continue;
            }
            assert_eq!(opened, Ok(()), "test {}", test.tc_id);
            assert_eq!(buffer, test.pt.as_slice(), "test {}", test.tc_id);
            assert_eq!(encrypt(&key, &nonce, &test.aad, &mut buffer), Some(tag), "test {}", test.tc_id);
            assert_eq!(buffer, test.ct.as_slice(), "test {}", test.tc_id);
        }
    }
    assert_eq!(seen, 66, "the vectors at 96 and 128 bits");
}

/// The lengths the record uses are compiled in, so the vectors are compared on their first bytes: HKDF's output
/// of a given length is the beginning of any longer one.
#[test]
fn hkdf_agrees_with_wycheproof() {
    let mut seen = 0;
    for name in [wycheproof_hkdf::TestName::HkdfSha256, wycheproof_hkdf::TestName::HkdfSha512] {
        let sha512 = matches!(name, wycheproof_hkdf::TestName::HkdfSha512);
        for group in wycheproof_hkdf::TestSet::load(name).unwrap().test_groups {
            for test in group.tests.iter().filter(|test| !test.result.must_fail()) {
                seen += 1;
                // Both hashes can give this much, and no vector asks for more of SHA-256.
                let sha256_okm = hkdf_sha256::<{ 255 * 32 }>(&test.ikm, &test.salt, &[&test.info]);
                let sha512_okm = hkdf_sha512::<{ 255 * 64 }>(&test.ikm, &test.salt, &[&test.info]);
                let okm = if sha512 { sha512_okm.as_slice() } else { sha256_okm.as_slice() };
                assert_eq!(test.okm.len(), test.size);
                assert_eq!(&okm[..test.size], test.okm.as_slice(), "test {} (SHA-512: {sha512})", test.tc_id);
            }
        }
    }
    assert!(seen > 150, "only {seen} vectors were tried");
}

#[test]
fn hmac_agrees_with_wycheproof() {
    fn holds<M: Mac + KeyInit>(key: &[u8], message: &[u8], tag: &[u8]) -> bool {
        let mut mac = <M as KeyInit>::new_from_slice(key).unwrap();
        mac.update(message);
        mac.verify_truncated_left(tag).is_ok()
    }

    let mut seen = 0;
    for name in [mac::TestName::HmacSha256, mac::TestName::HmacSha512] {
        let sha512 = matches!(name, mac::TestName::HmacSha512);
        for group in mac::TestSet::load(name).unwrap().test_groups {
            for test in group.tests {
                seen += 1;
                let held = if sha512 {
                    holds::<Hmac<Sha512>>(&test.key, &test.msg, &test.tag)
                } else {
                    holds::<Hmac<Sha256>>(&test.key, &test.msg, &test.tag)
                };
                assert_eq!(held, !test.result.must_fail(), "test {} (SHA-512: {sha512})", test.tc_id);
            }
        }
    }
    assert!(seen > 300, "only {seen} vectors were tried");
}

#[test]
fn the_parts_of_info_are_concatenated() {
    let whole = hkdf_sha512::<64>(b"key", b"salt", &[b"OAV1/data"]);
    let parts = hkdf_sha512::<64>(b"key", b"salt", &[b"OAV1", b"/data"]);
    assert_eq!(whole, parts);
}

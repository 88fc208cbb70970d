//! What ties an authentication to a TLS channel: the `tls-server-end-point` binding.

use rustls::pki_types::CertificateDer;
use sha2::{Digest as _, Sha256, Sha384, Sha512};

/// The `tls-server-end-point` channel binding (RFC 5929): the certificate's hash, by the hash function of its own
/// signature, SHA-256 standing in for MD5 and SHA-1. `None` when that function is not known (RFC 5929 leaves the
/// binding undefined then).
pub(super) fn server_end_point(certificate: &CertificateDer<'_>) -> Option<Vec<u8>> {
    let mut out = b"tls-server-end-point:".to_vec();
    match signature_hash(certificate)? {
        HashFunction::Sha256 => out.extend_from_slice(&Sha256::digest(certificate)),
        HashFunction::Sha384 => out.extend_from_slice(&Sha384::digest(certificate)),
        HashFunction::Sha512 => out.extend_from_slice(&Sha512::digest(certificate)),
    }
    Some(out)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum HashFunction {
    Sha256,
    Sha384,
    Sha512,
}

/// Certificate ::= SEQUENCE { tbs SEQUENCE, algorithm SEQUENCE { OID, parameters }, signature }: two steps into it.
fn signature_hash(certificate: &[u8]) -> Option<HashFunction> {
    let (_, certificate, _) = der(certificate)?;
    let (_, _, rest) = der(certificate)?;
    let (_, algorithm, _) = der(rest)?;
    let (0x06, oid, parameters) = der(algorithm)? else { return None };
    match oid {
        // sha{256,384,512}WithRSAEncryption, with md5, sha1 by the rule above.
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, last] => match last {
            4 | 5 | 11 => Some(HashFunction::Sha256),
            12 => Some(HashFunction::Sha384),
            13 => Some(HashFunction::Sha512),
            10 => pss_hash(parameters),
            _ => None,
        },
        // ecdsa-with-SHA1 and ecdsa-with-SHA{256,384,512}.
        [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x01] => Some(HashFunction::Sha256),
        [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, last] => match last {
            2 => Some(HashFunction::Sha256),
            3 => Some(HashFunction::Sha384),
            4 => Some(HashFunction::Sha512),
            _ => None,
        },
        _ => None,
    }
}

/// RSASSA-PSS names its hash in its parameters; without a name it is SHA-1.
fn pss_hash(parameters: &[u8]) -> Option<HashFunction> {
    let Some((0x30, fields, _)) = der(parameters) else { return Some(HashFunction::Sha256) };
    let Some((0xa0, hash, _)) = der(fields) else { return Some(HashFunction::Sha256) };
    let (_, hash, _) = der(hash)?;
    let (0x06, oid, _) = der(hash)? else { return None };
    match oid {
        [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 1] | [0x2b, 0x0e, 0x03, 0x02, 0x1a] => {
            Some(HashFunction::Sha256)
        }
        [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 2] => Some(HashFunction::Sha384),
        [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 3] => Some(HashFunction::Sha512),
        _ => None,
    }
}

/// Splits off the first DER value: its tag, its content, and what follows.
pub(super) fn der(input: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = input.split_first()?;
    let (&first, mut rest) = rest.split_first()?;
    let mut length = usize::from(first);
    if first & 0x80 != 0 {
        let count = usize::from(first & 0x7f);
        if count == 0 || count > 4 {
            return None;
        }
        let (bytes, after) = rest.split_at_checked(count)?;
        length = bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
        rest = after;
    }
    let (content, after) = rest.split_at_checked(length)?;
    Some((tag, content, after))
}

#[cfg(test)]
mod tests {
    use super::{HashFunction, signature_hash};

    /// A certificate's outline: an empty body, then the algorithm.
    fn outline(algorithm: &[u8]) -> Vec<u8> {
        let mut inner = vec![0x30, 0x00, 0x30, u8::try_from(algorithm.len()).unwrap_or_default()];
        inner.extend_from_slice(algorithm);
        let mut out = vec![0x30, 0x81, u8::try_from(inner.len()).unwrap_or_default()];
        out.extend_from_slice(&inner);
        out
    }

    #[test]
    fn the_hash_is_that_of_the_certificates_signature() {
        let rsa =
            |last| outline(&[0x06, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, last, 0x05, 0x00]);
        assert_eq!(signature_hash(&rsa(5)), Some(HashFunction::Sha256), "SHA-1 is replaced");
        assert_eq!(signature_hash(&rsa(11)), Some(HashFunction::Sha256));
        assert_eq!(signature_hash(&rsa(12)), Some(HashFunction::Sha384));
        assert_eq!(signature_hash(&rsa(13)), Some(HashFunction::Sha512));
        let ecdsa = |last| outline(&[0x06, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, last]);
        assert_eq!(signature_hash(&ecdsa(3)), Some(HashFunction::Sha384));
    }

    #[test]
    fn the_hash_of_a_pss_signature_stands_in_its_parameters() {
        let mut algorithm = vec![0x06, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 10];
        algorithm.extend_from_slice(&[0x30, 0x0f, 0xa0, 0x0d, 0x30, 0x0b, 0x06, 0x09]);
        algorithm.extend_from_slice(&[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 2]);
        assert_eq!(signature_hash(&outline(&algorithm)), Some(HashFunction::Sha384));
    }

    #[test]
    fn an_unknown_or_broken_certificate_has_no_binding() {
        assert_eq!(signature_hash(&outline(&[0x06, 3, 0x2b, 0x65, 0x70])), None, "Ed25519");
        assert_eq!(signature_hash(&[0x30, 0x84, 0xff]), None);
        assert_eq!(signature_hash(&[]), None);
    }
}

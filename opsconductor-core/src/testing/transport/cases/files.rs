//! What the cases about files share.

use sha2::{Digest as _, Sha256};

use crate::testing::transport::Fixture;

/// Bytes that do not repeat themselves soon and do not compress well.
pub(super) fn content(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64 ^ length as u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..length).map(|_| next()).collect()
}

/// SHA-256 in lower-case hex.
pub(super) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The path of a file of that name on the host.
pub(super) fn place(f: &Fixture, name: &str) -> String {
    match f.files() {
        Some(files) => files.join(&files.directory(), name),
        None => f.dialect().path(name),
    }
}

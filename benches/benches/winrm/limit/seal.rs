//! NTLM's sealing (MS-NLMP 3.4.4) with the key stream in hand, so that what was sealed can be mended.

use hmac::{Hmac, KeyInit as _, Mac as _};
use md5::{Digest as _, Md5};
use rc4::{Rc4, StreamCipher as _};

const CLIENT_SIGN: &[u8] = b"session key to client-to-server signing key magic constant\0";
const CLIENT_SEAL: &[u8] = b"session key to client-to-server sealing key magic constant\0";
const SERVER_SEAL: &[u8] = b"session key to server-to-client sealing key magic constant\0";

pub(super) const SIGNATURE_BYTES: usize = 16;
const CHECKSUM_BYTES: usize = 8;

/// The keys of one logon, and how far they are used.
pub(super) struct Keys {
    signing: Hmac<Md5>,
    outbound: Rc4,
    inbound: Rc4,
    sequence: u32,
}

/// A sealed message, and what is needed to sign it anew.
pub(super) struct Sealed {
    pub(super) plain: Vec<u8>,
    pub(super) bytes: Vec<u8>,
    sequence: u32,
    checksum_key: [u8; CHECKSUM_BYTES],
}

impl Keys {
    pub(super) fn new(session_key: &[u8]) -> Self {
        let derived = |magic: &[u8]| -> [u8; 16] {
            Md5::new().chain_update(session_key).chain_update(magic).finalize().into()
        };
        let rc4 = |magic| {
            use rc4::KeyInit as _;
            Rc4::new_from_slice(&derived(magic)).expect("RC4 takes a key of 16 bytes")
        };
        let signing = Hmac::new_from_slice(&derived(CLIENT_SIGN)).expect("HMAC takes a key of any length");
        Self { signing, outbound: rc4(CLIENT_SEAL), inbound: rc4(SERVER_SEAL), sequence: 0 }
    }

    /// Seals the next message.
    pub(super) fn seal(&mut self, plain: Vec<u8>) -> Sealed {
        let mut bytes = plain.clone();
        self.outbound.apply_keystream(&mut bytes);
        let mut checksum_key = [0; CHECKSUM_BYTES];
        self.outbound.apply_keystream(&mut checksum_key);
        let sequence = self.sequence;
        self.sequence += 1;
        Sealed { plain, bytes, sequence, checksum_key }
    }

    /// The signature of a message, as it is now.
    pub(super) fn signature(&self, sealed: &Sealed) -> [u8; SIGNATURE_BYTES] {
        let mac =
            self.signing.clone().chain_update(sealed.sequence.to_le_bytes()).chain_update(&sealed.plain);
        let checksum = mac.finalize().into_bytes();
        let mut signature = [0; SIGNATURE_BYTES];
        signature[..4].copy_from_slice(&1_u32.to_le_bytes());
        for (at, key) in sealed.checksum_key.iter().enumerate() {
            signature[4 + at] = checksum[at] ^ key;
        }
        signature[12..].copy_from_slice(&sealed.sequence.to_le_bytes());
        signature
    }

    /// Opens the host's next message in place. Its signature is not checked: the host is ours.
    pub(super) fn open(&mut self, bytes: &mut [u8]) {
        self.inbound.apply_keystream(bytes);
        self.inbound.apply_keystream(&mut [0; CHECKSUM_BYTES]);
    }
}

impl Sealed {
    /// Puts `text` at a place of the message, in the plain form and in the sealed one.
    pub(super) fn exchange(&mut self, at: usize, text: &[u8]) {
        for (offset, new) in text.iter().enumerate() {
            self.bytes[at + offset] ^= self.plain[at + offset] ^ new;
            self.plain[at + offset] = *new;
        }
    }
}

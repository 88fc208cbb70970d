//! Signing and sealing with extended session security (MS-NLMP §3.4).

use super::{NtlmError, crypto, flags, rc4::Rc4};

const CLIENT_SIGN: &[u8] = b"session key to client-to-server signing key magic constant\0";
const SERVER_SIGN: &[u8] = b"session key to server-to-client signing key magic constant\0";
const CLIENT_SEAL: &[u8] = b"session key to client-to-server sealing key magic constant\0";
const SERVER_SEAL: &[u8] = b"session key to server-to-client sealing key magic constant\0";

/// The keys of an established session, seen from the server.
pub(crate) struct Security {
    /// What the client seals and the server opens.
    pub(crate) inbound: Direction,
    /// What the server seals.
    pub(crate) outbound: Direction,
    /// Whether the two sides agreed on sealing.
    pub(crate) sealing: bool,
}

impl Security {
    pub(crate) fn new(flags: u32, exported_key: &[u8; 16]) -> Self {
        let key_exchange = flags & flags::KEY_EXCHANGE != 0;
        Self {
            inbound: Direction::new(exported_key, CLIENT_SIGN, CLIENT_SEAL, key_exchange),
            outbound: Direction::new(exported_key, SERVER_SIGN, SERVER_SEAL, key_exchange),
            sealing: flags & flags::SEAL != 0,
        }
    }
}

/// One direction: its keys, the running RC4 state and the sequence number.
pub(crate) struct Direction {
    sign_key: [u8; 16],
    seal_key: [u8; 16],
    handle: Rc4,
    sequence: u32,
    key_exchange: bool,
}

impl Direction {
    fn new(exported_key: &[u8; 16], sign: &[u8], seal: &[u8], key_exchange: bool) -> Self {
        let seal_key = crypto::md5(&[exported_key, seal]);
        Self {
            sign_key: crypto::md5(&[exported_key, sign]),
            seal_key,
            handle: Rc4::new(&seal_key),
            sequence: 0,
            key_exchange,
        }
    }

    /// Encrypts in place and returns the signature over the plaintext.
    pub(crate) fn seal(&mut self, data: &mut [u8]) -> [u8; 16] {
        // The checksum covers the plaintext but takes its key stream after the message's.
        let checksum = self.plain_checksum(data);
        self.handle.apply(data);
        self.finish(checksum)
    }

    /// Decrypts in place and checks the signature and its sequence number.
    pub(crate) fn unseal(&mut self, signature: &[u8], data: &mut [u8]) -> Result<(), NtlmError> {
        self.handle.apply(data);
        self.verify(signature, data)
    }

    /// Signs without encrypting.
    pub(crate) fn sign(&mut self, data: &[u8]) -> [u8; 16] {
        let checksum = self.plain_checksum(data);
        self.finish(checksum)
    }

    /// Checks a signature over data that is already plain.
    pub(crate) fn verify(&mut self, signature: &[u8], data: &[u8]) -> Result<(), NtlmError> {
        if self.sign(data) == signature { Ok(()) } else { Err(NtlmError::BadSignature) }
    }

    /// Starts the key stream again, which SPNEGO wants after its mechListMIC; the sequence number goes on.
    pub(crate) fn reset_key_stream(&mut self) {
        self.handle = Rc4::new(&self.seal_key);
    }

    fn plain_checksum(&self, data: &[u8]) -> [u8; 8] {
        let mac = crypto::hmac_md5(&self.sign_key, &[&self.sequence.to_le_bytes(), data]);
        let mut checksum = [0; 8];
        checksum.copy_from_slice(&mac[..8]);
        checksum
    }

    fn finish(&mut self, mut checksum: [u8; 8]) -> [u8; 16] {
        if self.key_exchange {
            self.handle.apply(&mut checksum);
        }
        let mut signature = [0; 16];
        signature[..4].copy_from_slice(&1u32.to_le_bytes());
        signature[4..12].copy_from_slice(&checksum);
        signature[12..].copy_from_slice(&self.sequence.to_le_bytes());
        self.sequence = self.sequence.wrapping_add(1);
        signature
    }
}

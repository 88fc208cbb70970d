//! NTLM's sealing, with extended session security and 128 bits (MS-NLMP 3.4.4.2, 3.4.5.2, 3.4.5.3).
//!
//! `sspi` can do it as well, at twice the time and with copies of every message. So it logs on, and its session key is
//! taken over: see [`Ntlm::take_over`].

use hmac::{Hmac, KeyInit as _, Mac as _, digest::Key};
use md5::{Digest as _, Md5};
use sspi::{EncryptionFlags, ErrorKind, SecurityBufferRef, Sspi};
use subtle::ConstantTimeEq as _;
use zeroize::{Zeroize as _, Zeroizing};

use super::rc4::Rc4;
use crate::transport::winrm::security::quiet;

/// The length of a signature: version, checksum, sequence number.
pub(super) const SIGNATURE_BYTES: usize = 16;

const VERSION: [u8; 4] = 1_u32.to_le_bytes();

/// How much is signed and sealed in one go, so that a long message passes through the processor's cache once.
const PIECE: usize = 4096;

/// What the two sides show each other when the session key is taken over. Any text does.
const SAMPLE: [u8; 8] = *b"a sample";

/// The keys of one logon, and how far they are used. There is no `Debug`, for it would show them.
pub(super) struct Ntlm {
    outbound: Direction,
    inbound: Direction,
}

impl Ntlm {
    /// Takes the session key of a logon over.
    ///
    /// What `context` says nothing of, it shows: whether a key was exchanged, and which sequence numbers SPNEGO used up for
    /// its own signatures. So it seals one last message and opens one, which proves as well that both reckon alike.
    pub(super) fn take_over(mut context: impl Sspi) -> sspi::Result<Self> {
        quiet(|| {
            let unlike =
                || sspi::Error::new(ErrorKind::InternalError, "the session key does not seal as it should");
            let keys = context.query_context_session_key()?;
            let key: &[u8; 16] = keys.session_key.as_ref().as_slice().try_into().map_err(|_| unlike())?;
            let (mut signature, mut sealed) = ([0; SIGNATURE_BYTES], SAMPLE);
            let buffers =
                &mut [SecurityBufferRef::token_buf(&mut signature), SecurityBufferRef::data_buf(&mut sealed)];
            context.encrypt_message(EncryptionFlags::empty(), buffers)?;
            let sent = sequence_of(&signature);
            let seals_alike = |exchanged: &bool| {
                let mut sample = SAMPLE;
                Direction::of_client(key, *exchanged, sent).seal(&mut sample) == signature && sample == sealed
            };
            let exchanged = [true, false].into_iter().find(seals_alike).ok_or_else(unlike)?;
            // Each try counts, so the second one that expects a number later than nought expects two.
            let received = (0..2).find(|received| {
                let mut sample = SAMPLE;
                let mut signature = Direction::of_host(key, exchanged, 2 * received).seal(&mut sample);
                let buffers = &mut [
                    SecurityBufferRef::token_buf(&mut signature),
                    SecurityBufferRef::data_buf(&mut sample),
                ];
                context.decrypt_message(buffers).is_ok()
            });
            let received = received.ok_or_else(unlike)?;
            Ok(Self {
                outbound: Direction::of_client(key, exchanged, sent),
                inbound: Direction::of_host(key, exchanged, received),
            })
        })
    }

    /// Seals `message` in place and gives the signature.
    pub(super) fn seal(&mut self, message: &mut [u8]) -> [u8; SIGNATURE_BYTES] {
        self.outbound.seal(message)
    }

    /// Opens `message` in place; `false` when the host did not seal it, or not as the next one.
    #[must_use]
    pub(super) fn open(&mut self, signature: &[u8], message: &mut [u8]) -> bool {
        self.inbound.open(signature, message)
    }
}

/// One direction of a conversation.
struct Direction {
    mac: Hmac<Md5>,
    stream: Rc4,
    /// Whether a key was exchanged; the checksums are sealed then.
    exchanged: bool,
    sequence: u32,
}

impl Direction {
    fn of_client(session_key: &[u8; 16], exchanged: bool, sequence: u32) -> Self {
        let (signing, sealing) = (
            b"session key to client-to-server signing key magic constant\0",
            b"session key to client-to-server sealing key magic constant\0",
        );
        Self::new(session_key, signing, sealing, exchanged, sequence)
    }

    fn of_host(session_key: &[u8; 16], exchanged: bool, sequence: u32) -> Self {
        let (signing, sealing) = (
            b"session key to server-to-client signing key magic constant\0",
            b"session key to server-to-client sealing key magic constant\0",
        );
        Self::new(session_key, signing, sealing, exchanged, sequence)
    }

    fn new(session_key: &[u8; 16], signing: &[u8], sealing: &[u8], exchanged: bool, sequence: u32) -> Self {
        let derived = |magic: &[u8]| -> Zeroizing<[u8; 16]> {
            let mut digest = Md5::new().chain_update(session_key).chain_update(magic).finalize();
            let key = Zeroizing::new(digest.into());
            digest.zeroize();
            key
        };
        // A key of 16 bytes is shorter than a block of MD5, so it is padded.
        let mut block = Zeroizing::new(Key::<Hmac<Md5>>::default());
        block[..16].copy_from_slice(&*derived(signing));
        Self { mac: Hmac::new(&block), stream: Rc4::new(&derived(sealing)), exchanged, sequence }
    }

    fn seal(&mut self, message: &mut [u8]) -> [u8; SIGNATURE_BYTES] {
        let mut mac = self.mac.clone();
        mac.update(&self.sequence.to_le_bytes());
        for piece in message.chunks_mut(PIECE) {
            mac.update(piece);
            self.stream.apply(piece);
        }
        self.signature(mac)
    }

    fn open(&mut self, signature: &[u8], message: &mut [u8]) -> bool {
        let mut mac = self.mac.clone();
        mac.update(&self.sequence.to_le_bytes());
        for piece in message.chunks_mut(PIECE) {
            self.stream.apply(piece);
            mac.update(piece);
        }
        self.signature(mac).ct_eq(signature).into()
    }

    /// The signature of the message that `mac` has seen, which is the next one of this direction.
    fn signature(&mut self, mac: Hmac<Md5>) -> [u8; SIGNATURE_BYTES] {
        let digest = mac.finalize().into_bytes();
        let mut signature = [0; SIGNATURE_BYTES];
        let (version, rest) = signature.split_at_mut(4);
        let (checksum, sequence) = rest.split_at_mut(8);
        version.copy_from_slice(&VERSION);
        checksum.copy_from_slice(&digest[..8]);
        if self.exchanged {
            self.stream.apply(checksum);
        }
        sequence.copy_from_slice(&self.sequence.to_le_bytes());
        self.sequence = self.sequence.wrapping_add(1);
        signature
    }
}

fn sequence_of(signature: &[u8; SIGNATURE_BYTES]) -> u32 {
    let [.., a, b, c, d] = *signature;
    u32::from_le_bytes([a, b, c, d])
}

#[cfg(test)]
mod tests {
    use super::{Direction, Ntlm, SIGNATURE_BYTES};

    const KEY: [u8; 16] = [0x55; 16];

    fn pair(exchanged: bool) -> (Ntlm, Ntlm) {
        let client = || Direction::of_client(&KEY, exchanged, 0);
        let host = || Direction::of_host(&KEY, exchanged, 0);
        (Ntlm { outbound: client(), inbound: host() }, Ntlm { outbound: host(), inbound: client() })
    }

    #[test]
    fn the_published_message_is_sealed_as_published() {
        // MS-NLMP 4.2.4.4: "Plaintext" in UTF-16, the first message under the exported session key of 4.2.1.
        let mut message: Vec<u8> = "Plaintext".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let signature = pair(true).0.seal(&mut message);
        let sealed = [
            0x54, 0xe5, 0x01, 0x65, 0xbf, 0x19, 0x36, 0xdc, 0x99, 0x60, 0x20, 0xc1, 0x81, 0x1b, 0x0f, 0x06,
            0xfb, 0x5f,
        ];
        assert_eq!(message, sealed);
        let published = [0x01, 0, 0, 0, 0x7f, 0xb3, 0x8e, 0xc5, 0xc5, 0x5d, 0x49, 0x76, 0, 0, 0, 0];
        assert_eq!(signature, published);
    }

    #[test]
    fn without_a_key_exchange_the_checksum_is_not_sealed() {
        // The same message: MS-NLMP 4.2.4.4 shows its checksum before it is sealed.
        let mut message: Vec<u8> = "Plaintext".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let signature = pair(false).0.seal(&mut message);
        assert_eq!(signature[4..12], [0x70, 0x35, 0x28, 0x51, 0xf2, 0x56, 0x43, 0x09]);
    }

    #[test]
    fn what_one_side_seals_the_other_opens_in_order() {
        for exchanged in [true, false] {
            let (mut client, mut host) = pair(exchanged);
            for length in [0, 1, 17, 5000, 70_000] {
                let plain = vec![b'x'; length];
                let mut message = plain.clone();
                let signature = client.seal(&mut message);
                assert!(length < 16 || message != plain);
                assert!(host.open(&signature, &mut message));
                assert_eq!(message, plain);
                let signature = host.seal(&mut message);
                assert!(client.open(&signature, &mut message));
            }
        }
    }

    #[test]
    fn what_was_changed_repeated_or_left_out_does_not_open() {
        let sealed = |client: &mut Ntlm| -> ([u8; SIGNATURE_BYTES], [u8; 3]) {
            let mut message = *b"abc";
            (client.seal(&mut message), message)
        };
        let (mut client, mut host) = pair(true);
        let (signature, message) = sealed(&mut client);
        assert!(!pair(true).1.open(&signature, &mut [message[0], message[1], message[2] ^ 1]));
        assert!(!pair(true).1.open(&signature[..12], &mut message.clone()), "a signature that is cut");
        assert!(host.open(&signature, &mut message.clone()));
        assert!(!host.open(&signature, &mut message.clone()), "the same once more");
        let (mut client, mut host) = pair(true);
        sealed(&mut client);
        let (signature, mut message) = sealed(&mut client);
        assert!(!host.open(&signature, &mut message), "the second one first");
    }
}

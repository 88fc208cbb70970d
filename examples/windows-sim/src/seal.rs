//! The frame of MS-WSMV §2.2.9.1 that carries a sealed envelope, byte for byte as Windows writes it.

use crate::ntlm::Security;

/// The `Content-Type` of a sealed body.
pub(crate) const CONTENT_TYPE: &str = "multipart/encrypted;protocol=\"application/HTTP-SPNEGO-session-encrypted\";boundary=\"Encrypted Boundary\"";

const BEFORE_LENGTH: &str = "--Encrypted Boundary\r\n\
    \tContent-Type: application/HTTP-SPNEGO-session-encrypted\r\n\
    \tOriginalContent: type=application/soap+xml;charset=UTF-8;Length=";
const AFTER_LENGTH: &str = "\r\n--Encrypted Boundary\r\n\tContent-Type: application/octet-stream\r\n";
const END: &str = "--Encrypted Boundary--\r\n";
const SIGNATURE_BYTES: usize = 16;

/// What the frame adds to an envelope at most.
pub(crate) const OVERHEAD_BYTES_MAX: usize = 512;

/// Seals an envelope into a frame.
pub(crate) fn seal(security: &mut Security, envelope: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(envelope.len() + OVERHEAD_BYTES_MAX);
    frame.extend_from_slice(BEFORE_LENGTH.as_bytes());
    frame.extend_from_slice(envelope.len().to_string().as_bytes());
    frame.extend_from_slice(AFTER_LENGTH.as_bytes());
    frame.extend_from_slice(&(SIGNATURE_BYTES as u32).to_le_bytes());
    let signature_at = frame.len();
    frame.extend_from_slice(&[0; SIGNATURE_BYTES]);
    frame.extend_from_slice(envelope);
    // The envelope is sealed where it lies: it may be large.
    let (signature, data) = frame[signature_at..].split_at_mut(SIGNATURE_BYTES);
    signature.copy_from_slice(&security.outbound.seal(data));
    frame.extend_from_slice(END.as_bytes());
    frame
}

/// Changes a frame's signature, so that it no longer fits.
pub(crate) fn spoil(frame: &mut [u8]) {
    let head = frame.windows(AFTER_LENGTH.len()).position(|window| window == AFTER_LENGTH.as_bytes());
    // After the frame's head come the length of the signature and its version; the checksum begins there.
    let checksum_at = head.map(|at| at + AFTER_LENGTH.len() + 8);
    if let Some(byte) = checksum_at.and_then(|at| frame.get_mut(at)) {
        *byte ^= 0xff;
    }
}

/// Opens a frame where it lies: the envelope in it. `None` when a byte of it is not as it must be.
pub(crate) fn open<'a>(security: &mut Security, frame: &'a mut [u8]) -> Option<&'a [u8]> {
    let rest = frame.strip_prefix(BEFORE_LENGTH.as_bytes())?;
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let length: usize = std::str::from_utf8(&rest[..digits]).ok()?.parse().ok()?;
    let rest = rest[digits..].strip_prefix(AFTER_LENGTH.as_bytes())?;
    let rest = rest.strip_prefix(&(SIGNATURE_BYTES as u32).to_le_bytes())?;
    let (signature, rest) = rest.split_at_checked(SIGNATURE_BYTES)?;
    let data = rest.strip_suffix(END.as_bytes())?;
    if data.len() != length || !security.sealing {
        return None;
    }
    let signature: [u8; SIGNATURE_BYTES] = signature.try_into().ok()?;
    let start = frame.len() - END.len() - length;
    let data = &mut frame[start..][..length];
    security.inbound.unseal(&signature, data).ok()?;
    Some(data)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    /// A server's security and a client's, which is the same with the directions changed over.
    fn pair() -> (Security, Security) {
        let server = Security::new(0x4000_0030, &[5; 16]);
        let mut client = Security::new(0x4000_0030, &[5; 16]);
        std::mem::swap(&mut client.inbound, &mut client.outbound);
        (server, client)
    }

    #[test]
    fn the_frame_is_written_byte_for_byte_and_opens_again() {
        let (mut server, mut client) = pair();
        for text in [&b"<one/>"[..], b"<two/>", b""] {
            let frame = seal(&mut server, text);
            let head = format!("{BEFORE_LENGTH}{}{AFTER_LENGTH}\x10\0\0\0\x01\0\0\0", text.len());
            assert!(frame.starts_with(head.as_bytes()));
            assert!(frame.ends_with(b"--Encrypted Boundary--\r\n"));
            assert_eq!(open(&mut client, &mut frame.clone()).unwrap(), text);
        }
    }

    #[test]
    fn one_changed_byte_anywhere_is_refused() {
        let (_, mut client) = pair();
        let frame = seal(&mut client, b"<envelope/>");
        for at in 0..frame.len() {
            let mut changed = frame.clone();
            changed[at] ^= 0x40;
            assert!(open(&mut pair().0, &mut changed).is_none(), "byte {at}");
        }
        assert!(open(&mut pair().0, &mut frame.clone()).is_some());
    }

    #[test]
    fn a_spoiled_frame_is_refused() {
        let (mut server, mut client) = pair();
        let mut frame = seal(&mut server, b"<envelope/>");
        spoil(&mut frame);
        assert!(open(&mut client, &mut frame.clone()).is_none());
    }

    #[test]
    fn a_message_cannot_be_played_twice() {
        let (mut server, mut client) = pair();
        let frame = seal(&mut client, b"<envelope/>");
        assert!(open(&mut server, &mut frame.clone()).is_some());
        assert!(open(&mut server, &mut frame.clone()).is_none());
    }
}

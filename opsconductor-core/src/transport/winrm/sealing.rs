//! The frame that carries a sealed message over plain HTTP (MS-WSMV 2.2.9.1), pure.

use bytes::{BufMut as _, Bytes, BytesMut};

/// What seals the messages, which a frame names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    /// NTLM, inside SPNEGO or not.
    Spnego,
    #[cfg(feature = "kerberos")]
    Kerberos,
}

impl Protocol {
    /// The length of a signature: NTLM's own, or what RFC 4121 puts before the data when an AES key with SHA-1 seals it
    /// (header, confounder, the header sealed, checksum).
    pub(super) const fn signature_bytes(self) -> usize {
        match self {
            Self::Spnego => 16,
            #[cfg(feature = "kerberos")]
            Self::Kerberos => 60,
        }
    }

    /// The content type of a sealed request.
    pub(super) const fn content_type(self) -> &'static str {
        match self {
            Self::Spnego => {
                "multipart/encrypted;protocol=\"application/HTTP-SPNEGO-session-encrypted\";boundary=\"Encrypted Boundary\""
            }
            #[cfg(feature = "kerberos")]
            Self::Kerberos => {
                "multipart/encrypted;protocol=\"application/HTTP-Kerberos-session-encrypted\";boundary=\"Encrypted Boundary\""
            }
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Spnego => "SPNEGO",
            #[cfg(feature = "kerberos")]
            Self::Kerberos => "Kerberos",
        }
    }
}

const BOUNDARY: &[u8] = b"--Encrypted Boundary\r\n";
const END: &[u8] = b"--Encrypted Boundary--\r\n";
const OCTETS: &[u8] = b"\tContent-Type: application/octet-stream\r\n";

/// Why a frame does not open.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum FrameError {
    #[error("the sealed answer is not framed as it should be")]
    Frame,
    #[error("the sealed answer gives a length that its content does not have")]
    Length,
}

/// Frames a sealed message; `plain_len` is the length that it had before.
pub(super) fn encode(protocol: Protocol, plain_len: usize, signature: &[u8], sealed: &[u8]) -> Bytes {
    let header = format!(
        "\tContent-Type: application/HTTP-{}-session-encrypted\r\n\
         \tOriginalContent: type=application/soap+xml;charset=UTF-8;Length={plain_len}\r\n",
        protocol.name(),
    );
    let mut out = BytesMut::with_capacity(sealed.len() + signature.len() + 256);
    out.put_slice(BOUNDARY);
    out.put_slice(header.as_bytes());
    out.put_slice(BOUNDARY);
    out.put_slice(OCTETS);
    // A signature has 60 bytes at most, so the cast cannot lose anything.
    out.put_u32_le(signature.len() as u32);
    out.put_slice(signature);
    out.put_slice(sealed);
    // No line break stands before the last boundary: the content ends where it ends.
    out.put_slice(END);
    out.freeze()
}

/// A frame taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Frame<'a> {
    pub(super) signature: &'a [u8],
    pub(super) sealed: &'a [u8],
}

/// Takes a frame apart. Hosts indent and capitalize differently, so headers are read, not compared.
pub(super) fn decode(protocol: Protocol, body: &[u8]) -> Result<Frame<'_>, FrameError> {
    let rest = body.strip_prefix(BOUNDARY).ok_or(FrameError::Frame)?;
    let middle = find(rest, BOUNDARY).ok_or(FrameError::Frame)?;
    let length = original_length(&rest[..middle]).ok_or(FrameError::Frame)?;
    let rest = &rest[middle + BOUNDARY.len()..];
    // The content is binary, so its header is exactly one line.
    let line_end = find(rest, b"\r\n").ok_or(FrameError::Frame)?;
    let content = &rest[line_end + 2..];
    let content = content
        .strip_suffix(END)
        .or_else(|| content.strip_suffix(b"--Encrypted Boundary--"))
        .ok_or(FrameError::Frame)?;
    let (size, content) = content.split_first_chunk::<4>().ok_or(FrameError::Frame)?;
    let size = u32::from_le_bytes(*size) as usize;
    if size > content.len() || size != protocol.signature_bytes() {
        return Err(FrameError::Frame);
    }
    let (signature, sealed) = content.split_at(size);
    if sealed.len() != length {
        return Err(FrameError::Length);
    }
    Ok(Frame { signature, sealed })
}

fn original_length(header: &[u8]) -> Option<usize> {
    let header = std::str::from_utf8(header).ok()?.to_ascii_lowercase();
    let line = header.lines().find(|line| line.trim_start().starts_with("originalcontent:"))?;
    let length = line.split(';').find_map(|part| part.trim().strip_prefix("length="))?;
    length.trim().parse().ok()
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::{FrameError, Protocol::Spnego, decode, encode};

    #[test]
    fn a_frame_is_what_the_protocol_says_byte_for_byte() {
        let frame = encode(Spnego, 3, &[7; 16], b"abc");
        let mut expected = b"--Encrypted Boundary\r\n\
            \tContent-Type: application/HTTP-SPNEGO-session-encrypted\r\n\
            \tOriginalContent: type=application/soap+xml;charset=UTF-8;Length=3\r\n\
            --Encrypted Boundary\r\n\tContent-Type: application/octet-stream\r\n\x10\0\0\0"
            .to_vec();
        expected.extend_from_slice(&[7; 16]);
        expected.extend_from_slice(b"abc--Encrypted Boundary--\r\n");
        assert_eq!(frame, expected);
    }

    #[test]
    fn a_frame_opens_again_even_when_its_content_looks_like_a_boundary() {
        let content = b"x--Encrypted Boundary\r\n--Encrypted Boundary--\r\ny";
        let frame = encode(Spnego, content.len(), &[1; 16], content);
        let opened = decode(Spnego, &frame).unwrap();
        assert_eq!((opened.signature, opened.sealed), (&[1; 16][..], &content[..]));
    }

    #[test]
    fn other_spellings_of_the_headers_open() {
        let frame = b"--Encrypted Boundary\r\nContent-Type: application/HTTP-SPNEGO-session-encrypted\r\n\
            OriginalContent: type=application/soap+xml;charset=UTF-8;length=1\r\n--Encrypted Boundary\r\n\
            Content-Type: application/octet-stream\r\n\x10\0\0\0aaaaaaaaaaaaaaaab--Encrypted Boundary--\r\n";
        assert_eq!(decode(Spnego, frame).unwrap().sealed, b"b");
    }

    #[test]
    fn broken_frames_are_errors() {
        let good = encode(Spnego, 3, &[0; 16], b"abc");
        assert_eq!(decode(Spnego, b""), Err(FrameError::Frame));
        assert_eq!(decode(Spnego, &good[..good.len() - 5]), Err(FrameError::Frame));
        assert_eq!(decode(Spnego, &encode(Spnego, 4, &[0; 16], b"abc")), Err(FrameError::Length));
        assert_eq!(decode(Spnego, &encode(Spnego, 3, &[0; 12], b"abc")), Err(FrameError::Frame));
    }
}

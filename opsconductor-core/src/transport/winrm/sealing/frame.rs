//! The frame that carries a sealed message over plain HTTP (MS-WSMV 2.2.9.1), pure.

use bytes::{Buf as _, Bytes, BytesMut};

use super::Protocol;

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

    /// The headers of the first part, up to the length of the message.
    const fn header(self) -> &'static [u8] {
        match self {
            Self::Spnego => {
                b"\tContent-Type: application/HTTP-SPNEGO-session-encrypted\r\n\
                  \tOriginalContent: type=application/soap+xml;charset=UTF-8;Length="
            }
            #[cfg(feature = "kerberos")]
            Self::Kerberos => {
                b"\tContent-Type: application/HTTP-Kerberos-session-encrypted\r\n\
                  \tOriginalContent: type=application/soap+xml;charset=UTF-8;Length="
            }
        }
    }
}

const BOUNDARY: &[u8] = b"--Encrypted Boundary\r\n";
const END: &[u8] = b"--Encrypted Boundary--\r\n";
const OCTETS: &[u8] = b"\tContent-Type: application/octet-stream\r\n";

/// Why a frame does not open.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(in super::super) enum FrameError {
    #[error("the sealed answer is not framed as it should be")]
    Frame,
    #[error("the sealed answer gives a length that its content does not have")]
    Length,
}

/// Room for all that stands before the message: the head below, the length's digits and a signature of 60 bytes.
const HEAD_BYTES_MAX: usize = 384;

/// Empties `out` and leaves room for what comes before the message, which is appended next.
pub(super) fn begin(out: &mut BytesMut) {
    out.clear();
    out.resize(HEAD_BYTES_MAX, 0);
}

/// The place for the signature, and the message that was appended.
pub(super) fn parts(protocol: Protocol, out: &mut BytesMut) -> (&mut [u8], &mut [u8]) {
    let (head, message) = out.split_at_mut(HEAD_BYTES_MAX);
    (&mut head[HEAD_BYTES_MAX - protocol.signature_bytes()..], message)
}

/// Puts the frame around a message that is sealed and signed, and takes it out.
pub(super) fn end(protocol: Protocol, out: &mut BytesMut) -> Bytes {
    let length = (out.len() - HEAD_BYTES_MAX).to_string();
    // A signature has 60 bytes at most, so the cast cannot lose anything.
    let size = (protocol.signature_bytes() as u32).to_le_bytes();
    let pieces = [size.as_slice(), OCTETS, BOUNDARY, b"\r\n", length.as_bytes(), protocol.header(), BOUNDARY];
    // From the signature backwards: how long the length is shows only now.
    let mut at = HEAD_BYTES_MAX - protocol.signature_bytes();
    for piece in pieces {
        let end = at;
        at -= piece.len();
        out[at..end].copy_from_slice(piece);
    }
    out.advance(at);
    // No line break stands before the last boundary: the content ends where it ends.
    out.extend_from_slice(END);
    out.split().freeze()
}

/// A frame taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Frame<'a> {
    pub(super) signature: &'a [u8],
    pub(super) sealed: &'a [u8],
}

/// Takes a frame apart. Hosts indent and capitalize differently, so headers are read, not compared.
pub(super) fn decode(protocol: Protocol, body: &[u8]) -> Result<Frame<'_>, FrameError> {
    let mut rest = body.strip_prefix(BOUNDARY).ok_or(FrameError::Frame)?;
    let mut length = None;
    loop {
        let (line, after) = line(rest).ok_or(FrameError::Frame)?;
        rest = after;
        if line == BOUNDARY {
            break;
        }
        length = length.or_else(|| original_length(line));
    }
    let length = length.ok_or(FrameError::Frame)?;
    // The content is binary, so its header is exactly one line.
    let (_, content) = line(rest).ok_or(FrameError::Frame)?;
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

/// The first line with its end, and what comes after it.
fn line(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut from = 0;
    loop {
        from += text[from..].iter().position(|byte| *byte == b'\n')? + 1;
        if text[..from].ends_with(b"\r\n") {
            return Some(text.split_at(from));
        }
    }
}

/// The length that the header `OriginalContent` gives; `None` of another line.
fn original_length(line: &[u8]) -> Option<usize> {
    let line = std::str::from_utf8(line).ok()?.trim();
    let value = after_prefix(line, "originalcontent:")?;
    value.split(';').find_map(|part| after_prefix(part.trim(), "length="))?.trim().parse().ok()
}

/// What comes after `prefix`, whatever its capitals.
fn after_prefix<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (start, rest) = text.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(rest)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use bytes::{Bytes, BytesMut};

    use super::{
        super::Protocol::{self, Spnego},
        FrameError, begin, decode, end, parts,
    };

    /// The frame of a message that is sealed already.
    fn encode(protocol: Protocol, signature: [u8; 16], sealed: &[u8]) -> Bytes {
        let mut out = BytesMut::new();
        begin(&mut out);
        out.extend_from_slice(sealed);
        parts(protocol, &mut out).0.copy_from_slice(&signature);
        end(protocol, &mut out)
    }

    #[test]
    fn a_frame_is_what_the_protocol_says_byte_for_byte() {
        let frame = encode(Spnego, [7; 16], b"abc");
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
        let frame = encode(Spnego, [1; 16], content);
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
        let good = encode(Spnego, [0; 16], b"abc");
        assert_eq!(decode(Spnego, b""), Err(FrameError::Frame));
        assert_eq!(decode(Spnego, &good[..good.len() - 5]), Err(FrameError::Frame));
        let changed = |from: &str, to: &str| {
            let text: String = good.iter().copied().map(char::from).collect();
            text.replacen(from, to, 1).into_bytes()
        };
        assert_eq!(decode(Spnego, &changed("Length=3", "Length=4")), Err(FrameError::Length));
        assert_eq!(decode(Spnego, &changed("Length=3", "Length=x")), Err(FrameError::Frame));
        assert_eq!(decode(Spnego, &changed("\x10\0\0\0", "\x0c\0\0\0")), Err(FrameError::Frame));
    }
}

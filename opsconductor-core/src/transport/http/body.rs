//! From the bytes of a body to its text: unpacked, in UTF-8, and no more of it than is wanted.

use std::io::Write as _;

use encoding_rs::{Decoder, Encoding, UTF_8};
use flate2::write::MultiGzDecoder;
use hyper::{HeaderMap, header};

use crate::{Error, Result, error::Layer};

/// How much is unpacked at a time: at most a thousand times as much comes out.
const SLICE_BYTES: usize = 1024;

/// The text of a body as it comes.
pub(super) struct BodyText {
    gzip: Option<MultiGzDecoder<Vec<u8>>>,
    charset: Decoder,
    left: u64,
    given: u64,
    has_begun: bool,
    is_cut: bool,
}

impl BodyText {
    /// For an answer with `headers`, of whose text `max` bytes are wanted.
    pub(super) fn new(headers: &HeaderMap, max: u64) -> Result<Self> {
        Ok(Self {
            gzip: is_packed(headers)?.then(|| MultiGzDecoder::new(Vec::new())),
            charset: charset(headers).new_decoder(),
            left: max,
            given: 0,
            has_begun: false,
            is_cut: false,
        })
    }

    /// Takes bytes and appends the text that they make to `text`. After it [is cut](Self::is_cut) nothing is taken.
    pub(super) fn push(&mut self, bytes: &[u8], text: &mut String) -> Result<()> {
        self.has_begun |= !bytes.is_empty();
        for slice in bytes.chunks(SLICE_BYTES) {
            if self.is_cut {
                break;
            }
            match &mut self.gzip {
                None => self.decode(slice, false, text),
                Some(gzip) => {
                    gzip.write_all(slice).and_then(|()| gzip.flush()).map_err(broken)?;
                    let plain = std::mem::take(gzip.get_mut());
                    self.decode(&plain, false, text);
                }
            }
        }
        Ok(())
    }

    /// The rest, when the body has ended.
    pub(super) fn finish(&mut self, text: &mut String) -> Result<()> {
        if self.is_cut {
            return Ok(());
        }
        let mut rest = Vec::new();
        if let Some(gzip) = self.gzip.as_mut().filter(|_| self.has_begun) {
            gzip.try_finish().map_err(broken)?;
            rest = std::mem::take(gzip.get_mut());
        }
        self.decode(&rest, true, text);
        Ok(())
    }

    /// Whether there is more text than was wanted.
    pub(super) fn is_cut(&self) -> bool {
        self.is_cut
    }

    /// How many bytes of text there were.
    pub(super) fn given(&self) -> u64 {
        self.given
    }

    fn decode(&mut self, bytes: &[u8], last: bool, text: &mut String) {
        let began = text.len();
        // The room is for the worst case, so that one call takes it all.
        text.reserve(self.charset.max_utf8_buffer_length(bytes.len()).unwrap_or(4 * bytes.len() + 16));
        let _ = self.charset.decode_to_string(bytes, text, last);
        let length = (text.len() - began) as u64;
        if length > self.left {
            let keep = began + usize::try_from(self.left).unwrap_or(usize::MAX - began);
            text.truncate(text.floor_char_boundary(keep));
            self.is_cut = true;
        }
        let kept = (text.len() - began) as u64;
        self.left -= kept.min(self.left);
        self.given += kept;
    }
}

/// Whether a body is packed with gzip, the only packing that was asked for.
fn is_packed(headers: &HeaderMap) -> Result<bool> {
    let mut packed = false;
    for value in headers.get_all(header::CONTENT_ENCODING) {
        for coding in value.to_str().unwrap_or("?").split(',').map(str::trim) {
            match coding.to_ascii_lowercase().as_str() {
                "" | "identity" => {}
                "gzip" | "x-gzip" if !packed => packed = true,
                _ => {
                    let message = "the answer is packed in a way that was not asked for";
                    return Err(Error::transport(Layer::Protocol, message)
                        .with("contentEncoding", coding.chars().take(40).collect::<String>()));
                }
            }
        }
    }
    Ok(packed)
}

/// The charset of a body: what its type says, or UTF-8. A byte order mark has the last word.
fn charset(headers: &HeaderMap) -> &'static Encoding {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let parameters = content_type.unwrap_or_default().split(';').skip(1);
    let named = parameters.filter_map(|parameter| parameter.split_once('=')).find_map(|(name, value)| {
        let is_charset = name.trim().eq_ignore_ascii_case("charset");
        is_charset.then(|| value.trim().trim_matches('"'))
    });
    named.and_then(|label| Encoding::for_label(label.as_bytes())).unwrap_or(UTF_8)
}

fn broken(error: std::io::Error) -> Error {
    Error::transport(Layer::Protocol, "the answer says that it is packed with gzip, and is not")
        .with_source(error)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use std::io::Write as _;

    use flate2::{Compression, write::GzEncoder};
    use hyper::{HeaderMap, header::HeaderName};

    use super::BodyText;

    fn read(headers: &[(&str, &str)], body: &[u8], max: u64, piece: usize) -> crate::Result<(String, bool)> {
        let headers: HeaderMap = headers
            .iter()
            .map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap()))
            .collect();
        let mut decoder = BodyText::new(&headers, max)?;
        let mut text = String::new();
        for piece in body.chunks(piece) {
            decoder.push(piece, &mut text)?;
        }
        decoder.finish(&mut text)?;
        assert_eq!(decoder.given(), text.len() as u64);
        Ok((text, decoder.is_cut()))
    }

    fn pack(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn text_is_unpacked_and_read_in_its_charset_however_it_is_split() {
        let text = "größe €100 🙂";
        for piece in [1, 2, 3, 1000] {
            let plain =
                |body: &[u8], kind: &str| read(&[("content-type", kind)], body, 1000, piece).unwrap().0;
            assert_eq!(plain(text.as_bytes(), "text/plain"), text);
            assert_eq!(plain(b"gr\xF6\xDFe", "text/plain; charset=ISO-8859-1"), "größe");
            assert_eq!(plain(b"\xFF\xFEa\0\xFC\0", "text/plain; charset=\"utf-8\""), "aü", "a mark");
            assert_eq!(plain(b"\xEF\xBB\xBF{}", "application/json"), "{}");
            assert_eq!(plain(b"a\xFFb", "text/plain; charset=x-none"), "a\u{FFFD}b");
            let packed = pack(text.as_bytes());
            assert_eq!(read(&[("content-encoding", "GZIP")], &packed, 1000, piece).unwrap().0, text);
        }
    }

    #[test]
    fn no_more_is_read_than_is_wanted() {
        assert_eq!(read(&[], b"abcdef", 6, 4).unwrap(), ("abcdef".to_owned(), false));
        assert_eq!(read(&[], b"abcdefg", 6, 4).unwrap(), ("abcdef".to_owned(), true));
        assert_eq!(read(&[], "aüb".as_bytes(), 2, 9).unwrap(), ("a".to_owned(), true));
        let bomb = pack(&vec![b'x'; 64 << 20]);
        let (text, is_cut) = read(&[("content-encoding", "gzip")], &bomb, 5000, 16 * 1024).unwrap();
        assert!(is_cut && text.len() == 5000);
    }

    #[test]
    fn a_packing_that_is_broken_or_unknown_is_an_error() {
        let gzip = [("content-encoding", "gzip")];
        let packed = pack(b"hello hello hello");
        assert!(read(&gzip, b"plain text", 1000, 9).is_err());
        assert!(read(&gzip, &packed[..packed.len() - 3], 1000, 9).is_err(), "cut short");
        assert!(read(&[("content-encoding", "br")], b"x", 1000, 9).is_err());
        assert!(read(&[("content-encoding", "gzip, gzip")], &packed, 1000, 9).is_err());
        assert_eq!(read(&gzip, b"", 1000, 9).unwrap().0, "", "an answer to HEAD has no body");
    }
}

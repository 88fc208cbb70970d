//! Finding the way back into a document after a gap.
//!
//! The text of a document holds no line ends (PowerShell writes them as `_x000D__x000A_`), and every record of it has the
//! name of its stream as its first attribute. So a line end means that plain text was under way, and the first tag says
//! what stands before it.

use super::{Decoder, HEADER, Message, State};

/// Whatever shows nothing for so long is plain text.
const LOST_BYTES_MAX: usize = 64 * 1024;

/// The elements in which PowerShell writes objects, as far as they may stand inside a record.
const INNER: &[&str] = &[
    "MS", "TN", "T", "TNRef", "Props", "LST", "IE", "DCT", "STK", "QUE", "En", "PR", "AV", "AI", "Nil", "PI",
    "PC", "SR", "SD", "B", "C", "I16", "I32", "I64", "U16", "U32", "U64", "By", "SB", "Sg", "Db", "D", "DT",
    "TS", "BA", "G", "URI", "Version", "XD", "SBK", "SS", "Ref", "ToString", "Obj",
];

impl Decoder {
    /// The input has a gap here: what was under way is given up, and what comes next may begin anywhere.
    pub(in super::super) fn resync(&mut self) {
        *self = Self { state: State::Lost, ..Self::default() };
    }

    /// Holds everything back until it shows what it is.
    pub(super) fn lost(&mut self, byte: u8, out: &mut Vec<u8>) {
        self.held.push(byte);
        if self.held == HEADER {
            self.held.clear();
            self.state = State::Document;
        } else if byte == b'\n' {
            let line = std::mem::take(&mut self.held);
            let text = line.trim_ascii_end();
            if text.len() >= 4 && HEADER.ends_with(text) {
                self.state = State::Document;
            } else {
                out.extend_from_slice(&line);
            }
        } else if byte == b'>' {
            self.orient(out);
        } else if self.held.len() >= LOST_BYTES_MAX {
            out.append(&mut self.held);
        }
    }

    /// A tag may have ended just now; it says what stands before it.
    fn orient(&mut self, out: &mut Vec<u8>) {
        let Some(at) = self.held.iter().rposition(|byte| *byte == b'<') else {
            // The rest of a tag that was cut.
            if self.held.ends_with(b"\">") || self.held.ends_with(b"/>") {
                self.held.clear();
            }
            return;
        };
        let tag = String::from_utf8_lossy(&self.held[at..]).into_owned();
        let inner = tag.trim_start_matches('<').trim_end_matches('>');
        let name = inner.trim_start_matches('/').split([' ', '/']).next().unwrap_or_default();
        if begins_record(inner) || name == "Objs" {
            out.extend_from_slice(&self.held[..at]);
        } else if name == "S" && inner.starts_with('/') {
            // The end of a message, so the text before it is the message's.
            let text = std::mem::take(&mut self.held);
            self.state = State::Document;
            self.message = Some(Message { ends_line: true, last: 0 });
            for byte in &text[..at] {
                self.take(*byte, out);
            }
            self.release(out);
        } else if name == "S" || INNER.contains(&name) {
            (self.adrift, self.objects) = (true, 1);
        } else {
            return;
        }
        self.held.clear();
        self.state = State::Document;
        self.act(&tag, out);
    }
}

/// Whether this tag begins a record of a stream, and not a part of an object.
pub(super) fn begins_record(inner: &str) -> bool {
    inner.starts_with("S S=") || inner.starts_with("Obj S=")
}

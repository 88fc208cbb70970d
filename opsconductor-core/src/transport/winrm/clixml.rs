//! PowerShell's standard error: CLIXML made into text again, as it comes.
//!
//! PowerShell wraps errors, warnings and progress into `#< CLIXML` documents, in pieces split anywhere, with whatever
//! native programs write (in any code page) before, between and inside them. The decoder works on bytes, holds back
//! no more than a tag or an escape, and passes on what it does not understand.

mod resync;

/// Longer than any tag or escape that PowerShell writes; what is longer is text.
const TAG_BYTES_MAX: usize = 4096;
const ESCAPE_BYTES_MAX: usize = 12;

const HEADER: &[u8] = b"#< CLIXML";

/// Decodes one stream.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    state: State,
    /// The start of something that is not complete yet.
    held: Vec<u8>,
    /// How many `Obj` elements are open; what is inside is progress or a record for machines.
    objects: usize,
    /// Inside an `Obj`, how deep is not known.
    adrift: bool,
    /// Inside an `S` element: the stream it belongs to.
    message: Option<Message>,
    /// The first half of a UTF-16 surrogate pair.
    high: Option<u16>,
}

#[derive(Debug, Default, PartialEq)]
enum State {
    /// At the start of a line of plain text, where a header may stand.
    #[default]
    LineStart,
    /// Inside a line of plain text.
    Line,
    /// After a header, or inside its document.
    Document,
    /// Inside a tag.
    Tag,
    /// Somewhere: the input was cut into.
    Lost,
}

#[derive(Debug)]
struct Message {
    /// Whether the text lacks a line end that people expect.
    ends_line: bool,
    last: u8,
}

impl Decoder {
    /// Takes a piece and gives the text that is certain by now.
    pub(super) fn push(&mut self, piece: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(piece.len());
        for byte in piece {
            self.take(*byte, &mut out);
        }
        out
    }

    /// Ends the stream and gives what was held back.
    pub(super) fn finish(&mut self) -> Vec<u8> {
        let held = std::mem::take(&mut self.held);
        let silent = self.objects > 0 || held == HEADER;
        self.state = State::LineStart;
        if silent { Vec::new() } else { held }
    }

    fn take(&mut self, byte: u8, out: &mut Vec<u8>) {
        match self.state {
            State::LineStart => self.line_start(byte, out),
            State::Line => {
                out.push(byte);
                if byte == b'\n' {
                    self.state = State::LineStart;
                }
            }
            State::Document => self.document(byte, out),
            State::Tag => self.tag(byte, out),
            State::Lost => self.lost(byte, out),
        }
    }

    fn line_start(&mut self, byte: u8, out: &mut Vec<u8>) {
        self.held.push(byte);
        if HEADER.starts_with(&self.held) {
            if self.held.len() == HEADER.len() {
                self.held.clear();
                self.state = State::Document;
            }
            return;
        }
        self.state = State::Line;
        for byte in std::mem::take(&mut self.held) {
            out.push(byte);
            if byte == b'\n' {
                self.state = State::LineStart;
            }
        }
    }

    fn document(&mut self, byte: u8, out: &mut Vec<u8>) {
        if self.message.is_some() {
            return self.text(byte, out);
        }
        match byte {
            b'<' => {
                self.held.push(byte);
                self.state = State::Tag;
            }
            // Between elements only line ends are PowerShell's own; the rest is a native program's.
            b'\r' | b'\n' => {}
            _ if self.objects > 0 => {}
            _ => out.push(byte),
        }
    }

    /// Text of a message: entities, then PowerShell's own `_xHHHH_` escapes.
    fn text(&mut self, byte: u8, out: &mut Vec<u8>) {
        if self.held.is_empty() {
            match byte {
                b'<' => {
                    self.held.push(byte);
                    self.state = State::Tag;
                }
                b'&' | b'_' => self.held.push(byte),
                _ => self.emit(&[byte], out),
            }
            return;
        }
        // An escape is under way.
        if byte == b'<' || (byte == b'&' && self.held[0] == b'&') {
            self.release(out);
            return self.text(byte, out);
        }
        self.held.push(byte);
        let complete = match self.held[0] {
            b'&' => byte == b';',
            _ => self.held.len() == 7,
        };
        let hopeless = match self.held[0] {
            b'&' => self.held.len() > ESCAPE_BYTES_MAX,
            _ => !may_be_escape(&self.held),
        };
        if hopeless {
            // The byte that ruined it may begin the next escape.
            self.held.pop();
            self.release(out);
            self.text(byte, out);
        } else if complete {
            self.unescape(out);
        }
    }

    fn unescape(&mut self, out: &mut Vec<u8>) {
        let held = std::mem::take(&mut self.held);
        let escape = String::from_utf8_lossy(&held);
        let unit = match escape.as_ref() {
            "&lt;" => u32::from(b'<'),
            "&gt;" => u32::from(b'>'),
            "&amp;" => u32::from(b'&'),
            "&quot;" => u32::from(b'"'),
            "&apos;" => u32::from(b'\''),
            escape => {
                let digits = escape.trim_matches(|c| matches!(c, '&' | '#' | ';' | '_'));
                let number = match digits.strip_prefix('x') {
                    Some(hex) => u32::from_str_radix(hex, 16),
                    None => digits.parse(),
                };
                match number {
                    Ok(number) => number,
                    Err(_) => return self.emit(&held, out),
                }
            }
        };
        self.unit(unit, &held, out);
    }

    /// A UTF-16 unit or a code point. Surrogates come as two escapes.
    fn unit(&mut self, unit: u32, escape: &[u8], out: &mut Vec<u8>) {
        let high = self.high.take();
        if let Some(high) = high {
            if (0xDC00..0xE000).contains(&unit) {
                let pair = 0x1_0000 + ((u32::from(high) - 0xD800) << 10) + (unit - 0xDC00);
                return self.character(char::from_u32(pair), escape, out);
            }
            self.write('\u{fffd}', out);
        }
        match u16::try_from(unit) {
            Ok(unit) if (0xD800..0xDC00).contains(&unit) => self.high = Some(unit),
            _ => self.character(char::from_u32(unit), escape, out),
        }
    }

    fn character(&mut self, character: Option<char>, escape: &[u8], out: &mut Vec<u8>) {
        match character {
            Some(character) => self.write(character, out),
            None => self.emit(escape, out),
        }
    }

    fn write(&mut self, character: char, out: &mut Vec<u8>) {
        self.emit(character.encode_utf8(&mut [0; 4]).as_bytes(), out);
    }

    fn emit(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(bytes);
        if let (Some(message), Some(last)) = (&mut self.message, bytes.last()) {
            message.last = *last;
        }
    }

    /// Gives up on an escape: it was text.
    fn release(&mut self, out: &mut Vec<u8>) {
        let held = std::mem::take(&mut self.held);
        self.emit(&held, out);
    }

    fn tag(&mut self, byte: u8, out: &mut Vec<u8>) {
        self.held.push(byte);
        let is_tag =
            self.held.len() < 2 || matches!(self.held[1], b'/' | b'?' | b'!' | b'A'..=b'Z' | b'a'..=b'z');
        if byte != b'>' && is_tag && self.held.len() < TAG_BYTES_MAX {
            return;
        }
        self.state = State::Document;
        let held = std::mem::take(&mut self.held);
        if byte != b'>' || !is_tag {
            if self.objects == 0 {
                self.emit(&held, out);
            }
            return;
        }
        self.act(&String::from_utf8_lossy(&held), out);
    }

    fn act(&mut self, tag: &str, out: &mut Vec<u8>) {
        let inner = tag.trim_start_matches('<').trim_end_matches('>');
        let empty = inner.ends_with('/');
        let name = inner.split([' ', '\t', '\r', '\n']).next().unwrap_or_default().trim_end_matches('/');
        if self.adrift && (resync::begins_record(inner) || name == "/Objs") {
            (self.adrift, self.objects) = (false, 0);
        }
        match name {
            "/Obj" if self.adrift => {}
            "Obj" if !empty => self.objects += 1,
            "/Obj" => self.objects = self.objects.saturating_sub(1),
            "/Objs" => {
                self.objects = 0;
                self.state = State::LineStart;
            }
            "S" if self.objects == 0 && !empty => self.open_message(inner, out),
            "/S" => self.close_message(out),
            _ => {}
        }
    }

    fn close_message(&mut self, out: &mut Vec<u8>) {
        if self.message.take().is_some_and(|message| message.ends_line && message.last != b'\n') {
            out.extend_from_slice(b"\r\n");
        }
    }

    fn open_message(&mut self, inner: &str, out: &mut Vec<u8>) {
        let stream =
            inner.split_once("S=").map(|(_, rest)| rest.trim_start_matches(['"', '\'']).to_ascii_lowercase());
        let stream = stream.unwrap_or_default();
        let prefix: &[u8] = [("warning", "WARNING: "), ("verbose", "VERBOSE: "), ("debug", "DEBUG: ")]
            .iter()
            .find(|(name, _)| stream.starts_with(name))
            .map_or(b"", |(_, prefix)| prefix.as_bytes());
        out.extend_from_slice(prefix);
        self.message = Some(Message { ends_line: !prefix.is_empty(), last: 0 });
    }
}

/// Whether these bytes may begin `_xHHHH_`.
fn may_be_escape(bytes: &[u8]) -> bool {
    bytes.iter().enumerate().all(|(index, byte)| match index {
        0 | 6 => *byte == b'_',
        1 => *byte == b'x',
        _ => byte.is_ascii_hexdigit(),
    })
}

#[cfg(test)]
mod tests;

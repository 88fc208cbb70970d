//! PowerShell's standard error: CLIXML made into text again, as it comes.
//!
//! PowerShell wraps errors, warnings and progress into `#< CLIXML` documents, in pieces split anywhere, with whatever
//! native programs write (in any code page) before, between and inside them. The decoder works on bytes, holds back
//! no more than a tag or an escape, and passes on what it does not understand.

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
        match name {
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
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::{Decoder, TAG_BYTES_MAX};

    const PROGRESS: &str = "<Obj S=\"progress\" RefId=\"0\"><TN RefId=\"0\"><T>System.Object</T></TN><MS>\
        <I64 N=\"SourceId\">1</I64><PR N=\"Record\"><AV>Preparing modules</AV><SD> </SD></PR>\
        <Obj N=\"x\" RefId=\"1\"><S>inner</S></Obj></MS></Obj>";

    fn decode(input: &[u8], piece: usize) -> Vec<u8> {
        let mut decoder = Decoder::default();
        let mut out: Vec<u8> = input.chunks(piece).flat_map(|piece| decoder.push(piece)).collect();
        out.extend(decoder.finish());
        out
    }

    /// The same answer however the input is split.
    fn check(input: &[u8], expected: &[u8]) {
        for piece in [1, 2, 3, 7, 64, input.len().max(1)] {
            let out = decode(input, piece);
            assert_eq!(
                String::from_utf8_lossy(&out),
                String::from_utf8_lossy(expected),
                "in pieces of {piece}"
            );
        }
    }

    fn document(inner: &str) -> String {
        format!(
            "#< CLIXML\r\n<Objs Version=\"1.1.0.1\" xmlns=\"http://schemas.microsoft.com/powershell/2004/04\">{inner}</Objs>"
        )
    }

    #[test]
    fn errors_become_text_and_progress_goes() {
        let input = document(&format!(
            "{PROGRESS}<S S=\"Error\">x &lt;y&gt; : é_x000D__x000A_</S><S S=\"Error\">At line:1_x000D__x000A_</S>{PROGRESS}"
        ));
        check(input.as_bytes(), "x <y> : é\r\nAt line:1\r\n".as_bytes());
    }

    #[test]
    fn other_streams_say_which_they_are() {
        let input =
            document("<S S=\"warning\">low disk</S><S S=\"Verbose\">v</S><S S=\"debug\">d_x000A_</S>");
        check(input.as_bytes(), b"WARNING: low disk\r\nVERBOSE: v\r\nDEBUG: d\n");
    }

    #[test]
    fn plain_text_passes_before_between_and_after() {
        let input = format!("native 1\r\n{0}\r\nnative #< CLIXML 2\r\n{0}", document("<S S=\"Error\">e</S>"));
        check(input.as_bytes(), b"native 1\r\ne\r\nnative #< CLIXML 2\r\ne");
    }

    #[test]
    fn bytes_of_another_code_page_are_kept_inside_a_document() {
        let mut input = b"#< CLIXML\r\nfehler \x81ber\r\n".to_vec();
        input.extend_from_slice(b"<Objs Version=\"1.1\"><S S=\"Error\">\x84_x0041_</S></Objs>");
        check(&input, b"fehler \x81ber\x84A");
    }

    #[test]
    fn escapes_may_be_pairs_or_no_escapes_at_all() {
        let input =
            document("<S S=\"Error\">_xD83E__xDD80_ _x00_ __x0041_ _xZZ &#65;&#x42; &unknown; a & b _</S>");
        check(input.as_bytes(), "\u{1f980} _x00_ _A _xZZ AB &unknown; a & b _".as_bytes());
    }

    #[test]
    fn what_is_cut_off_is_not_lost() {
        check(b"#< CLI", b"#< CLI");
        check(b"#< CLIXML", b"");
        check(b"#< CLIXML\r\n<Objs><S S=\"Error\">half &am", b"half &am");
    }

    #[test]
    fn what_is_held_back_is_bounded() {
        let mut decoder = Decoder::default();
        decoder.push(b"#< CLIXML\r\n<Objs><S S=\"Error\">");
        let long = vec![b'<'; 1]
            .into_iter()
            .chain(std::iter::repeat_n(b'a', TAG_BYTES_MAX * 4))
            .collect::<Vec<u8>>();
        let out = decoder.push(&long);
        assert!(decoder.held.len() <= TAG_BYTES_MAX && out.len() >= TAG_BYTES_MAX);
    }
}

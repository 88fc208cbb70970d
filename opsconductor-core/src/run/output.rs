//! From bytes as they come to text that may be stored: redacted, valid UTF-8, with its end kept.

use super::redact::{RedactedStream, Redactor};
use crate::store::TAIL_BYTES_MAX;

/// One output stream of one task.
pub struct StreamText {
    redactor: RedactedStream,
    /// Bytes of a character that has not come whole yet, at most three.
    partial: Vec<u8>,
    tail: String,
}

impl StreamText {
    /// A stream from which `redactor` takes the secrets.
    pub fn new(redactor: &Redactor) -> Self {
        Self { redactor: redactor.stream(), partial: Vec::new(), tail: String::new() }
    }

    /// Takes bytes, split anywhere, and gives the text that is ready. What could be the beginning of a secret or of a
    /// character is held back until it is decided.
    pub fn push(&mut self, bytes: &[u8]) -> String {
        let mut clean = std::mem::take(&mut self.partial);
        self.redactor.push(bytes, &mut clean);
        let whole = whole_characters(&clean);
        self.partial = clean.split_off(whole);
        self.take(&clean)
    }

    /// The rest, when the stream has ended. A character that never came whole becomes U+FFFD.
    pub fn finish(&mut self) -> String {
        let mut clean = std::mem::take(&mut self.partial);
        self.redactor.finish(&mut clean);
        self.take(&clean)
    }

    /// Takes text that was given out and stored before, by whoever had the stream then.
    pub fn recall(&mut self, text: &str) {
        self.tail.push_str(text);
        // Cut seldom: moving the tail at every push would cost its length each time.
        if self.tail.len() > 2 * TAIL_BYTES_MAX {
            self.shorten(TAIL_BYTES_MAX);
        }
    }

    /// Puts a line of ours into the stream where input is missing. What was held back is given up: it could be the
    /// beginning of a secret or of a character whose rest is not going to come.
    pub fn interrupt(&mut self, line: &str) -> String {
        self.discard();
        let begins = if self.tail.is_empty() || self.tail.ends_with('\n') { "" } else { "\n" };
        let text = format!("{begins}{line}\n");
        self.recall(&text);
        text
    }

    /// Gives up what was held back, as [`StreamText::interrupt`] does, without a line.
    pub fn discard(&mut self) {
        self.redactor.discard();
        self.partial.clear();
    }

    /// The last [`TAIL_BYTES_MAX`] bytes of all the text that was given out.
    pub fn into_tail(mut self) -> String {
        self.shorten(TAIL_BYTES_MAX);
        self.tail
    }

    fn take(&mut self, clean: &[u8]) -> String {
        let text = String::from_utf8_lossy(clean).into_owned();
        self.recall(&text);
        text
    }

    fn shorten(&mut self, max: usize) {
        if self.tail.len() > max {
            let from = self.tail.ceil_char_boundary(self.tail.len() - max);
            self.tail.drain(..from);
        }
    }
}

/// How many leading bytes end with a whole character. Bytes that can never become one count as whole: they are replaced.
fn whole_characters(bytes: &[u8]) -> usize {
    for back in 1..=bytes.len().min(3) {
        let at = bytes.len() - back;
        let needed = match bytes[at] {
            0xC2..=0xDF => 2,
            0xE0..=0xEF => 3,
            0xF0..=0xF4 => 4,
            0x80..=0xBF => continue,
            _ => return bytes.len(),
        };
        return if needed > back { at } else { bytes.len() };
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream() -> StreamText {
        StreamText::new(&Redactor::none())
    }

    #[test]
    fn characters_split_anywhere_come_out_whole() {
        let text = "größe €100 🙂 ok";
        for size in 1..=text.len() {
            let mut stream = stream();
            let mut out = String::new();
            for piece in text.as_bytes().chunks(size) {
                out.push_str(&stream.push(piece));
            }
            out.push_str(&stream.finish());
            assert_eq!(out, text, "pieces of {size}");
        }
    }

    #[test]
    fn bytes_that_are_not_utf8_are_replaced_and_nothing_else_is_lost() {
        let mut stream = stream();
        let mut out = stream.push(b"a\xFFb\xC3");
        out.push_str(&stream.push(b"c\xE2\x82"));
        out.push_str(&stream.finish());
        assert_eq!(out, "a\u{FFFD}b\u{FFFD}c\u{FFFD}");
    }

    #[test]
    fn a_gap_has_a_line_of_its_own_and_parts_of_secrets_are_given_up() {
        let redactor = Redactor::new([&crate::Secret::from("hunter2")]).unwrap_or_else(|_| Redactor::none());
        let mut stream = StreamText::new(&redactor);
        let mut out = stream.push(b"login with hunt");
        out.push_str(&stream.interrupt("[missing]"));
        out.push_str(&stream.push(b"on hunter2 we go\n"));
        out.push_str(&stream.interrupt("[missing]"));
        out.push_str(&stream.finish());
        assert_eq!(out, "login with \n[missing]\non [redacted] we go\n[missing]\n");
        assert_eq!(stream.into_tail(), out);
    }

    #[test]
    fn the_tail_is_the_end_and_bounded() {
        let mut stream = stream();
        let mut all = String::new();
        for line in 0..40_000 {
            all.push_str(&stream.push(format!("zeile {line} ü\n").as_bytes()));
        }
        let tail = stream.into_tail();
        assert!(tail.len() <= TAIL_BYTES_MAX && tail.len() > TAIL_BYTES_MAX - 4);
        assert!(all.ends_with(&tail));
    }
}

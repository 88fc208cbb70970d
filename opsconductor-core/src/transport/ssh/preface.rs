//! What a host says on standard error before the command begins: our own words among those of login scripts and `sudo`.

use bytes::Bytes;

/// How much of what is not ours is kept, to be told when the command never begins.
const SAID_BYTES_MAX: usize = 4096;

/// Reads standard error until the command begins.
pub(super) struct Preface {
    token: String,
    /// What came and is not understood yet.
    held: Vec<u8>,
    said: Vec<u8>,
}

/// A word of ours.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// `sudo` asks for the password.
    Password,
    /// The shell waits for the script.
    Go,
    /// The command begins, as this process; what came behind the word is the command's.
    Begun(u32, Bytes),
}

impl Preface {
    pub(super) fn new(token: &str) -> Self {
        Self { token: token.to_owned(), held: Vec::new(), said: Vec::new() }
    }

    /// Takes what came.
    pub(super) fn take(&mut self, bytes: &[u8]) {
        self.held.extend_from_slice(bytes);
    }

    /// The next word of ours, if it is there whole.
    pub(super) fn next(&mut self) -> Option<Word> {
        let token = self.token.clone().into_bytes();
        let Some(at) = self.held.windows(token.len()).position(|window| window == &token[..]) else {
            // The token's beginning may be at the end; what is before it is somebody else's.
            let keep = self.held.len().min(token.len() - 1);
            let others: Vec<u8> = self.held.drain(..self.held.len() - keep).collect();
            self.note(&others);
            return None;
        };
        let others: Vec<u8> = self.held.drain(..at).collect();
        self.note(&others);
        let rest = &self.held[token.len()..];
        const PASSWORD: &[u8] = b"-password:";
        if rest.starts_with(PASSWORD) {
            self.held.drain(..token.len() + PASSWORD.len());
            return Some(Word::Password);
        }
        if PASSWORD.starts_with(rest) {
            return None;
        }
        if !rest.starts_with(b" ") {
            // Not a word of ours, but one may follow on the same line.
            let others: Vec<u8> = self.held.drain(..token.len()).collect();
            self.note(&others);
            return self.next();
        }
        let end = rest.iter().position(|byte| *byte == b'\n')?;
        let word = String::from_utf8_lossy(&rest[..end]).trim().to_owned();
        let next = token.len() + end + 1;
        if word == "go" {
            self.held.drain(..next);
            return Some(Word::Go);
        }
        match word.parse::<u32>() {
            Ok(pid) if pid > 1 => {
                let rest = Bytes::copy_from_slice(&self.held[next..]);
                self.held = Vec::new();
                Some(Word::Begun(pid, rest))
            }
            // A shell that traces what it does shows our words as well.
            _ => {
                let others: Vec<u8> = self.held.drain(..next).collect();
                self.note(&others);
                self.next()
            }
        }
    }

    /// The first line that the host said, for people.
    pub(super) fn said(&self) -> Option<String> {
        let text = String::from_utf8_lossy(&self.said).into_owned() + &String::from_utf8_lossy(&self.held);
        let line =
            text.lines().map(str::trim).find(|line| !line.is_empty() && !line.contains(&self.token))?;
        Some(line.chars().filter(|c| !c.is_control()).take(200).collect())
    }

    fn note(&mut self, bytes: &[u8]) {
        let room = SAID_BYTES_MAX.saturating_sub(self.said.len());
        self.said.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }
}

#[cfg(test)]
mod tests {
    use super::{Preface, Word};

    #[test]
    fn words_are_found_however_they_are_cut() {
        let text = b"motd\nlecture: oc1x oc1-password:Sorry\noc1 go\n+ echo oc1 $$\noc1 4711\nrest of it";
        for size in 1..text.len() {
            let mut preface = Preface::new("oc1");
            let (mut words, mut rest) = (Vec::new(), Vec::new());
            for piece in text.chunks(size) {
                if matches!(words.last(), Some(Word::Begun(..))) {
                    rest.extend_from_slice(piece);
                    continue;
                }
                preface.take(piece);
                while let Some(word) = preface.next() {
                    if let Word::Begun(_, bytes) = &word {
                        rest.extend_from_slice(bytes);
                    }
                    words.push(word);
                }
            }
            assert_eq!(words.len(), 3, "{size}: {words:?}");
            assert_eq!(words[..2], [Word::Password, Word::Go]);
            assert!(matches!(words[2], Word::Begun(4711, _)));
            assert_eq!(rest, b"rest of it");
        }
    }

    #[test]
    fn what_others_say_is_kept_within_bounds() {
        let mut preface = Preface::new("oc1");
        preface.take(b"\n  bad: not found\r\n");
        preface.take(&vec![b'x'; 100_000]);
        assert_eq!(preface.next(), None);
        assert_eq!(preface.said().as_deref(), Some("bad: not found"));
    }
}

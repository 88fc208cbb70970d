//! What a script says, line by line.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use crate::{Error, Result, error::Layer};

/// What a line of a report starts with.
const REPORT: &[u8] = b"oc:";

/// The longest line that is taken: the states of as many files as one copy may have.
const LINE_BYTES_MAX: usize = 1024 * 1024;

/// A line of a script that gives data.
#[derive(Debug, PartialEq, Eq)]
pub(in super::super) enum Line {
    Report(String),
    Data(Bytes),
}

impl From<Bytes> for Line {
    fn from(line: Bytes) -> Self {
        match line.strip_prefix(REPORT) {
            Some(report) => Self::Report(String::from_utf8_lossy(report).into_owned()),
            None => Self::Data(line),
        }
    }
}

/// Output on its way into lines.
#[derive(Default)]
pub(super) struct Lines {
    buffer: BytesMut,
    /// How much of the buffer is known to hold no line feed.
    searched: usize,
}

impl Lines {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole line that is not empty, without its end.
    pub(super) fn next(&mut self) -> Result<Option<Bytes>> {
        loop {
            let Some(at) = self.buffer[self.searched..].iter().position(|byte| *byte == b'\n') else {
                self.searched = self.buffer.len();
                if self.searched > LINE_BYTES_MAX {
                    let message = "the script on the host wrote a line that is too long";
                    return Err(Error::transport(Layer::Script, message));
                }
                return Ok(None);
            };
            let mut line = self.buffer.split_to(self.searched + at + 1);
            self.searched = 0;
            line.truncate(line.len() - 1);
            if line.last() == Some(&b'\r') {
                line.truncate(line.len() - 1);
            }
            if !line.is_empty() {
                return Ok(Some(line.freeze()));
            }
        }
    }

    /// Moves the whole lines that are reports to `reports`.
    pub(super) fn reports(&mut self, reports: &mut VecDeque<String>) -> Result<()> {
        while let Some(line) = self.next()? {
            if let Line::Report(report) = line.into() {
                reports.push_back(report);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use std::collections::VecDeque;

    use super::{LINE_BYTES_MAX, Lines};

    #[test]
    fn lines_are_found_wherever_the_pieces_are_cut() {
        let mut lines = Lines::default();
        let mut found = Vec::new();
        for byte in b"a\r\n\r\nbc\nrest" {
            lines.push(&[*byte]);
            found.extend(lines.next().unwrap());
        }
        assert_eq!(found, ["a", "bc"]);
    }

    #[test]
    fn what_is_no_report_is_passed_over() {
        let mut lines = Lines::default();
        let mut reports = VecDeque::new();
        lines.push(b"noise\noc:part 0 -\r\nmore noise\noc:do");
        lines.reports(&mut reports).unwrap();
        lines.push(b"ne\n");
        lines.reports(&mut reports).unwrap();
        assert_eq!(reports, ["part 0 -", "done"]);
    }

    #[test]
    fn a_line_without_end_is_refused() {
        let mut lines = Lines::default();
        lines.push(&vec![b'x'; LINE_BYTES_MAX + 1]);
        assert!(lines.next().is_err());
    }
}

//! [`RedactedStream`]: one output on its way through the redactor.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use aho_corasick::automaton::StateID;
use zeroize::{Zeroize as _, Zeroizing};

use super::machine::{Lead, Machine, Span};
use super::{ENCODED_SECRET_BYTES_MIN, MASK};

/// Input is read in pieces of this size, which bounds the list of matches kept between.
const PIECE_BYTES: usize = 64 * 1024;

/// One stream of output, redacted across whatever chunks it comes in.
///
/// It holds back the end of what it was given only as far as that could still become a secret. What it gives need not
/// end between characters, even when what it gets does.
pub struct RedactedStream {
    machine: Option<Arc<Machine>>,
    state: StateID,
    /// The end of the input that could still become a match.
    held: Zeroizing<Vec<u8>>,
    /// Matches that begin within `held`, from its start. One that begins earlier may yet swallow them.
    spans: Vec<Span>,
    /// How far into `held` the last mask reaches.
    covered: usize,
    /// After a gap: the beginning of what comes next, until it is known not to be the end of a secret.
    lead: Option<Zeroizing<Vec<u8>>>,
}

impl RedactedStream {
    pub(super) fn new(machine: Option<Arc<Machine>>) -> Self {
        let state = machine.as_ref().map_or(StateID::ZERO, |machine| machine.start());
        // Room for all that may be held: a buffer that grows leaves a copy behind.
        let longest = machine.as_ref().map_or(0, |machine| machine.longest());
        let held = Zeroizing::new(Vec::with_capacity(longest));
        Self { machine, state, held, spans: Vec::new(), covered: 0, lead: None }
    }

    /// Takes the next bytes and appends to `out` what is certain.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        let Some(machine) = self.machine.clone() else {
            return out.extend_from_slice(bytes);
        };
        if let Some(mut lead) = self.lead.take() {
            lead.extend_from_slice(bytes);
            match machine.lead(&lead) {
                Lead::Open => self.lead = Some(lead),
                Lead::Ends(length) => self.follow(&lead, length, out),
            }
            return;
        }
        out.reserve(bytes.len());
        for piece in bytes.chunks(PIECE_BYTES) {
            self.state = machine.scan(self.state, piece, self.held.len(), &mut self.spans);
            let total = self.held.len() + piece.len();
            self.release(piece, total - machine.depth(self.state), out);
            debug_assert!(self.held.len() <= machine.longest(), "more is held than could become a match");
        }
    }

    /// Goes on behind a gap: `length` bytes of its lead are the end of a secret.
    fn follow(&mut self, lead: &[u8], length: usize, out: &mut Vec<u8>) {
        if length > 0 {
            out.extend_from_slice(MASK.as_bytes());
        }
        self.push(&lead[length..], out);
    }

    /// Appends what was held back: nothing follows. The stream can then be used anew.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        if let Some(lead) = self.lead.take() {
            // All that came could be the middle of a secret; a few bytes say nothing.
            let length = if lead.len() < ENCODED_SECRET_BYTES_MIN { 0 } else { lead.len() };
            self.follow(&lead, length, out);
        }
        self.release(&[], self.held.len(), out);
        self.held.zeroize();
        self.covered = 0;
        if let Some(machine) = &self.machine {
            self.state = machine.start();
        }
    }

    /// Forgets what was held back: something is missing here. What comes next may begin with the end of a secret, which is
    /// taken out as well.
    pub fn discard(&mut self) {
        self.lead = self.machine.is_some().then(Zeroizing::default);
        self.held.zeroize();
        self.spans.clear();
        self.covered = 0;
        if let Some(machine) = &self.machine {
            self.state = machine.start();
        }
    }

    #[cfg(test)]
    pub(super) fn held_len(&self) -> usize {
        self.held.len()
    }

    /// Writes everything before `safe`, where the next match can begin at the earliest, and holds the rest.
    fn release(&mut self, piece: &[u8], safe: usize, out: &mut Vec<u8>) {
        // A match that begins at `safe` can only grow to its right, so that its mask may be written now.
        let settled = self.spans.iter().take_while(|span| span.start <= safe).count();
        for span in self.spans.drain(..settled) {
            copy(&self.held, piece, self.covered..span.start, out);
            if span.start >= self.covered {
                out.extend_from_slice(MASK.as_bytes());
            }
            self.covered = self.covered.max(span.end);
        }
        copy(&self.held, piece, self.covered..safe, out);

        self.covered = self.covered.saturating_sub(safe);
        for span in &mut self.spans {
            span.start -= safe;
            span.end -= safe;
        }
        match safe.checked_sub(self.held.len()) {
            Some(within_piece) => {
                self.held.clear();
                self.held.extend_from_slice(&piece[within_piece..]);
            }
            None => {
                self.held.drain(..safe);
                self.held.extend_from_slice(piece);
            }
        }
    }
}

impl fmt::Debug for RedactedStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedactedStream").field("held", &self.held.len()).finish_non_exhaustive()
    }
}

/// Appends a part of `held` followed by `piece`; an empty or inverted range is nothing.
fn copy(held: &[u8], piece: &[u8], range: Range<usize>, out: &mut Vec<u8>) {
    if range.start >= range.end {
        return;
    }
    let from = |at: usize| at.saturating_sub(held.len());
    out.extend_from_slice(&held[range.start.min(held.len())..range.end.min(held.len())]);
    out.extend_from_slice(&piece[from(range.start)..from(range.end)]);
}

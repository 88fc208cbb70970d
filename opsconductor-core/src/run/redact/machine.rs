//! The search structure: an Aho-Corasick automaton that knows how much of a pattern each state has seen.

use aho_corasick::automaton::{Automaton, StateID};
use aho_corasick::nfa::{contiguous, noncontiguous};
use aho_corasick::{Anchored, MatchKind, dfa};

use super::encodings::Forms;
use crate::{Error, ErrorKind, Result};

/// Up to this many bytes of patterns a table per state is affordable (some 2 MiB). Beyond, as for private keys, the
/// denser structure takes a tenth of the memory and is somewhat slower.
const TABLE_PATTERN_BYTES_MAX: usize = 4 * 1024;

/// A part of the input, from `start` up to before `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: usize,
    pub(super) end: usize,
}

pub(super) struct Machine {
    automaton: Either,
    start: StateID,
    /// How many bytes a state has seen of the longest pattern it may still become; sorted by state. A state that is
    /// not here has seen none.
    depths: Vec<(StateID, u32)>,
    longest: usize,
    /// What is looked for.
    forms: Forms,
}

/// What the beginning of an input is, of which the front is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lead {
    /// It may be the end of a pattern: more is needed to tell.
    Open,
    /// So many bytes of it are the end of a pattern.
    Ends(usize),
}

/// A shorter end of a pattern is found everywhere, and says next to nothing.
const END_BYTES_MIN: usize = 4;

enum Either {
    Table(dfa::DFA),
    Dense(contiguous::NFA),
}

impl Machine {
    pub(super) fn new(forms: Forms) -> Result<Self> {
        let failed =
            |error| Error::new(ErrorKind::Internal, "the redactor cannot be built").with_source(error);
        let nfa = noncontiguous::Builder::new()
            .match_kind(MatchKind::Standard)
            .prefilter(false)
            .build(forms.iter())
            .map_err(failed)?;
        let length: usize = forms.iter().map(<[u8]>::len).sum();
        let automaton = if length <= TABLE_PATTERN_BYTES_MAX {
            Either::Table(
                dfa::Builder::new().prefilter(false).build_from_noncontiguous(&nfa).map_err(failed)?,
            )
        } else {
            let builder = contiguous::Builder::new().prefilter(false).clone();
            Either::Dense(builder.build_from_noncontiguous(&nfa).map_err(failed)?)
        };
        let (start, depths) = match &automaton {
            Either::Table(automaton) => depths(automaton, &forms),
            Either::Dense(automaton) => depths(automaton, &forms),
        }
        .map_err(|error| Error::new(ErrorKind::Internal, "the redactor cannot start").with_source(error))?;
        let longest = forms.iter().map(<[u8]>::len).max().unwrap_or_default();
        Ok(Self { automaton, start, depths, longest, forms })
    }

    pub(super) fn start(&self) -> StateID {
        self.start
    }

    pub(super) fn longest(&self) -> usize {
        self.longest
    }

    /// Whether `bytes`, which follow on bytes that nobody saw, begin with the end of a pattern.
    pub(super) fn lead(&self, bytes: &[u8]) -> Lead {
        let mut length = 0;
        for form in self.forms.iter().filter(|form| form.len() > END_BYTES_MIN) {
            for end in (1..=form.len() - END_BYTES_MIN).map(|from| &form[from..]) {
                if bytes.len() < end.len() && end.starts_with(bytes) {
                    return Lead::Open;
                }
                if bytes.starts_with(end) {
                    length = length.max(end.len());
                }
            }
        }
        Lead::Ends(length)
    }

    /// How many of the last bytes could still become a match: the longest end of the input that begins a pattern.
    pub(super) fn depth(&self, state: StateID) -> usize {
        match self.depths.binary_search_by_key(&state, |(state, _)| *state) {
            Ok(index) => self.depths[index].1 as usize,
            Err(_) => 0,
        }
    }

    /// Reads `bytes`, which begin at `base`, and adds every match to `spans`: disjoint, in order, those that overlap
    /// made one.
    pub(super) fn scan(&self, state: StateID, bytes: &[u8], base: usize, spans: &mut Vec<Span>) -> StateID {
        match &self.automaton {
            Either::Table(automaton) => scan(automaton, state, bytes, base, spans),
            Either::Dense(automaton) => scan(automaton, state, bytes, base, spans),
        }
    }
}

fn scan<A: Automaton>(
    automaton: &A,
    mut state: StateID,
    bytes: &[u8],
    base: usize,
    spans: &mut Vec<Span>,
) -> StateID {
    for (index, byte) in bytes.iter().enumerate() {
        state = automaton.next_state(Anchored::No, state, *byte);
        if automaton.is_special(state) && automaton.is_match(state) {
            let lengths = (0..automaton.match_len(state))
                .map(|index| automaton.pattern_len(automaton.match_pattern(state, index)));
            let end = base + index + 1;
            add(spans, Span { start: end - lengths.max().unwrap_or_default(), end });
        }
    }
    state
}

/// Spans come with rising ends. The new one swallows those it overlaps; one that only touches stays its own.
fn add(spans: &mut Vec<Span>, mut new: Span) {
    while let Some(last) = spans.pop_if(|last| last.end > new.start) {
        new.start = new.start.min(last.start);
    }
    spans.push(new);
}

/// Walks along every pattern: after its first n bytes the automaton stands in the state of depth n.
fn depths<A: Automaton>(
    automaton: &A,
    forms: &Forms,
) -> std::result::Result<(StateID, Vec<(StateID, u32)>), aho_corasick::MatchError> {
    let start = automaton.start_state(Anchored::No)?;
    let mut depths = Vec::with_capacity(forms.iter().map(<[u8]>::len).sum());
    for form in forms.iter() {
        let mut state = start;
        for (depth, byte) in (1..).zip(form) {
            state = automaton.next_state(Anchored::No, state, *byte);
            depths.push((state, depth));
        }
    }
    depths.sort_unstable();
    depths.dedup();
    depths.shrink_to_fit();
    Ok((start, depths))
}

//! Reads the text around placeholders as the sink will read it, on every path through the template, to know what may
//! go where.
//!
//! A sink's reader is a small state machine. Where the text alone does not tell how it is read, the machine forks,
//! and what is demanded of a placeholder is what all its states demand. A machine that has lost its way says so, and
//! from there on only plain values go in: they are harmless wherever they land, while a quoted value is safe only
//! where a literal may begin.

mod cmd;
mod here_document;
mod json;
mod powershell;
mod sh;
mod url;

use super::sink::Sink;
use super::tree::{Emit, How, Needs, Node};
use crate::error::{Error, ErrorKind, Result};

/// States a text can be in at once before it is called ambiguous.
const STATES_MAX: usize = 8;
/// Characters read, passes through loops counted each.
const CHARACTERS_MAX: usize = 2_000_000;
/// Passes through a loop until its states settle.
const PASSES_MAX: usize = 6;

/// What may stand at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Place {
    /// What an unquoted value must look like.
    pub(super) needs: Needs,
    /// Why no quoted value may stand here.
    pub(super) no_quote: Option<&'static str>,
    /// Why no value at all may stand here.
    pub(super) refused: Option<&'static str>,
}

impl Place {
    /// Where a literal may begin: any plain value but nothing, or a quoted one.
    pub(super) fn open() -> Self {
        Self { needs: Needs { something: true, ..Needs::default() }, ..Self::default() }
    }

    /// Inside a literal, a comment, or another place where quoting marks would be text.
    pub(super) fn inside(why: &'static str) -> Self {
        Self { needs: Needs { literal: true, ..Needs::default() }, no_quote: Some(why), refused: None }
    }

    /// Where it cannot be told how the text is read.
    pub(super) fn unsure(why: &'static str) -> Self {
        let mut place = Self::inside(why);
        place.needs.something = true;
        place
    }

    /// Where no value may stand.
    pub(super) fn refused(why: &'static str) -> Self {
        Self { refused: Some(why), ..Self::default() }
    }
}

/// How a sink reads text.
pub(super) trait Machine: Clone + PartialEq + Sized {
    /// At the start of the text.
    fn start() -> Self;

    /// Reads one character. Where it can be read in two ways, the other one is given back; an error is a sentence
    /// about the character after a placeholder.
    fn read(&mut self, c: char) -> Result<Option<Self>, &'static str>;

    /// Whether letters and digits of ASCII leave this state as it is. They are most of a text, and passed over then.
    fn in_word(&self) -> bool {
        false
    }

    /// What may stand here.
    fn place(&self) -> Place;

    /// Passes over a value. A value that may be empty leaves two states.
    fn pass(&mut self, quoted: bool) -> Option<Self>;

    /// Whether both are in the same literals, comments and brackets.
    fn same_region(&self, other: &Self) -> bool;
}

/// Checks every placeholder, and notes in each what an unquoted value must look like.
pub(super) fn check(nodes: &mut [Node], sink: Sink) -> Result<()> {
    match sink {
        Sink::PowerShell => walk::<powershell::PowerShell>(nodes),
        Sink::Cmd => walk::<cmd::Cmd>(nodes),
        Sink::Sh => walk::<sh::Sh>(nodes),
        Sink::Json => walk::<json::JsonText>(nodes),
        Sink::Url => walk::<url::Url>(nodes),
        Sink::Text => Ok(()),
    }
}

fn walk<M: Machine>(nodes: &mut [Node]) -> Result<()> {
    let mut walk = Walk { left: CHARACTERS_MAX, line: 1 };
    walk.nodes(nodes, vec![M::start()]).map(drop)
}

struct Walk {
    left: usize,
    line: u32,
}

impl Walk {
    fn nodes<M: Machine>(&mut self, nodes: &mut [Node], states: Vec<M>) -> Result<Vec<M>> {
        nodes.iter_mut().try_fold(states, |states, node| self.node(node, states))
    }

    fn node<M: Machine>(&mut self, node: &mut Node, states: Vec<M>) -> Result<Vec<M>> {
        match node {
            Node::Text(text) => self.text(text, states),
            Node::Emit(emit) => self.emit(emit, states),
            Node::If { then, otherwise, line, .. } => {
                let line = *line;
                let one = self.nodes(then, states.clone())?;
                let other = self.nodes(otherwise, states)?;
                if !same_regions(&one, &other) {
                    return Err(unbalanced(line, "the branches of the if"));
                }
                Ok(merge(one, other))
            }
            Node::For(each) => {
                let line = each.line;
                let mut before = states;
                let mut passes = 0;
                let after = loop {
                    let after = self.nodes(&mut each.body, before.clone())?;
                    if !same_regions(&before, &after) {
                        return Err(unbalanced(line, "the body of the loop"));
                    }
                    let merged = merge(before.clone(), after);
                    passes += 1;
                    if merged.len() == before.len() {
                        break merged;
                    }
                    if passes == PASSES_MAX || merged.len() > STATES_MAX {
                        return Err(unbalanced(line, "the body of the loop"));
                    }
                    before = merged;
                };
                // Without items the `else` is written in place of the body.
                let other = self.nodes(&mut each.otherwise, before)?;
                if !same_regions(&after, &other) {
                    return Err(unbalanced(line, "the else of the loop"));
                }
                Ok(merge(after, other))
            }
            // Nothing is written: what is captured is checked as a value where it is.
            Node::Set { .. } | Node::Capture { .. } => Ok(states),
            Node::With { body, .. } => self.nodes(body, states),
        }
    }

    fn text<M: Machine>(&mut self, text: &str, mut states: Vec<M>) -> Result<Vec<M>> {
        let mut forks = Vec::new();
        let mut rest = text;
        loop {
            if states.len() <= STATES_MAX && states.iter().all(M::in_word) {
                let letters = rest.bytes().take_while(u8::is_ascii_alphanumeric).count();
                self.count(letters * states.len())?;
                rest = &rest[letters..];
            }
            let mut chars = rest.chars();
            let Some(c) = chars.next() else { break };
            rest = chars.as_str();
            self.count(states.len())?;
            for state in &mut states {
                match state.read(c) {
                    Ok(None) => {}
                    Ok(Some(fork)) => forks.push(fork),
                    Err(why) => return Err(Error::new(ErrorKind::Template, why).with("line", self.line)),
                }
            }
            if c == '\n' || !forks.is_empty() {
                states = merge(states, std::mem::take(&mut forks));
            }
            if states.len() > STATES_MAX {
                return Err(Error::new(
                    ErrorKind::Template,
                    "the text can be read in too many ways to check its quoting: put spaces around # and quotes",
                )
                .with("line", self.line));
            }
        }
        Ok(states)
    }

    fn count(&mut self, characters: usize) -> Result<()> {
        self.left = self.left.checked_sub(characters).ok_or_else(|| {
            Error::new(ErrorKind::Template, "the template's loops hold too much text to check: shorten them")
        })?;
        Ok(())
    }

    fn emit<M: Machine>(&mut self, emit: &mut Emit, mut states: Vec<M>) -> Result<Vec<M>> {
        self.line = emit.line;
        for state in &states {
            let place = state.place();
            if emit.how != How::Raw
                && let Some(why) = place.refused
            {
                return Err(emit.blame(why));
            }
            if emit.how == How::Quote
                && let Some(why) = place.no_quote
            {
                return Err(emit.blame(why));
            }
            emit.needs.add(place.needs);
        }
        let forks: Vec<M> =
            states.iter_mut().filter_map(|state| state.pass(emit.how == How::Quote)).collect();
        Ok(merge(states, forks))
    }
}

/// Each state once.
fn merge<M: Machine>(mut states: Vec<M>, more: Vec<M>) -> Vec<M> {
    if states.len() == 1 && more.is_empty() {
        return states;
    }
    states.extend(more);
    let mut kept: Vec<M> = Vec::with_capacity(states.len());
    for state in states {
        if !kept.contains(&state) {
            kept.push(state);
        }
    }
    kept
}

fn same_regions<M: Machine>(some: &[M], others: &[M]) -> bool {
    let within =
        |some: &[M], others: &[M]| some.iter().all(|one| others.iter().any(|other| one.same_region(other)));
    within(some, others) && within(others, some)
}

fn unbalanced(line: u32, what: &str) -> Error {
    Error::new(
        ErrorKind::Template,
        format!("{what} must open and close the same quotes, comments and brackets on every path: close in it what \
                 it opens"),
    )
    .with("line", line)
}

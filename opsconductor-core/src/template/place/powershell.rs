//! How PowerShell reads a script, as far as it takes to know where a literal may begin.

mod read;
mod state;

pub(super) use self::state::PowerShell;
use self::state::{Last, Open, Word};
use super::{Machine, Place};
use crate::template::tree::Needs;

impl Machine for PowerShell {
    fn start() -> Self {
        Self {
            open: Vec::new(),
            last: Last::Break,
            word: Word::None,
            value_due: false,
            half_line: false,
            lost: false,
        }
    }

    fn read(&mut self, c: char) -> Result<Option<Self>, &'static str> {
        self.read_char(c)
    }

    fn in_word(&self) -> bool {
        self.last == Last::Other && self.word == Word::Other && !self.value_due && !self.half_line
    }

    fn place(&self) -> Place {
        if self.lost || self.half_line {
            return Place::unsure(
                "stands behind text whose quoting cannot be told, such as \"--%\" or an unmatched bracket, so \
                 \"| quote\" is not safe: write it before that text, or in a step of its own",
            );
        }
        match self.last {
            Last::Backtick => {
                return Place::refused("follows a backtick, which would escape it: remove the backtick");
            }
            Last::Dollar | Last::Variable => {
                return Place::refused(
                    "touches the name of a variable and would become part of it: write the name as ${name} or put a \
                     space between",
                );
            }
            Last::At => {
                return Place::refused(
                    "follows @, which would make it a variable or a here-string: remove the @",
                );
            }
            Last::HereHead { .. } => {
                return Place::refused("follows the start of a here-string: put it on the next line");
            }
            _ => {}
        }
        let settled = self.settled();
        if settled.last() == Some(&Open::BracedVariable) {
            return Place::refused(
                "stands in the name of a variable: use a parameter in place of a variable",
            );
        }
        if settled.iter().any(|open| matches!(open, Open::LineComment | Open::BlockComment)) {
            return Place::inside(
                "stands in a comment, where \"| quote\" does not protect: take it out of the comment",
            );
        }
        if settled.iter().any(|open| !open.is_code()) {
            let mut place = Place::inside(
                "stands inside a quoted literal, where \"| quote\" would end the literal and run the value: remove the \
                 quotation marks around it, or leave out \"| quote\"",
            );
            if settled.last().is_some_and(|open| open.is_code()) {
                place.needs.something = true;
                place.needs.number = self.value_due;
            }
            return place;
        }
        Place {
            needs: Needs { something: true, number: self.value_due, ..Needs::default() },
            no_quote: match self.last {
                Last::MaybeEnd if self.top() == Some(Open::Single) => Some(TOUCHES),
                Last::ClosedSingle | Last::Quoted | Last::AtInWord => Some(TOUCHES),
                _ => None,
            },
            refused: None,
        }
    }

    fn pass(&mut self, quoted: bool) -> Option<Self> {
        self.lost |= self.half_line;
        if self.lost {
            return None;
        }
        if self.last == Last::MaybeEnd {
            self.close(Last::Closed);
        }
        // What `| raw` writes is the job's own affair; it is taken for a word.
        if self.in_code() {
            self.last = if quoted { Last::Quoted } else { Last::Plain };
            self.start_word(Word::Other);
            self.value_due = false;
            return None;
        }
        let before = self.clone();
        self.last = Last::Other;
        (*self != before).then_some(before)
    }

    fn same_region(&self, other: &Self) -> bool {
        self.lost == other.lost && self.settled() == other.settled()
    }
}

const TOUCHES: &str = "directly follows a quotation mark, which would join the two: put a space between, or leave out \
                       \"| quote\"";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PIECES: &[&str] = &[
        "a", "B9", " ", "\n", "\r", "$", "$v", "${", "}", "{", "@", "@{", "@'\n", "'", "\"", "\n'@", "`",
        "#", "<#", "#>", "(", ")", "$(", "=", "-", "--%", ";", "|", "<", ">", "é", "‘", "“", "]", "+",
        "\0value", "\0quoted",
    ];

    proptest! {
        #[test]
        fn a_letter_inside_a_word_changes_nothing(
            pieces in prop::collection::vec(prop::sample::select(PIECES), 0..12),
            letter in "[A-Za-z0-9]",
        ) {
            let mut states = vec![PowerShell::start()];
            for piece in pieces {
                let mut forks = Vec::new();
                for state in &mut states {
                    match piece.strip_prefix('\0') {
                        Some(value) => forks.extend(state.pass(value == "quoted")),
                        None => forks.extend(piece.chars().filter_map(|c| state.read(c).ok().flatten())),
                    }
                }
                states.extend(forks);
                states.truncate(16);
            }
            for state in states.iter().filter(|state| state.in_word()) {
                let mut after = state.clone();
                prop_assert_eq!(after.read(letter.chars().next().unwrap_or('a')), Ok(None));
                prop_assert_eq!(&after, state);
            }
        }
    }
}

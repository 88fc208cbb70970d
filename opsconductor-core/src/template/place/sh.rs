//! How a POSIX shell reads a script, as far as it takes to know where a literal may begin. `dash` and `bash` differ in
//! corners: where they do, the machine takes itself for lost.

use super::here_document::{Delimiter, Here, Step, is_name};
use super::{Machine, Place};

/// More open brackets and literals than this, and the machine gives up.
const DEPTH_MAX: usize = 64;

/// The state: what is open, and what the characters read last mean for the next.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Sh {
    open: Vec<Open>,
    last: Last,
    here: Here,
    /// How much of the word `case` was read; more than its length for any other word.
    case_letters: u8,
    lost: bool,
}

const NOT_CASE: u8 = 5;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Open {
    /// `(`, or `$(`.
    Parenthesis,
    /// `${`.
    Brace,
    Single,
    Double,
    Comment,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Last {
    /// White space or an operator: a word or a comment may begin.
    Break,
    Other,
    /// `breaks` when a word could begin before it, `joins` when what is before it has a meaning with what comes.
    Backslash {
        breaks: bool,
        joins: bool,
    },
    Dollar,
    /// Part of the name of a variable.
    Variable,
    /// `$(`, which another parenthesis makes arithmetic.
    DollarParenthesis,
    /// `(`, which another parenthesis makes arithmetic in bash.
    Parenthesis,
    /// `<` in code.
    Less,
    /// A value as it is.
    Plain,
}

impl Sh {
    fn top(&self) -> Option<Open> {
        self.open.last().copied()
    }

    fn push(&mut self, open: Open, last: Last) {
        if self.open.len() == DEPTH_MAX {
            self.lost = true;
        } else {
            self.open.push(open);
        }
        self.last = last;
    }

    /// In brackets, the patterns of a `case` end in a `)` that closes nothing: the machine cannot follow.
    fn spell_case(&mut self, c: char, starts: bool) {
        let read = if starts { 0 } else { self.case_letters };
        self.case_letters = match b"case".get(usize::from(read)) {
            Some(letter) if char::from(*letter) == c => read + 1,
            None if read == 4 && matches!(c, ' ' | '\t' | '\n') => {
                self.lost |= !self.open.is_empty();
                NOT_CASE
            }
            _ => NOT_CASE,
        };
    }

    fn read_code(&mut self, c: char) -> Result<(), &'static str> {
        let last = std::mem::replace(&mut self.last, Last::Other);
        match (last, c) {
            (Last::Backslash { breaks, joins }, '\n') => {
                // The line goes on: what was before the backslash touches what comes.
                self.lost |= joins;
                self.last = if breaks { Last::Break } else { Last::Other };
                return Ok(());
            }
            (Last::Backslash { .. }, _) => {
                self.case_letters = NOT_CASE;
                return Ok(());
            }
            (Last::Dollar, '(') => {
                self.push(Open::Parenthesis, Last::DollarParenthesis);
                return Ok(());
            }
            (Last::Dollar, '{') => {
                self.push(Open::Brace, Last::Other);
                return Ok(());
            }
            // `$'…'` knows escapes in bash and not in dash.
            (Last::Dollar, '\'') => {
                self.lost = true;
                return Ok(());
            }
            (Last::Dollar | Last::Variable, c) if is_name(c) => {
                self.last = Last::Variable;
                return Ok(());
            }
            // `$?`, `$#`, `$$` and their kin are whole with this character.
            (Last::Dollar, '?' | '#' | '$' | '!' | '@' | '*' | '-') => return Ok(()),
            (Last::DollarParenthesis | Last::Parenthesis, '(') => {
                self.lost = true;
                return Ok(());
            }
            (Last::Less, '<') => {
                // Inside brackets the body may be read elsewhere than here.
                if self.open.is_empty() && self.here == Here::None {
                    self.here = Here::Delimiter(Delimiter::default());
                } else {
                    self.lost = true;
                }
                return Ok(());
            }
            (Last::Plain, '<' | '>') => {
                return Err(
                    "a number directly before < or > names a stream: put a space after the placeholder",
                );
            }
            _ => {}
        }
        let breaks = matches!(last, Last::Break | Last::Parenthesis | Last::DollarParenthesis | Last::Less);
        self.spell_case(c, breaks);
        match c {
            '#' if breaks => self.push(Open::Comment, Last::Other),
            '\'' => self.push(Open::Single, Last::Other),
            '"' => self.push(Open::Double, Last::Other),
            '\\' => self.last = Last::Backslash { breaks, joins: joins(last) },
            '$' => self.last = Last::Dollar,
            // What stands in backquotes is read twice.
            '`' => self.lost = true,
            '(' => self.push(Open::Parenthesis, Last::Parenthesis),
            ')' => {
                self.last = Last::Break;
                // Without an open parenthesis it ends a pattern of `case`.
                if self.top() == Some(Open::Parenthesis) {
                    self.open.pop();
                }
            }
            '<' => self.last = Last::Less,
            '\n' => {
                self.last = Last::Break;
                if matches!(self.here, Here::Pending(_)) {
                    // In brackets the document may begin elsewhere.
                    self.lost |= !self.open.is_empty();
                    self.here.begin();
                }
            }
            ' ' | '\t' | ';' | '&' | '|' | '>' => self.last = Last::Break,
            _ => {}
        }
        Ok(())
    }

    fn read_double(&mut self, c: char) {
        let last = std::mem::replace(&mut self.last, Last::Other);
        match (last, c) {
            (Last::Backslash { joins, .. }, '\n') => self.lost |= joins,
            (Last::Backslash { .. }, _) => {}
            (_, '\n') if self.here != Here::None => self.lost = true,
            (Last::Dollar, '(') => self.push(Open::Parenthesis, Last::DollarParenthesis),
            (Last::Dollar, '{') => self.push(Open::Brace, Last::Other),
            (Last::Dollar | Last::Variable, c) if is_name(c) => self.last = Last::Variable,
            (Last::Dollar, '?' | '#' | '$' | '!' | '@' | '*' | '-') => {}
            (_, '"') => drop(self.open.pop()),
            (_, '\\') => self.last = Last::Backslash { breaks: false, joins: joins(last) },
            (_, '$') => self.last = Last::Dollar,
            (_, '`') => self.lost = true,
            _ => {}
        }
    }
}

/// Whether the character before has a meaning together with the next one.
fn joins(last: Last) -> bool {
    matches!(
        last,
        Last::Dollar
            | Last::Variable
            | Last::Less
            | Last::Parenthesis
            | Last::DollarParenthesis
            | Last::Plain
    )
}

impl Machine for Sh {
    fn start() -> Self {
        Self { open: Vec::new(), last: Last::Break, here: Here::None, case_letters: 0, lost: false }
    }

    fn read(&mut self, c: char) -> Result<Option<Self>, &'static str> {
        if self.lost {
            return Ok(None);
        }
        if self.here.takes_text() {
            match self.here.read(c)? {
                Step::Within => {}
                Step::Code => self.last = Last::Break,
                Step::Lost => self.lost = true,
            }
            return Ok(None);
        }
        match self.top() {
            None | Some(Open::Parenthesis) => self.read_code(c)?,
            Some(Open::Single) => {
                self.last = Last::Other;
                if c == '\'' {
                    self.open.pop();
                } else if c == '\n' && self.here != Here::None {
                    self.lost = true;
                }
            }
            Some(Open::Double) => self.read_double(c),
            Some(Open::Comment) => {
                if c == '\n' {
                    self.open.pop();
                    self.last = Last::Break;
                    self.read_code(c)?;
                }
            }
            Some(Open::Brace) => match c {
                '}' => {
                    self.open.pop();
                    self.last = Last::Other;
                }
                // Quotes and expansions in `${…}` are read in three different ways.
                '\'' | '"' | '\\' | '$' | '`' | '{' => self.lost = true,
                _ => {}
            },
        }
        Ok(None)
    }

    fn place(&self) -> Place {
        if self.lost {
            return Place::unsure(
                "stands behind text that shells read in different ways (backquotes, arithmetic, $'…', quotes in \
                 ${…}), so \"| quote\" is not safe: write it before that text, or use $(…) and plain quotes",
            );
        }
        match self.last {
            Last::Backslash { .. } => {
                return Place::refused("follows a backslash, which would escape it: remove the backslash");
            }
            Last::Dollar | Last::Variable => {
                return Place::refused(
                    "touches the name of a variable and would become part of it: write the name as ${name} or put a \
                     space between",
                );
            }
            _ => {}
        }
        if let Some(place) = self.here.place() {
            return place;
        }
        if self.top() == Some(Open::Brace) {
            return Place::refused(
                "stands in ${…}, where it would be part of an expansion: use a parameter in its place",
            );
        }
        if self.top() == Some(Open::Comment) {
            return Place::inside(
                "stands in a comment, where \"| quote\" does not protect: take it out of the comment",
            );
        }
        if self.open.iter().any(|open| *open != Open::Parenthesis) {
            return Place::inside(
                "stands inside a quoted literal, where \"| quote\" would end the literal and run the value: remove the \
                 quotation marks around it, or leave out \"| quote\"",
            );
        }
        Place {
            no_quote: matches!(self.here, Here::Pending(_)).then_some(
                "stands on the line that opens a here-document: set a variable on the line before",
            ),
            ..Place::open()
        }
    }

    fn pass(&mut self, quoted: bool) -> Option<Self> {
        if self.lost {
            return None;
        }
        if self.here.takes_text() {
            self.here.pass();
            return None;
        }
        self.last = if quoted { Last::Other } else { Last::Plain };
        None
    }

    fn same_region(&self, other: &Self) -> bool {
        let here = |state: &Self| std::mem::discriminant(&state.here);
        self.lost == other.lost && self.open == other.open && here(self) == here(other)
    }
}

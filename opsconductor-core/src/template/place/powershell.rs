//! How PowerShell reads a script, as far as it takes to know where a literal may begin.

use super::{Machine, Place};
use crate::template::sink::{is_powershell_double_quote, is_powershell_single_quote};
use crate::template::tree::Needs;

/// More open brackets and literals than this, and the machine gives up.
const DEPTH_MAX: usize = 64;

/// The state: what is open, and what the characters read last mean for the next.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct PowerShell {
    open: Vec<Open>,
    last: Last,
    word: Word,
    /// A value is due, as after `=`: a bare word here would be run as a command.
    value_due: bool,
    /// A carriage return was read: it is half a line end, or nobody knows what.
    half_line: bool,
    lost: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Open {
    Parenthesis,
    Brace,
    /// `@{`, where each `=` assigns.
    Hashtable,
    Single,
    Double,
    HereSingle,
    HereDouble,
    LineComment,
    BlockComment,
    /// `${`, up to the closing brace.
    BracedVariable,
}

impl Open {
    fn is_code(self) -> bool {
        matches!(self, Self::Parenthesis | Self::Brace | Self::Hashtable)
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Last {
    /// White space or punctuation: a word or a comment may begin.
    Break,
    /// Any other character.
    Other,
    Dollar,
    /// Part of the name of a variable.
    Variable,
    /// `@` at the start of a word.
    At,
    /// `@` inside a word.
    AtInWord,
    Backtick,
    /// `<` in code.
    Less,
    /// `#` in a block comment.
    Number,
    /// A quotation mark that closes its literal, unless another follows. The literal is still open.
    MaybeEnd,
    /// The end of a literal or a bracket.
    Closed,
    /// The end of a single-quoted literal.
    ClosedSingle,
    /// `@'` or `@"`, which must end their line.
    HereHead {
        single: bool,
    },
    /// The start of a line in a here-string.
    LineStart,
    /// A quotation mark at the start of a line in a here-string.
    HereEnd,
    /// That many dashes at the start of a word.
    Dashes(u8),
    /// A value as it is.
    Plain,
    /// A value in quotes.
    Quoted,
}

/// What the word being read began with.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Word {
    None,
    /// A variable or the end of a bracket: `=` after it assigns.
    Assignable,
    /// Only operator characters so far.
    Operator,
    Other,
}

impl PowerShell {
    fn top(&self) -> Option<Open> {
        self.open.last().copied()
    }

    fn in_code(&self) -> bool {
        self.top().is_none_or(Open::is_code)
    }

    /// What is open once a literal that is at its end counts as closed.
    fn settled(&self) -> &[Open] {
        match (self.last, self.open.as_slice()) {
            (Last::MaybeEnd, [rest @ .., _]) => rest,
            (_, open) => open,
        }
    }

    fn push(&mut self, open: Open, last: Last) {
        if self.open.len() == DEPTH_MAX {
            self.lost = true;
        } else {
            self.open.push(open);
        }
        self.last = last;
    }

    fn close(&mut self, last: Last) {
        self.open.pop();
        self.last = last;
        self.word = Word::Assignable;
        self.value_due = false;
    }

    fn close_bracket(&mut self, parenthesis: bool) {
        match self.top() {
            Some(Open::Parenthesis) if parenthesis => self.close(Last::Closed),
            Some(Open::Brace | Open::Hashtable) if !parenthesis => self.close(Last::Closed),
            // A bracket that nothing opened: the script does not parse, or is read otherwise than here.
            _ => self.lost = true,
        }
    }

    fn read_code(&mut self, c: char) -> Result<Option<Self>, &'static str> {
        let last = std::mem::replace(&mut self.last, Last::Other);
        match last {
            Last::Backtick => {
                if c == '\n' || c == '\r' {
                    self.last = Last::Break;
                }
                self.start_word(Word::Other);
                return Ok(None);
            }
            Last::HereHead { single } => {
                match c {
                    '\n' => {
                        self.push(if single { Open::HereSingle } else { Open::HereDouble }, Last::LineStart)
                    }
                    c if c.is_whitespace() => self.last = last,
                    _ => self.lost = true,
                }
                return Ok(None);
            }
            Last::Dollar | Last::Variable if is_name(c) => {
                self.last = Last::Variable;
                return Ok(None);
            }
            Last::Dollar if c == '{' => {
                self.push(Open::BracedVariable, Last::Other);
                return Ok(None);
            }
            // `$$`, a variable of its own, or a dollar sign before a variable.
            Last::Dollar if c == '$' => {
                self.lost = true;
                return Ok(None);
            }
            Last::Less if c == '#' => {
                self.push(Open::BlockComment, Last::Other);
                return Ok(None);
            }
            Last::Dashes(2) if c == '%' => {
                // From `--%` on, the line is passed on unread, up to a pipe or its end.
                self.lost = true;
                return Ok(None);
            }
            _ => {}
        }
        let breaks = matches!(last, Last::Break | Last::Less);
        match c {
            '#' if breaks => self.push(Open::LineComment, Last::Other),
            '#' => {
                // A comment after an expression, part of the word in an argument.
                let mut comment = self.clone();
                comment.push(Open::LineComment, Last::Other);
                self.start_word(Word::Other);
                return Ok(Some(comment));
            }
            c if is_powershell_single_quote(c) => match last {
                Last::Quoted => {
                    return Err("a quoted placeholder touches a quotation mark: put a space between");
                }
                Last::At => self.last = Last::HereHead { single: true },
                Last::AtInWord => self.lost = true,
                _ => self.open_literal(Open::Single),
            },
            c if is_powershell_double_quote(c) => match last {
                Last::At => self.last = Last::HereHead { single: false },
                Last::AtInWord => self.lost = true,
                _ => self.open_literal(Open::Double),
            },
            '<' | '>' if last == Last::Plain => {
                return Err(
                    "a number directly before < or > names a stream: put a space after the placeholder",
                );
            }
            '<' => self.last = Last::Less,
            '`' => self.last = Last::Backtick,
            '$' => {
                self.start_word(Word::Assignable);
                self.value_due = false;
                self.last = Last::Dollar;
            }
            '@' => {
                self.last = if breaks { Last::At } else { Last::AtInWord };
                self.start_word(Word::Other);
            }
            '(' => {
                self.push(Open::Parenthesis, Last::Break);
                self.word = Word::None;
                self.value_due = true;
            }
            '{' => {
                self.push(if last == Last::At { Open::Hashtable } else { Open::Brace }, Last::Break);
                self.word = Word::None;
                self.value_due = false;
            }
            ')' => self.close_bracket(true),
            '}' => self.close_bracket(false),
            ']' => self.word = Word::Assignable,
            '=' => {
                let assigns = breaks
                    || matches!(self.word, Word::Assignable | Word::Operator)
                    || self.top() == Some(Open::Hashtable);
                self.start_word(Word::Operator);
                self.value_due = assigns;
                self.last = if assigns { Last::Break } else { Last::Other };
            }
            ';' | '|' | '&' | ',' => {
                self.last = Last::Break;
                self.word = Word::None;
                self.value_due = false;
            }
            c if c.is_whitespace() => {
                self.last = Last::Break;
                self.word = Word::None;
            }
            '-' | '\u{2013}'..='\u{2015}' => {
                self.last = match last {
                    Last::Dashes(1) => Last::Dashes(2),
                    _ if breaks => Last::Dashes(1),
                    _ => Last::Other,
                };
                self.start_word(Word::Operator);
                self.value_due = false;
            }
            '+' | '*' | '/' | '%' | '?' => {
                self.start_word(Word::Operator);
                self.value_due = false;
            }
            _ => {
                self.start_word(Word::Other);
                if self.word == Word::Operator {
                    self.word = Word::Other;
                }
                self.value_due = false;
            }
        }
        Ok(None)
    }

    fn open_literal(&mut self, literal: Open) {
        self.start_word(Word::Other);
        self.value_due = false;
        self.push(literal, Last::Other);
    }

    fn start_word(&mut self, word: Word) {
        if self.word == Word::None {
            self.word = word;
        }
    }

    fn read_double(&mut self, c: char, here: bool) {
        let last = std::mem::replace(&mut self.last, Last::Other);
        match (last, c) {
            (Last::Backtick, '\n' | '\r') if here => self.lost = true,
            (Last::Backtick, _) => {}
            (Last::HereEnd, '@') => self.close(Last::Closed),
            (Last::Dollar, '(') => {
                self.push(Open::Parenthesis, Last::Break);
                self.word = Word::None;
                self.value_due = true;
            }
            (Last::Dollar, '{') => self.push(Open::BracedVariable, Last::Other),
            (Last::Dollar, '$') => self.lost = true,
            (Last::Dollar | Last::Variable, c) if is_name(c) => self.last = Last::Variable,
            (_, '`') => self.last = Last::Backtick,
            (_, '$') => self.last = Last::Dollar,
            (_, '\n') if here => self.last = Last::LineStart,
            (Last::LineStart, c) if is_powershell_double_quote(c) => self.last = Last::HereEnd,
            (_, c) if !here && is_powershell_double_quote(c) => self.last = Last::MaybeEnd,
            _ => {}
        }
    }
}

/// What can be part of a variable's name or its scope.
fn is_name(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | ':')
}

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
        self.lost |= std::mem::replace(&mut self.half_line, c == '\r') && c != '\n';
        if self.lost {
            return Ok(None);
        }
        if self.last == Last::MaybeEnd {
            let single = self.top() == Some(Open::Single);
            let doubled = if single { is_powershell_single_quote(c) } else { is_powershell_double_quote(c) };
            if doubled {
                self.last = Last::Other;
                return Ok(None);
            }
            self.close(if single { Last::ClosedSingle } else { Last::Closed });
        }
        match self.top() {
            None | Some(Open::Parenthesis | Open::Brace | Open::Hashtable) => return self.read_code(c),
            Some(Open::Single) => {
                self.last = if is_powershell_single_quote(c) { Last::MaybeEnd } else { Last::Other };
            }
            Some(Open::HereSingle) => match (self.last, c) {
                (_, '\n') => self.last = Last::LineStart,
                (Last::LineStart, c) if is_powershell_single_quote(c) => self.last = Last::HereEnd,
                (Last::HereEnd, '@') => self.close(Last::Closed),
                _ => self.last = Last::Other,
            },
            Some(Open::Double) => self.read_double(c, false),
            Some(Open::HereDouble) => self.read_double(c, true),
            Some(Open::LineComment) if c == '\n' => {
                self.open.pop();
                self.last = Last::Break;
                self.word = Word::None;
            }
            Some(Open::LineComment) => self.last = Last::Other,
            Some(Open::BlockComment) => match (self.last, c) {
                (Last::Number, '>') => {
                    self.open.pop();
                    self.last = Last::Break;
                    self.word = Word::None;
                }
                (_, '#') => self.last = Last::Number,
                _ => self.last = Last::Other,
            },
            Some(Open::BracedVariable) => match (self.last, c) {
                (Last::Backtick, _) => self.last = Last::Other,
                (_, '`') => self.last = Last::Backtick,
                (_, '}') => {
                    self.open.pop();
                    self.last = Last::Closed;
                }
                _ => self.last = Last::Other,
            },
        }
        Ok(None)
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

//! What each character does to the state.

use super::state::{Last, Open, PowerShell, Word};
use crate::template::sink::{is_powershell_double_quote, is_powershell_single_quote};

impl PowerShell {
    /// Reads one character; a second state when it can be read in two ways.
    pub(super) fn read_char(&mut self, c: char) -> Result<Option<Self>, &'static str> {
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

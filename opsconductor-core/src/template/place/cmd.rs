//! How `cmd.exe` reads a command.

use super::{Machine, Place};

/// The state. There are only double quotes, which end with the line; `^` escapes outside them.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Cmd {
    quoted: bool,
    last: Last,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Last {
    Other,
    /// `^` outside quotes.
    Escape,
    /// `%` or `!`, which may begin the name of a variable.
    Variable,
    /// A double quote that closed a literal.
    Quote,
    /// A value as it is.
    Plain,
    /// A value in quotes, perhaps.
    Quoted,
}

impl Machine for Cmd {
    fn start() -> Self {
        Self { quoted: false, last: Last::Other }
    }

    fn read(&mut self, c: char) -> Result<Option<Self>, &'static str> {
        let last = std::mem::replace(&mut self.last, Last::Other);
        if last == Last::Escape && c != '\n' {
            return Ok(None);
        }
        match c {
            '"' if last == Last::Quoted => {
                return Err("a quoted placeholder touches a quotation mark: put a space between");
            }
            '"' => {
                if self.quoted {
                    self.last = Last::Quote;
                }
                self.quoted = !self.quoted;
            }
            '\n' => self.quoted = false,
            '<' | '>' if !self.quoted && last == Last::Plain => {
                return Err(
                    "a number directly before < or > names a stream: put a space after the placeholder",
                );
            }
            '^' if !self.quoted => self.last = Last::Escape,
            '%' | '!' => self.last = Last::Variable,
            _ => {}
        }
        Ok(None)
    }

    fn place(&self) -> Place {
        match (self.last, self.quoted) {
            (Last::Escape, _) => Place::refused("follows the escape character ^: remove it"),
            (Last::Variable, _) => {
                Place::refused("follows % or !, where it would name a variable: put it elsewhere")
            }
            (_, true) => Place::inside(
                "stands inside double quotes, where \"| quote\" would close them: remove one of the two",
            ),
            (Last::Quote | Last::Quoted, false) => Place {
                no_quote: Some(
                    "directly follows a quotation mark: put a space between, or leave out \"| quote\"",
                ),
                ..Place::open()
            },
            (_, false) => Place::open(),
        }
    }

    fn pass(&mut self, quoted: bool) -> Option<Self> {
        let before = self.clone();
        self.last = if quoted { Last::Quoted } else { Last::Plain };
        (self.quoted && !quoted).then_some(before)
    }

    fn same_region(&self, other: &Self) -> bool {
        self.quoted == other.quoted
    }
}

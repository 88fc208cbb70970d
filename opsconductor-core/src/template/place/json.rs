//! How JSON is read.

use super::{Machine, Place};
use crate::template::tree::Needs;

/// The state.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct JsonText {
    string: bool,
    last: Last,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Last {
    /// White space or punctuation: a value may begin.
    Break,
    /// Part of a value outside strings.
    Word,
    /// A backslash in a string.
    Escape,
    /// That many digits of a `\u` escape are still to come.
    Unicode(u8),
    /// A value that the template wrote.
    Value,
}

impl Machine for JsonText {
    fn start() -> Self {
        Self { string: false, last: Last::Break }
    }

    fn read(&mut self, c: char) -> Result<Option<Self>, &'static str> {
        if self.string {
            self.last = match (self.last, c) {
                (Last::Escape, 'u') => Last::Unicode(4),
                (Last::Escape, _) => Last::Word,
                (Last::Unicode(left), _) if left > 1 => Last::Unicode(left - 1),
                (_, '\\') => Last::Escape,
                (_, '"') => {
                    self.string = false;
                    Last::Word
                }
                _ => Last::Word,
            };
            return Ok(None);
        }
        let is_break = matches!(c, ' ' | '\t' | '\r' | '\n' | '{' | '}' | '[' | ']' | ',' | ':');
        if self.last == Last::Value && !is_break {
            return Err("text directly follows a JSON value: put the placeholder and the text in one string");
        }
        self.string = c == '"';
        self.last = if is_break { Last::Break } else { Last::Word };
        Ok(None)
    }

    fn place(&self) -> Place {
        match (self.string, self.last) {
            (true, Last::Escape | Last::Unicode(_)) => {
                Place::refused("stands in the middle of an escape: finish the escape")
            }
            (true, _) => Place::inside(
                "stands inside a JSON string, and \"| quote\" brings its own quotation marks: remove those around it",
            ),
            (false, Last::Word | Last::Value) => Place::refused(
                "directly follows another JSON value: put both in one string, or a comma between",
            ),
            (false, _) => Place {
                needs: Needs { something: true, json_token: true, ..Needs::default() },
                ..Place::default()
            },
        }
    }

    fn pass(&mut self, _quoted: bool) -> Option<Self> {
        // Nothing reads differently because a value in a string is empty: an escape was refused.
        self.last = if self.string { Last::Word } else { Last::Value };
        None
    }

    fn same_region(&self, other: &Self) -> bool {
        self.string == other.string
    }
}

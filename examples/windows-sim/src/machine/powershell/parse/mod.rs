//! From text to tree. The grammar depends on what stands before (command or expression), so there is no separate
//! token stream: the parser reads characters.

mod command;
mod expression;
mod lexer;
mod number;
mod operand;
mod script;
mod statement;
mod text;

use std::sync::Arc;

use super::ast::{ScriptAst, Source, Span};

pub(super) use lexer::scoped;
pub(super) use number::parse_number;

/// How deep expressions and blocks may stand in each other.
const DEPTH_MAX: usize = 200;

/// Why a script is no script.
#[derive(Debug, Clone)]
pub(super) struct ParseError {
    pub(super) message: String,
    pub(super) id: &'static str,
    pub(super) span: Span,
}

pub(super) type Parsed<T> = Result<T, ParseError>;

pub(super) struct Parser {
    source: Arc<Source>,
    at: usize,
    depth: usize,
    /// Inside the arguments of a method call, where a comma ends the argument.
    no_commas: bool,
}

/// Parses a whole script.
pub(super) fn parse(source: &Arc<Source>) -> Parsed<Arc<ScriptAst>> {
    let mut parser = Parser { source: source.clone(), at: 0, depth: 0, no_commas: false };
    let script = parser.script_body(None)?;
    Ok(Arc::new(script))
}

impl Parser {
    fn error<T>(&self, id: &'static str, message: impl Into<String>) -> Parsed<T> {
        let end = (self.at + 1).min(self.source.text.len());
        Err(ParseError { message: message.into(), id, span: Span { start: self.at.min(end), end } })
    }

    fn unexpected<T>(&self) -> Parsed<T> {
        match self.peek() {
            None => self.error("UnexpectedEndOfScript", "Unexpected end of script."),
            Some(_) => {
                let token: String =
                    self.source.text[self.at..].iter().take_while(|c| !c.is_whitespace()).take(30).collect();
                self.error(
                    "UnexpectedToken",
                    format!("Unexpected token '{token}' in expression or statement."),
                )
            }
        }
    }

    fn deeper<T>(&mut self, parse: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return self.error("ScriptTooComplicated", "The script is too complicated.");
        }
        let result = stacker::maybe_grow(128 * 1024, 1024 * 1024, || parse(self));
        self.depth -= 1;
        result
    }

    fn span_from(&self, start: usize) -> Span {
        let mut end = self.at;
        while end > start && self.source.text[end - 1].is_whitespace() {
            end -= 1;
        }
        Span { start, end }
    }
}

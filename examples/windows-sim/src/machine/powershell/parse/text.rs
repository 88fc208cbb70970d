//! String literals: quoted, here-strings, and what is expanded in them.

use super::super::ast::{Expr, ExprKind, Piece};
use super::super::value::Value;
use super::lexer::{is_double_quote, is_single_quote};
use super::{Parsed, Parser};

impl Parser {
    /// A string that starts at a quote or a here-string's `@`.
    pub(super) fn string(&mut self) -> Parsed<ExprKind> {
        if self.peek() == Some('@') {
            return self.here_string();
        }
        match self.bump() {
            Some(c) if is_single_quote(c) => {
                let mut text = String::new();
                loop {
                    match self.bump() {
                        None => return self.unterminated(),
                        Some(c) if is_single_quote(c) => {
                            if !self.peek().is_some_and(is_single_quote) {
                                return Ok(ExprKind::Constant(text.into()));
                            }
                            text.push(c);
                            self.at += 1;
                        }
                        Some(c) => text.push(c),
                    }
                }
            }
            _ => {
                let pieces = self.expandable(|p| p.peek().is_some_and(is_double_quote), true)?;
                self.at += 1;
                Ok(expand(pieces))
            }
        }
    }

    fn unterminated<T>(&self) -> Parsed<T> {
        self.error("TerminatorExpectedAtEndOfString", "The string is missing the terminator: \".")
    }

    fn here_string(&mut self) -> Parsed<ExprKind> {
        let single = self.peek_at(1).is_some_and(is_single_quote);
        self.at += 2;
        while matches!(self.peek(), Some(' ' | '\t' | '\r')) {
            self.at += 1;
        }
        if self.bump() != Some('\n') {
            return self.error(
                "UnexpectedCharactersAfterHereStringHeader",
                "No characters are allowed after a here-string header but before the end of the line.",
            );
        }
        let is_end = move |p: &Self| {
            let mut offset = 0;
            if p.at > 0 && p.source.text[p.at - 1] == '\n' {
                // An empty here-string ends at once.
            } else if p.peek() == Some('\n') {
                offset = 1;
            } else if p.peek() == Some('\r') && p.peek_at(1) == Some('\n') {
                offset = 2;
            } else {
                return false;
            }
            let quote = p.peek_at(offset).is_some_and(if single { is_single_quote } else { is_double_quote });
            quote && p.peek_at(offset + 1) == Some('@')
        };
        let kind = if single {
            let start = self.at;
            while !is_end(self) {
                if self.bump().is_none() {
                    return self.unterminated();
                }
            }
            ExprKind::Constant(self.source.text[start..self.at].iter().collect::<String>().into())
        } else {
            expand(self.expandable(is_end, false)?)
        };
        while matches!(self.peek(), Some('\r' | '\n')) {
            self.at += 1;
        }
        self.at += 2;
        Ok(kind)
    }

    /// Text with variables and sub-expressions up to where `ends` says so.
    pub(super) fn expandable(&mut self, ends: impl Fn(&Self) -> bool, doubled: bool) -> Parsed<Vec<Piece>> {
        let mut pieces = Vec::new();
        let mut text = String::new();
        loop {
            if ends(self) {
                if doubled && self.peek_at(1).is_some_and(is_double_quote) {
                    text.push('"');
                    self.at += 2;
                    continue;
                }
                break;
            }
            match self.peek() {
                None => return self.unterminated(),
                Some('`') => {
                    self.at += 1;
                    match self.bump() {
                        Some(c) => text.push(escaped(c)),
                        None => return self.unterminated(),
                    }
                }
                Some('$') => match self.embedded()? {
                    Some(expr) => {
                        flush(&mut pieces, &mut text);
                        pieces.push(Piece::Expr(expr));
                    }
                    None => {
                        text.push('$');
                        self.at += 1;
                    }
                },
                Some(c) => {
                    text.push(c);
                    self.at += 1;
                }
            }
        }
        flush(&mut pieces, &mut text);
        Ok(pieces)
    }

    /// `$name` or `$(...)` inside a string; none for a lone dollar.
    pub(super) fn embedded(&mut self) -> Parsed<Option<Expr>> {
        let start = self.at;
        if self.peek_at(1) == Some('(') {
            let expr = self.dollar()?;
            return Ok(Some(expr));
        }
        self.at += 1;
        match self.variable_name() {
            Some(name) => {
                let span = self.span_from(start);
                Ok(Some(Expr { kind: ExprKind::Variable(name), span }))
            }
            None => {
                self.at = start;
                Ok(None)
            }
        }
    }
}

fn escaped(c: char) -> char {
    match c {
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        '0' => '\0',
        'a' => '\u{7}',
        'b' => '\u{8}',
        'f' => '\u{c}',
        'v' => '\u{b}',
        other => other,
    }
}

fn flush(pieces: &mut Vec<Piece>, text: &mut String) {
    if !text.is_empty() {
        pieces.push(Piece::Text(std::mem::take(text).into()));
    }
}

/// A string without variables is a constant.
pub(super) fn expand(pieces: Vec<Piece>) -> ExprKind {
    match &pieces[..] {
        [] => ExprKind::Constant("".into()),
        [Piece::Text(text)] => ExprKind::Constant(Value::Str(text.clone())),
        _ => ExprKind::Expand(pieces),
    }
}

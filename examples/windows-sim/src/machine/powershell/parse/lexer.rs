//! Characters: white space, comments, names, numbers and string literals.

use std::sync::Arc;

use super::super::ast::{Expr, ExprKind, Piece, VariableName, VariableScope};
use super::super::value::Value;
use super::{Parsed, Parser};

pub(super) fn is_single_quote(c: char) -> bool {
    matches!(c, '\'' | '\u{2018}'..='\u{201B}')
}

pub(super) fn is_double_quote(c: char) -> bool {
    matches!(c, '"' | '\u{201C}'..='\u{201E}')
}

pub(super) fn is_dash(c: char) -> bool {
    matches!(c, '-' | '\u{2013}'..='\u{2015}')
}

/// What ends a bare word.
pub(super) fn ends_word(c: char) -> bool {
    c.is_whitespace() || matches!(c, ';' | '|' | '&' | '(' | ')' | '{' | '}' | ',' | '<' | '>')
}

impl Parser {
    pub(super) fn peek(&self) -> Option<char> {
        self.source.text.get(self.at).copied()
    }

    pub(super) fn peek_at(&self, offset: usize) -> Option<char> {
        self.source.text.get(self.at + offset).copied()
    }

    pub(super) fn bump(&mut self) -> Option<char> {
        let c = self.peek();
        self.at += usize::from(c.is_some());
        c
    }

    pub(super) fn looking_at(&self, text: &str) -> bool {
        text.chars().enumerate().all(|(i, c)| self.peek_at(i).is_some_and(|x| x.eq_ignore_ascii_case(&c)))
    }

    pub(super) fn take(&mut self, text: &str) -> bool {
        let found = self.looking_at(text);
        if found {
            self.at += text.chars().count();
        }
        found
    }

    /// Spaces, comments and continued lines.
    pub(super) fn skip_space(&mut self) {
        while let Some(c) = self.peek() {
            match c {
                '\n' | '\r' => break,
                _ if c.is_whitespace() || c == '\u{feff}' => self.at += 1,
                '`' if matches!(self.peek_at(1), Some('\n')) => self.at += 2,
                '`' if self.peek_at(1) == Some('\r') && self.peek_at(2) == Some('\n') => self.at += 3,
                '<' if self.peek_at(1) == Some('#') => {
                    self.at += 2;
                    while self.peek().is_some() && !self.looking_at("#>") {
                        self.at += 1;
                    }
                    self.at = (self.at + 2).min(self.source.text.len());
                }
                '#' => {
                    while !matches!(self.peek(), None | Some('\n')) {
                        self.at += 1;
                    }
                }
                _ => break,
            }
        }
    }

    /// The same, and line ends.
    pub(super) fn skip_lines(&mut self) {
        loop {
            self.skip_space();
            if !matches!(self.peek(), Some('\n' | '\r')) {
                return;
            }
            self.at += 1;
        }
    }

    /// Line ends and semicolons between statements.
    pub(super) fn skip_separators(&mut self) {
        loop {
            self.skip_lines();
            if self.peek() != Some(';') {
                return;
            }
            self.at += 1;
        }
    }

    /// Takes a keyword when it stands here as a whole word.
    pub(super) fn keyword(&mut self, word: &str) -> bool {
        let after = self.peek_at(word.chars().count());
        if self.looking_at(word)
            && !after.is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '\\'))
        {
            self.at += word.chars().count();
            return true;
        }
        false
    }

    pub(super) fn expect(&mut self, c: char, id: &'static str, message: &str) -> Parsed<()> {
        self.skip_lines();
        if self.peek() == Some(c) {
            self.at += 1;
            return Ok(());
        }
        self.error(id, message)
    }

    /// Letters, digits and `_`.
    pub(super) fn identifier(&mut self) -> String {
        let start = self.at;
        while self.peek().is_some_and(|c| c.is_alphanumeric() || c == '_') {
            self.at += 1;
        }
        self.source.text[start..self.at].iter().collect()
    }

    /// A variable after its `$` (or the `@` of splatting); none when no name follows.
    pub(super) fn variable_name(&mut self) -> Option<VariableName> {
        match self.peek()? {
            '{' => {
                let close = self.source.text[self.at..].iter().position(|&c| c == '}')?;
                let inside: String = self.source.text[self.at + 1..self.at + close].iter().collect();
                self.at += close + 1;
                Some(scoped(&inside.replace('`', "")))
            }
            c @ ('?' | '$' | '^') => {
                self.at += 1;
                Some(scoped(&c.to_string()))
            }
            c if c.is_alphanumeric() || c == '_' => {
                let mut name = self.identifier();
                let follows = |p: &Self| p.peek_at(1).is_some_and(|c| c.is_alphanumeric() || c == '_');
                if self.peek() == Some(':') && self.peek_at(1) != Some(':') && follows(self) {
                    self.at += 1;
                    let rest = self.identifier();
                    name = format!("{name}:{rest}");
                }
                Some(scoped(&name))
            }
            _ => None,
        }
    }

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

    /// A number here, with its suffixes; none when the word is none.
    pub(super) fn number(&mut self) -> Option<Value> {
        let start = self.at;
        let mut end = self.at;
        let text = &self.source.text;
        if text.get(end).is_some_and(|c| matches!(c, '0'))
            && text.get(end + 1).is_some_and(|c| matches!(c, 'x' | 'X'))
        {
            end += 2;
            while text.get(end).is_some_and(char::is_ascii_hexdigit) {
                end += 1;
            }
        } else {
            while text.get(end).is_some_and(char::is_ascii_digit) {
                end += 1;
            }
            if text.get(end) == Some(&'.') && text.get(end + 1).is_some_and(char::is_ascii_digit) {
                end += 1;
                while text.get(end).is_some_and(char::is_ascii_digit) {
                    end += 1;
                }
            }
            if matches!(text.get(end), Some('e' | 'E')) {
                let sign = usize::from(matches!(text.get(end + 1), Some('+' | '-')));
                if text.get(end + 1 + sign).is_some_and(char::is_ascii_digit) {
                    end += 1 + sign;
                    while text.get(end).is_some_and(char::is_ascii_digit) {
                        end += 1;
                    }
                }
            }
        }
        while text.get(end).is_some_and(|c| {
            matches!(
                c,
                'l' | 'L' | 'd' | 'D' | 'k' | 'K' | 'm' | 'M' | 'g' | 'G' | 't' | 'T' | 'b' | 'B' | 'p' | 'P'
            )
        }) {
            end += 1;
        }
        let word: String = text[start..end].iter().collect();
        let value = parse_number(&word)?;
        self.at = end;
        Some(value)
    }
}

/// A number literal: decimal, hexadecimal, with `L`, `d`, and `kb` to `pb`.
pub(in super::super) fn parse_number(word: &str) -> Option<Value> {
    let lower = word.to_ascii_lowercase();
    let (body, factor) = match lower.get(lower.len().saturating_sub(2)..) {
        Some("kb") => (&lower[..lower.len() - 2], 1_i64 << 10),
        Some("mb") => (&lower[..lower.len() - 2], 1 << 20),
        Some("gb") => (&lower[..lower.len() - 2], 1 << 30),
        Some("tb") => (&lower[..lower.len() - 2], 1 << 40),
        Some("pb") => (&lower[..lower.len() - 2], 1 << 50),
        _ => (lower.as_str(), 1),
    };
    if let Some(hex) = body.strip_prefix("0x") {
        let long = hex.ends_with('l');
        let number = u64::from_str_radix(hex.trim_end_matches('l'), 16).ok()?;
        return Some(match u32::try_from(number) {
            Ok(small) if !long && factor == 1 => Value::Int(small as i32),
            _ => Value::number((number as i64).checked_mul(factor)?),
        });
    }
    let first = body.chars().next()?;
    if !(first.is_ascii_digit() || first == '.' && body.len() > 1) {
        return None;
    }
    if let Some(long) = body.strip_suffix('l') {
        return Some(Value::Long(long.parse::<i64>().ok()?.checked_mul(factor)?));
    }
    if let Some(decimal) = body.strip_suffix('d') {
        return Some(Value::Double(decimal.parse::<f64>().ok()? * factor as f64));
    }
    match body.parse::<i64>() {
        Ok(number) => match number.checked_mul(factor) {
            Some(number) => Some(Value::number(number)),
            None => Some(Value::Double(number as f64 * factor as f64)),
        },
        Err(_) => Some(Value::Double(body.parse::<f64>().ok()? * factor as f64)),
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

pub(in super::super) fn scoped(name: &str) -> VariableName {
    let (scope, bare) = match name.split_once(':') {
        Some((scope, rest)) => match scope.to_ascii_lowercase().as_str() {
            "global" => (VariableScope::Global, rest),
            "script" => (VariableScope::Script, rest),
            "local" | "private" => (VariableScope::Local, rest),
            "env" => (VariableScope::Environment, rest),
            "function" => (VariableScope::Function, rest),
            "variable" => (VariableScope::Any, rest),
            _ => (VariableScope::Any, name),
        },
        None => (VariableScope::Any, name),
    };
    let key: Arc<str> = bare.to_lowercase().into();
    VariableName { scope, name: bare.into(), key }
}

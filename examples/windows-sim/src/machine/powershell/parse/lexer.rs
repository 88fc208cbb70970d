//! Characters: white space, comments, words and names.

use std::sync::Arc;

use super::super::ast::{VariableName, VariableScope};
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

//! Commands: a name, parameters, arguments and redirections.

use super::super::ast::{Argument, CallKind, Command, Element, Expr, ExprKind, Piece, Redirection};
use super::lexer::{ends_word, is_dash, is_double_quote, is_single_quote};
use super::number::parse_number;
use super::operand::is_assignable;
use super::text::expand;
use super::{Parsed, Parser};

impl Parser {
    /// One part of a pipeline; none where no command can start.
    pub(super) fn element(&mut self) -> Parsed<Option<Element>> {
        self.skip_space();
        let start = self.at;
        let Some(c) = self.peek() else { return Ok(None) };
        match c {
            '&' if self.peek_at(1) != Some('&') => {
                self.at += 1;
                return self.command(CallKind::Ampersand, start).map(Some);
            }
            '.' if self
                .peek_at(1)
                .is_some_and(|c| c.is_whitespace() || matches!(c, '$' | '(' | '{' | '"' | '\'')) =>
            {
                self.at += 1;
                return self.command(CallKind::Dot, start).map(Some);
            }
            ')' | '}' | ';' | '|' | '\n' | '\r' => return Ok(None),
            _ => {}
        }
        if self.starts_expression(c) {
            let expr = self.expression()?;
            let redirections = self.redirections()?;
            return Ok(Some(Element::Expression(expr, redirections)));
        }
        self.command(CallKind::Name, start).map(Some)
    }

    fn starts_expression(&mut self, c: char) -> bool {
        match c {
            '$' | '(' | '{' | '[' | '!' | ',' => true,
            '@' => !self.peek_at(1).is_some_and(char::is_alphabetic),
            '+' | '.' => {
                self.peek_at(1).is_some_and(|n| n.is_ascii_digit() || n == '(' || n == '$' || n == '+')
            }
            c if is_single_quote(c) || is_double_quote(c) => true,
            c if is_dash(c) => true,
            c if c.is_ascii_digit() => {
                // `7z.exe` is a command, `7` and `7+1` are not.
                let here = self.at;
                let number = self.number().is_some();
                let plain = !self.peek().is_some_and(|c| c.is_alphabetic() || matches!(c, '_' | '\\'));
                self.at = here;
                number && plain
            }
            _ => false,
        }
    }

    fn command(&mut self, call: CallKind, start: usize) -> Parsed<Element> {
        self.skip_space();
        let name = match self.peek() {
            Some('$' | '(' | '{') if call != CallKind::Name => {
                let operand = self.operand()?;
                self.members(operand)?
            }
            Some(c) if is_single_quote(c) || is_double_quote(c) => self.operand()?,
            Some(c) if !ends_word(c) => self.word()?,
            _ => {
                return self.error(
                    "MissingExpression",
                    format!(
                        "Missing expression after '{}' in pipeline element.",
                        if call == CallKind::Dot { '.' } else { '&' }
                    ),
                );
            }
        };
        let mut arguments = Vec::new();
        let mut redirections = Vec::new();
        loop {
            self.skip_space();
            let Some(c) = self.peek() else { break };
            match c {
                '\n' | '\r' | ';' | '|' | ')' | '}' => break,
                '&' => {
                    return self.error(
                        "AmpersandNotAllowed",
                        "The ampersand (&) character is not allowed. The & operator is reserved for future use; wrap an ampersand in double quotation marks (\"&\") to pass it as part of a string.",
                    );
                }
                '>' => redirections.push(self.redirection(1)?),
                '*' | '1'..='6' if self.peek_at(1) == Some('>') => {
                    let stream = c.to_digit(10).unwrap_or(0) as u8;
                    self.at += 1;
                    redirections.push(self.redirection(stream)?);
                }
                '<' => {
                    return self
                        .error("RedirectionNotSupported", "The '<' operator is reserved for future use.");
                }
                _ => arguments.push(self.argument(c)?),
            }
        }
        let span = self.span_from(start);
        Ok(Element::Command(Command { call, name, arguments, redirections, span }))
    }

    fn argument(&mut self, c: char) -> Parsed<Argument> {
        if is_dash(c) && self.peek_at(1).is_some_and(|c| c.is_alphabetic() || c == '_' || c == '?') {
            return self.parameter();
        }
        if c == '@' && self.peek_at(1).is_some_and(|c| c.is_alphabetic() || c == '_') {
            self.at += 1;
            if let Some(name) = self.variable_name() {
                return Ok(Argument::Splat(name));
            }
        }
        self.argument_values().map(Argument::Value)
    }

    fn parameter(&mut self) -> Parsed<Argument> {
        self.at += 1;
        let begin = self.at;
        while self.peek().is_some_and(|c| !ends_word(c) && c != ':' && c != '=') {
            self.at += 1;
        }
        let name: String = self.source.text[begin..self.at].iter().collect();
        let value = if self.peek() == Some(':') {
            self.at += 1;
            self.skip_space();
            Some(self.argument_values()?)
        } else {
            None
        };
        Ok(Argument::Parameter(name.into(), value))
    }

    /// `a` or `a,b,c`.
    fn argument_values(&mut self) -> Parsed<Expr> {
        let first = self.argument_value()?;
        let here = self.at;
        self.skip_space();
        if self.peek() != Some(',') {
            self.at = here;
            return Ok(first);
        }
        let start = first.span.start;
        let mut items = vec![first];
        while self.peek() == Some(',') {
            self.at += 1;
            self.skip_lines();
            items.push(self.argument_value()?);
            self.skip_space();
        }
        let span = self.span_from(start);
        Ok(Expr { kind: ExprKind::Comma(items), span })
    }

    fn argument_value(&mut self) -> Parsed<Expr> {
        let Some(c) = self.peek() else { return self.unexpected() };
        let structured = match c {
            '(' | '{' => true,
            '$' => self
                .peek_at(1)
                .is_some_and(|n| n.is_alphanumeric() || matches!(n, '_' | '(' | '{' | '?' | '$' | '^')),
            '@' => self
                .peek_at(1)
                .is_some_and(|n| matches!(n, '(' | '{') || is_single_quote(n) || is_double_quote(n)),
            c => is_single_quote(c) || is_double_quote(c),
        };
        if !structured {
            return self.word();
        }
        let start = self.at;
        let saved = std::mem::replace(&mut self.no_commas, false);
        let operand = self.operand().and_then(|operand| self.members(operand));
        self.no_commas = saved;
        let operand = operand?;
        // `$dir\file` and `$a-$b` are one word; what follows a group is an argument of its own.
        let goes_on = self.peek().is_some_and(|c| !ends_word(c));
        if goes_on && matches!(c, '$') {
            self.at = start;
            return self.word();
        }
        Ok(operand)
    }

    /// A bare word, in which variables are replaced and quotes group.
    fn word(&mut self) -> Parsed<Expr> {
        let start = self.at;
        let mut pieces = Vec::new();
        let mut text = String::new();
        while let Some(c) = self.peek() {
            match c {
                '$' => match self.embedded()? {
                    Some(expr) => {
                        let expr = if matches!(expr.kind, ExprKind::Variable(_)) {
                            self.members(expr)?
                        } else {
                            expr
                        };
                        if !text.is_empty() {
                            pieces.push(Piece::Text(std::mem::take(&mut text).into()));
                        }
                        pieces.push(Piece::Expr(expr));
                    }
                    None => {
                        text.push('$');
                        self.at += 1;
                    }
                },
                '`' => {
                    self.at += 1;
                    text.extend(self.bump());
                }
                c if is_single_quote(c) || is_double_quote(c) => match self.string()? {
                    ExprKind::Constant(value) => text.push_str(&value.to_text()),
                    ExprKind::Expand(inner) => {
                        if !text.is_empty() {
                            pieces.push(Piece::Text(std::mem::take(&mut text).into()));
                        }
                        pieces.extend(inner);
                    }
                    _ => {}
                },
                c if ends_word(c) => break,
                c => {
                    text.push(c);
                    self.at += 1;
                }
            }
        }
        if self.at == start {
            return self.unexpected();
        }
        let span = self.span_from(start);
        if pieces.is_empty() {
            let source: String = self.source.text[start..self.at].iter().collect();
            let unsigned = source.strip_prefix('-').unwrap_or(&source);
            let number = parse_number(unsigned).filter(|_| source == text);
            if let Some(number) = number {
                let number =
                    if unsigned.len() < source.len() { number.negated().unwrap_or(number) } else { number };
                return Ok(Expr { kind: ExprKind::Constant(number), span });
            }
        }
        if !text.is_empty() {
            pieces.push(Piece::Text(text.into()));
        }
        Ok(Expr { kind: expand(pieces), span })
    }

    fn redirections(&mut self) -> Parsed<Vec<Redirection>> {
        let mut found = Vec::new();
        loop {
            self.skip_space();
            match (self.peek(), self.peek_at(1)) {
                (Some('>'), _) => found.push(self.redirection(1)?),
                (Some(c @ ('*' | '1'..='6')), Some('>')) => {
                    self.at += 1;
                    found.push(self.redirection(c.to_digit(10).unwrap_or(0) as u8)?);
                }
                _ => return Ok(found),
            }
        }
    }

    fn redirection(&mut self, stream: u8) -> Parsed<Redirection> {
        self.at += 1;
        let append = self.peek() == Some('>');
        self.at += usize::from(append);
        if self.take("&1") {
            return Ok(Redirection { stream, append, file: None });
        }
        self.skip_space();
        if self.peek().is_none_or(|c| ends_word(c) && c != '(') {
            return self
                .error("MissingFileSpecification", "Missing file specification after redirection operator.");
        }
        let file = self.argument_value()?;
        Ok(Redirection { stream, append, file: Some(file) })
    }

    /// Whether an expression that was just parsed may stand left of an assignment.
    pub(super) fn assignable(expr: &Expr) -> bool {
        is_assignable(expr)
    }
}

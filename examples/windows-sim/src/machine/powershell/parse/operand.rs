//! Operands: literals, variables, members, indexes, calls and groups.

use std::sync::Arc;

use super::super::ast::{Block, Expr, ExprKind, Statement};
use super::lexer::{is_double_quote, is_single_quote};
use super::{Parsed, Parser};

impl Parser {
    /// An operand and what hangs on it: `.name`, `::name`, `[i]`, `(arguments)`, `++`.
    pub(super) fn postfix(&mut self) -> Parsed<Expr> {
        let operand = self.operand()?;
        let mut expr = self.members(operand)?;
        let here = self.at;
        self.skip_space();
        let delta = match (self.peek(), self.peek_at(1)) {
            (Some('+'), Some('+')) => 1,
            (Some('-'), Some('-')) => -1,
            _ => {
                self.at = here;
                return Ok(expr);
            }
        };
        if !is_assignable(&expr) {
            self.at = here;
            return Ok(expr);
        }
        self.at += 2;
        let span = self.span_from(expr.span.start);
        expr = Expr { kind: ExprKind::Step { target: Box::new(expr), delta, prefix: false }, span };
        Ok(expr)
    }

    pub(super) fn members(&mut self, mut expr: Expr) -> Parsed<Expr> {
        let start = expr.span.start;
        loop {
            let kind = match self.peek() {
                Some('.') if self.peek_at(1) != Some('.') && self.member_follows(1) => {
                    self.at += 1;
                    self.member(expr, false)?
                }
                Some(':') if self.peek_at(1) == Some(':') => {
                    self.at += 2;
                    self.member(expr, true)?
                }
                Some('[') => {
                    self.at += 1;
                    self.skip_lines();
                    let saved = std::mem::replace(&mut self.no_commas, false);
                    let index = self.expression();
                    self.no_commas = saved;
                    let index = index?;
                    self.expect(']', "MissingEndSquareBracket", "Missing ']' after array index expression.")?;
                    ExprKind::Index(Box::new(expr), Box::new(index))
                }
                _ => return Ok(expr),
            };
            let span = self.span_from(start);
            expr = Expr { kind, span };
        }
    }

    fn member_follows(&self, offset: usize) -> bool {
        self.peek_at(offset).is_some_and(|c| {
            c.is_alphabetic() || matches!(c, '_' | '$' | '(') || is_single_quote(c) || is_double_quote(c)
        })
    }

    fn member(&mut self, target: Expr, is_static: bool) -> Parsed<ExprKind> {
        let start = self.at;
        let name = match self.peek() {
            Some('$') => self.dollar()?,
            Some('(') => self.parenthesis()?,
            Some(c) if is_single_quote(c) || is_double_quote(c) => {
                let kind = self.string()?;
                Expr { kind, span: self.span_from(start) }
            }
            _ => {
                let word = self.identifier();
                if word.is_empty() {
                    return self
                        .error("MissingPropertyName", "Missing property name after reference operator.");
                }
                Expr { kind: ExprKind::Constant(word.into()), span: self.span_from(start) }
            }
        };
        let (target, name) = (Box::new(target), Box::new(name));
        if self.peek() != Some('(') {
            return Ok(ExprKind::Member { target, name, is_static });
        }
        self.at += 1;
        let mut arguments = Vec::new();
        self.skip_lines();
        while self.peek() != Some(')') {
            arguments.push(self.argument_expression()?);
            self.skip_lines();
            match self.peek() {
                Some(',') => {
                    self.at += 1;
                    self.skip_lines();
                }
                Some(')') => {}
                _ => {
                    return self.error("MissingEndParenthesisInMethodCall", "Missing ')' in method call.");
                }
            }
        }
        self.at += 1;
        Ok(ExprKind::Invoke { target, name, arguments, is_static })
    }

    /// One argument of a method call: an expression in which the comma separates arguments.
    fn argument_expression(&mut self) -> Parsed<Expr> {
        let saved = std::mem::replace(&mut self.no_commas, true);
        let result = self.expression();
        self.no_commas = saved;
        result
    }

    pub(super) fn operand(&mut self) -> Parsed<Expr> {
        self.skip_space();
        let start = self.at;
        let Some(c) = self.peek() else { return self.unexpected() };
        let kind = match c {
            '$' => return self.dollar(),
            '(' => return self.parenthesis(),
            '@' => match self.peek_at(1) {
                Some('(') => {
                    self.at += 2;
                    ExprKind::ArrayOf(self.block_until(')')?)
                }
                Some('{') => {
                    self.at += 2;
                    self.hash()?
                }
                Some(q) if is_single_quote(q) || is_double_quote(q) => self.string()?,
                _ => return self.unexpected(),
            },
            '{' => {
                self.at += 1;
                let script = self.script_block(start)?;
                ExprKind::Script(Arc::new(script))
            }
            '[' => ExprKind::Type(self.type_literal()?),
            c if is_single_quote(c) || is_double_quote(c) => self.string()?,
            c if c.is_ascii_digit() || c == '.' => match self.number() {
                Some(value) => ExprKind::Constant(value),
                None => return self.unexpected(),
            },
            _ => return self.unexpected(),
        };
        let span = self.span_from(start);
        Ok(Expr { kind, span })
    }

    /// `$name`, `${name}` and `$(...)`.
    pub(super) fn dollar(&mut self) -> Parsed<Expr> {
        let start = self.at;
        self.at += 1;
        let kind = if self.peek() == Some('(') {
            self.at += 1;
            ExprKind::Sub(self.block_until(')')?)
        } else {
            match self.variable_name() {
                Some(name) => ExprKind::Variable(name),
                None => {
                    self.at = start;
                    return self.unexpected();
                }
            }
        };
        let span = self.span_from(start);
        Ok(Expr { kind, span })
    }

    pub(super) fn parenthesis(&mut self) -> Parsed<Expr> {
        let start = self.at;
        self.at += 1;
        self.skip_lines();
        let saved = std::mem::replace(&mut self.no_commas, false);
        let inner = self.statement_or_error();
        self.no_commas = saved;
        let inner = inner?;
        self.expect(')', "MissingEndParenthesisInExpression", "Missing closing ')' in expression.")?;
        let span = self.span_from(start);
        Ok(Expr { kind: ExprKind::Paren(Box::new(inner)), span })
    }

    fn statement_or_error(&mut self) -> Parsed<Statement> {
        if self.peek() == Some(')') {
            return self.error("ExpectedExpression", "An expression was expected after '('.");
        }
        match self.statement()? {
            Some(statement) => Ok(statement),
            None => self.unexpected(),
        }
    }

    /// Statements up to the closing character, which is taken.
    pub(super) fn block_until(&mut self, close: char) -> Parsed<Block> {
        let saved = std::mem::replace(&mut self.no_commas, false);
        let block = self.statements(Some(close));
        self.no_commas = saved;
        let block = block?;
        if self.peek() != Some(close) {
            let (id, message) = if close == '}' {
                (
                    "MissingEndCurlyBrace",
                    "Missing closing '}' in statement block or type definition.".to_owned(),
                )
            } else {
                (
                    "MissingEndParenthesisInSubexpression",
                    format!("Missing closing '{close}' in subexpression."),
                )
            };
            return self.error(id, message);
        }
        self.at += 1;
        Ok(block)
    }

    fn hash(&mut self) -> Parsed<ExprKind> {
        let saved = std::mem::replace(&mut self.no_commas, false);
        let mut entries = Vec::new();
        loop {
            self.skip_separators();
            if self.peek() == Some('}') {
                self.at += 1;
                break;
            }
            let start = self.at;
            let key = match self.peek() {
                None => return self.error("MissingEndCurlyBrace", "The hash literal was incomplete."),
                Some(c) if c.is_alphabetic() || c == '_' => {
                    while self.peek().is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.')) {
                        self.at += 1;
                    }
                    let word: String = self.source.text[start..self.at].iter().collect();
                    Expr { kind: ExprKind::Constant(word.into()), span: self.span_from(start) }
                }
                _ => self.unary()?,
            };
            self.skip_space();
            if self.peek() != Some('=') {
                return self
                    .error("MissingEqualsInHashLiteral", "Missing '=' operator after key in hash literal.");
            }
            self.at += 1;
            self.skip_lines();
            let Some(value) = self.statement()? else {
                return self
                    .error("MissingStatementInHashLiteral", "Missing statement after '=' in hash literal.");
            };
            entries.push((key, value));
        }
        self.no_commas = saved;
        Ok(ExprKind::Hash(entries))
    }

    /// `[name]`, with generic arguments and array brackets, as one name without its outer brackets.
    pub(super) fn type_literal(&mut self) -> Parsed<Arc<str>> {
        let start = self.at + 1;
        let mut depth = 0_usize;
        while let Some(c) = self.bump() {
            match c {
                '[' => depth += 1,
                ']' => {
                    depth -= 1;
                    if depth == 0 {
                        let name: String = self.source.text[start..self.at - 1].iter().collect();
                        return Ok(name.trim().into());
                    }
                }
                c if c.is_alphanumeric() || matches!(c, '.' | '_' | ',' | ' ' | '+' | '`') => {}
                _ => break,
            }
        }
        self.at = start - 1;
        self.error(
            "EndSquareBracketExpectedAtEndOfAttribute",
            "Missing ] at end of attribute or type literal.",
        )
    }
}

pub(super) fn is_assignable(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Variable(_) | ExprKind::Index(..) | ExprKind::Member { .. } => true,
        ExprKind::Comma(items) => items.iter().all(is_assignable),
        ExprKind::Cast(_, inner) => is_assignable(inner),
        _ => false,
    }
}

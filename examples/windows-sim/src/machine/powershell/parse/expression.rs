//! Operators, from the loosest to the tightest.

use super::super::ast::{BinaryOp, Comparison, Expr, ExprKind, LogicalOp, UnaryOp};
use super::lexer::is_dash;
use super::{Parsed, Parser};

type Level = fn(&mut Parser) -> Parsed<Expr>;

impl Parser {
    /// An expression: the loosest level.
    pub(super) fn expression(&mut self) -> Parsed<Expr> {
        self.deeper(Self::logical)
    }

    fn logical(&mut self) -> Parsed<Expr> {
        let mut left = self.bitwise()?;
        while let Some(operator) = self.dash_operator(|name| match name {
            "and" => Some(LogicalOp::And),
            "or" => Some(LogicalOp::Or),
            "xor" => Some(LogicalOp::Xor),
            _ => None,
        }) {
            let right = self.right(Self::bitwise)?;
            let span = self.span_from(left.span.start);
            left = Expr { kind: ExprKind::Logical(operator, Box::new(left), Box::new(right)), span };
        }
        Ok(left)
    }

    fn bitwise(&mut self) -> Parsed<Expr> {
        self.binary(Self::comparison, |p| {
            p.dash_operator(|name| match name {
                "band" => Some(BinaryOp::BitAnd),
                "bor" => Some(BinaryOp::BitOr),
                "bxor" => Some(BinaryOp::BitXor),
                _ => None,
            })
        })
    }

    fn comparison(&mut self) -> Parsed<Expr> {
        self.binary(Self::additive, |p| p.dash_operator(comparison_operator))
    }

    fn additive(&mut self) -> Parsed<Expr> {
        self.binary(Self::multiplicative, |p| {
            let c = p.peek()?;
            let next = p.peek_at(1);
            let operator = match c {
                '+' => BinaryOp::Add,
                // `-eq` is an operator of its own; `$a -$b` and `$a - 1` subtract.
                c if is_dash(c) && !next.is_some_and(char::is_alphabetic) => BinaryOp::Subtract,
                _ => return None,
            };
            if next == Some('=') || next == Some(c) {
                return None;
            }
            p.at += 1;
            Some(operator)
        })
    }

    fn multiplicative(&mut self) -> Parsed<Expr> {
        self.binary(Self::format, |p| {
            let operator = match p.peek()? {
                '*' => BinaryOp::Multiply,
                '/' => BinaryOp::Divide,
                '%' => BinaryOp::Remainder,
                _ => return None,
            };
            if p.peek_at(1) == Some('=') {
                return None;
            }
            p.at += 1;
            Some(operator)
        })
    }

    fn format(&mut self) -> Parsed<Expr> {
        self.binary(Self::range, |p| p.dash_operator(|name| (name == "f").then_some(BinaryOp::Format)))
    }

    fn range(&mut self) -> Parsed<Expr> {
        self.binary(Self::comma, |p| p.take("..").then_some(BinaryOp::Range))
    }

    /// `a, b, c`.
    fn comma(&mut self) -> Parsed<Expr> {
        let first = self.unary()?;
        self.skip_space();
        if self.peek() != Some(',') || self.no_commas {
            return Ok(first);
        }
        let start = first.span.start;
        let mut items = vec![first];
        while self.peek() == Some(',') {
            self.at += 1;
            self.skip_lines();
            items.push(self.unary()?);
            self.skip_space();
        }
        let span = self.span_from(start);
        Ok(Expr { kind: ExprKind::Comma(items), span })
    }

    pub(super) fn unary(&mut self) -> Parsed<Expr> {
        self.deeper(|p| {
            p.skip_space();
            let start = p.at;
            let Some(kind) = p.unary_operator()? else { return p.postfix() };
            let span = p.span_from(start);
            Ok(Expr { kind, span })
        })
    }

    fn unary_operator(&mut self) -> Parsed<Option<ExprKind>> {
        let Some(c) = self.peek() else { return self.unexpected() };
        let next = self.peek_at(1);
        let (operator, width) = match c {
            '!' => (UnaryOp::Not, 1),
            ',' => (UnaryOp::Comma, 1),
            '+' | '-' if next == Some(c) => {
                self.at += 2;
                self.skip_space();
                let target = self.unary()?;
                let delta = if c == '+' { 1 } else { -1 };
                return Ok(Some(ExprKind::Step { target: Box::new(target), delta, prefix: true }));
            }
            '+' => (UnaryOp::Plus, 1),
            c if is_dash(c) && next.is_some_and(char::is_alphabetic) => {
                let operator = self.dash_operator(|name| match name {
                    "not" => Some(UnaryOp::Not),
                    "bnot" => Some(UnaryOp::BitNot),
                    "split" | "isplit" => Some(UnaryOp::Split),
                    "join" => Some(UnaryOp::Join),
                    _ => None,
                });
                match operator {
                    Some(operator) => (operator, 0),
                    None => return self.unexpected(),
                }
            }
            c if is_dash(c) => (UnaryOp::Minus, 1),
            '[' => return self.cast(),
            _ => return Ok(None),
        };
        self.at += width;
        self.skip_lines();
        let operand = self.unary()?;
        if let (UnaryOp::Minus, ExprKind::Constant(value)) = (operator, &operand.kind)
            && let Some(negative) = value.negated()
        {
            return Ok(Some(ExprKind::Constant(negative)));
        }
        Ok(Some(ExprKind::Unary(operator, Box::new(operand))))
    }

    /// `[type]value`; none when the type stands alone or before `::`.
    fn cast(&mut self) -> Parsed<Option<ExprKind>> {
        let start = self.at;
        let name = self.type_literal()?;
        self.skip_space();
        let operand = match self.peek() {
            Some(c) if c.is_alphanumeric() => c.is_ascii_digit(),
            Some('$' | '@' | '(' | '[' | '{' | '\'' | '"' | '!' | ',') => true,
            Some(c) if is_dash(c) => {
                self.peek_at(1).is_some_and(|c| c.is_ascii_digit() || matches!(c, '(' | '$'))
            }
            Some(c) => super::lexer::is_double_quote(c) || super::lexer::is_single_quote(c),
            None => false,
        };
        if !operand {
            self.at = start;
            return Ok(None);
        }
        let operand = self.unary()?;
        Ok(Some(ExprKind::Cast(name, Box::new(operand))))
    }

    fn binary(&mut self, next: Level, operator: fn(&mut Parser) -> Option<BinaryOp>) -> Parsed<Expr> {
        let mut left = next(self)?;
        loop {
            self.skip_space();
            let Some(operator) = operator(self) else { return Ok(left) };
            let right = self.right(next)?;
            let span = self.span_from(left.span.start);
            left = Expr { kind: ExprKind::Binary(operator, Box::new(left), Box::new(right)), span };
        }
    }

    fn right(&mut self, next: Level) -> Parsed<Expr> {
        self.skip_lines();
        if matches!(self.peek(), None | Some(')' | '}' | ';' | '|')) {
            return self.error(
                "ExpectedValueExpression",
                "You must provide a value expression following the operator.",
            );
        }
        next(self)
    }

    /// `-name`, when `find` knows the name.
    pub(super) fn dash_operator<T>(&mut self, find: impl Fn(&str) -> Option<T>) -> Option<T> {
        self.skip_space();
        if !self.peek().is_some_and(is_dash) {
            return None;
        }
        let start = self.at;
        self.at += 1;
        let begin = self.at;
        while self.peek().is_some_and(char::is_alphabetic) {
            self.at += 1;
        }
        let name: String = self.source.text[begin..self.at].iter().collect::<String>().to_lowercase();
        let found = find(&name);
        if found.is_none() {
            self.at = start;
        }
        found
    }
}

fn comparison_operator(name: &str) -> Option<BinaryOp> {
    let plain = |name: &str| {
        Some(match name {
            "eq" => Comparison::Eq,
            "ne" => Comparison::Ne,
            "gt" => Comparison::Gt,
            "ge" => Comparison::Ge,
            "lt" => Comparison::Lt,
            "le" => Comparison::Le,
            "like" => Comparison::Like,
            "notlike" => Comparison::NotLike,
            "match" => Comparison::Match,
            "notmatch" => Comparison::NotMatch,
            "replace" => Comparison::Replace,
            "split" => Comparison::Split,
            "contains" => Comparison::Contains,
            "notcontains" => Comparison::NotContains,
            "in" => Comparison::In,
            "notin" => Comparison::NotIn,
            _ => return None,
        })
    };
    match name {
        "is" => return Some(BinaryOp::Is),
        "isnot" => return Some(BinaryOp::IsNot),
        "as" => return Some(BinaryOp::As),
        "join" => return Some(BinaryOp::Join),
        "shl" => return Some(BinaryOp::ShiftLeft),
        "shr" => return Some(BinaryOp::ShiftRight),
        _ => {}
    }
    if let Some(comparison) = plain(name) {
        return Some(BinaryOp::Compare(comparison, false));
    }
    if let Some(comparison) = name.strip_prefix('i').and_then(plain) {
        return Some(BinaryOp::Compare(comparison, false));
    }
    name.strip_prefix('c').and_then(plain).map(|comparison| BinaryOp::Compare(comparison, true))
}

//! Statements.

use std::sync::Arc;

use super::super::ast::{
    BinaryOp, Block, Element, Expr, ExprKind, Statement, StatementKind, SwitchMode, VariableName,
};
use super::{Parsed, Parser};

impl Parser {
    /// Statements until the closing character (not taken) or the end.
    pub(super) fn statements(&mut self, close: Option<char>) -> Parsed<Block> {
        let mut statements = Vec::new();
        loop {
            self.skip_separators();
            if self.peek().is_none() || self.peek() == close {
                return Ok(Block { statements });
            }
            let Some(statement) = self.statement()? else { return self.unexpected() };
            let block_like =
                !matches!(statement.kind, StatementKind::Pipeline(_) | StatementKind::Assign { .. });
            statements.push(statement);
            self.skip_space();
            match self.peek() {
                None | Some('\n' | '\r' | ';') => {}
                c if c == close => {}
                _ if block_like => {}
                _ => return self.unexpected(),
            }
        }
    }

    /// One statement; none where none can start.
    pub(super) fn statement(&mut self) -> Parsed<Option<Statement>> {
        self.deeper(|p| {
            p.skip_space();
            let start = p.at;
            let kind = match p.keyword_statement()? {
                Some(kind) => kind,
                None => match p.pipeline()? {
                    Some(kind) => kind,
                    None => return Ok(None),
                },
            };
            let span = p.span_from(start);
            Ok(Some(Statement { kind, span }))
        })
    }

    fn keyword_statement(&mut self) -> Parsed<Option<StatementKind>> {
        let mut label = None;
        if self.peek() == Some(':') && self.peek_at(1).is_some_and(char::is_alphabetic) {
            self.at += 1;
            label = Some(self.identifier().to_lowercase());
            self.skip_lines();
        }
        if !self.peek().is_some_and(char::is_alphabetic) {
            return Ok(None);
        }
        let here = self.at;
        let word = self.identifier().to_lowercase();
        self.at = here;
        if !self.keyword(&word) {
            return Ok(None);
        }
        let kind = match word.as_str() {
            "if" => self.if_statement()?,
            "while" => {
                let condition = Box::new(self.condition("while")?);
                StatementKind::While { label, condition, body: self.body()? }
            }
            "do" => self.do_statement(label)?,
            "for" => self.for_statement(label)?,
            "foreach" => self.foreach_statement(label)?,
            "switch" => self.switch_statement(label)?,
            "try" => self.try_statement()?,
            "function" | "filter" => self.function(word == "filter")?,
            "return" => StatementKind::Return(self.optional_value()?),
            "throw" => StatementKind::Throw(self.optional_value()?),
            "exit" => StatementKind::Exit(self.optional_value()?),
            "break" => StatementKind::Break(self.label()),
            "continue" => StatementKind::Continue(self.label()),
            "trap" | "class" | "enum" | "using" | "data" | "workflow" | "configuration" => {
                self.at = here;
                return self
                    .error("NotSupported", format!("The '{word}' keyword is not supported by this model."));
            }
            _ => {
                self.at = here;
                return Ok(None);
            }
        };
        Ok(Some(kind))
    }

    fn optional_value(&mut self) -> Parsed<Option<Box<Statement>>> {
        self.skip_space();
        Ok(self.statement()?.map(Box::new))
    }

    fn label(&mut self) -> Option<String> {
        self.skip_space();
        self.peek().filter(|c| c.is_alphabetic())?;
        Some(self.identifier().to_lowercase())
    }

    fn condition(&mut self, keyword: &str) -> Parsed<Statement> {
        self.expect(
            '(',
            "MissingOpenParenthesis",
            &format!("Missing opening '(' after keyword '{keyword}'."),
        )?;
        self.skip_lines();
        let Some(condition) = self.statement()? else {
            return self.error(
                "IfStatementMissingCondition",
                format!("Missing condition in {keyword} statement after '{keyword} ('."),
            );
        };
        self.expect(
            ')',
            "MissingEndParenthesisAfterStatement",
            &format!("Missing closing ')' after expression in '{keyword}' statement."),
        )?;
        Ok(condition)
    }

    pub(super) fn body(&mut self) -> Parsed<Block> {
        self.expect('{', "MissingStatementBlock", "Missing statement block.")?;
        self.block_until('}')
    }

    /// Takes a keyword that may stand on a later line.
    fn keyword_after(&mut self, word: &str) -> bool {
        let here = self.at;
        self.skip_lines();
        let found = self.keyword(word);
        if !found {
            self.at = here;
        }
        found
    }

    fn if_statement(&mut self) -> Parsed<StatementKind> {
        let mut branches = vec![(self.condition("if")?, self.body()?)];
        let mut otherwise = None;
        loop {
            if self.keyword_after("elseif") {
                branches.push((self.condition("elseif")?, self.body()?));
            } else if self.keyword_after("else") {
                otherwise = Some(self.body()?);
                break;
            } else {
                break;
            }
        }
        Ok(StatementKind::If { branches, otherwise })
    }

    fn do_statement(&mut self, label: Option<String>) -> Parsed<StatementKind> {
        let body = self.body()?;
        let until = if self.keyword_after("while") {
            false
        } else if self.keyword_after("until") {
            true
        } else {
            return self.error(
                "MissingWhileOrUntilInDoWhile",
                "The while or until keyword was expected after the statement block of 'do'.",
            );
        };
        let condition = Box::new(self.condition(if until { "until" } else { "while" })?);
        Ok(StatementKind::Do { label, body, condition, until })
    }

    fn for_statement(&mut self, label: Option<String>) -> Parsed<StatementKind> {
        self.expect('(', "MissingOpenParenthesisAfterKeyword", "Missing opening '(' after keyword 'for'.")?;
        let mut parts = Vec::new();
        for index in 0..3 {
            self.skip_lines();
            parts.push(self.statement()?.map(Box::new));
            self.skip_lines();
            if index < 2 {
                self.take(";");
            }
        }
        self.expect(
            ')',
            "MissingEndParenthesisAfterStatement",
            "Missing closing ')' after expression in 'for' statement.",
        )?;
        let step = parts.pop().flatten();
        let condition = parts.pop().flatten();
        let init = parts.pop().flatten();
        Ok(StatementKind::For { label, init, condition, step, body: self.body()? })
    }

    fn foreach_statement(&mut self, label: Option<String>) -> Parsed<StatementKind> {
        self.expect(
            '(',
            "MissingOpenParenthesisAfterKeyword",
            "Missing opening '(' after keyword 'foreach'.",
        )?;
        self.skip_lines();
        let variable: Option<VariableName> = if self.take("$") { self.variable_name() } else { None };
        let Some(variable) = variable else {
            return self.error("MissingVariableNameAfterForeach", "Missing variable name after foreach.");
        };
        self.skip_lines();
        if !self.keyword("in") {
            return self.error("MissingInInForeach", "Missing 'in' after variable in foreach loop.");
        }
        self.skip_lines();
        let Some(values) = self.statement()? else {
            return self.error("MissingForeachExpression", "Missing expression after 'in' in foreach loop.");
        };
        self.expect(
            ')',
            "MissingEndParenthesisAfterForeach",
            "Missing closing ')' after expression in 'foreach' loop.",
        )?;
        Ok(StatementKind::ForEach { label, variable, values: Box::new(values), body: self.body()? })
    }

    fn switch_statement(&mut self, label: Option<String>) -> Parsed<StatementKind> {
        let mut mode = SwitchMode::default();
        loop {
            let option = self.dash_operator(|name| match name {
                "regex" | "wildcard" | "casesensitive" | "exact" => Some(name.to_owned()),
                _ => None,
            });
            match option.as_deref() {
                Some("regex") => mode.regex = true,
                Some("wildcard") => mode.wildcard = true,
                Some("casesensitive") => mode.case_sensitive = true,
                Some(_) => {}
                None => break,
            }
        }
        let value = Box::new(self.condition("switch")?);
        self.expect('{', "MissingCurlyBraceInSwitchStatement", "Missing opening '{' in switch statement.")?;
        let (mut cases, mut default) = (Vec::new(), None);
        loop {
            self.skip_separators();
            if self.take("}") {
                return Ok(StatementKind::Switch { label, mode, value, cases, default });
            }
            if self.peek().is_none() {
                return self.error("MissingEndCurlyBrace", "Missing closing '}' in statement block.");
            }
            if self.keyword("default") {
                default = Some(self.body()?);
                continue;
            }
            let start = self.at;
            let condition = match self.peek() {
                Some(c) if c.is_alphabetic() => {
                    let word = self.identifier();
                    Expr { kind: ExprKind::Constant(word.into()), span: self.span_from(start) }
                }
                _ => self.unary()?,
            };
            cases.push((condition, self.body()?));
        }
    }

    fn try_statement(&mut self) -> Parsed<StatementKind> {
        let body = self.body()?;
        let mut catches = Vec::new();
        let mut finally = None;
        while self.keyword_after("catch") {
            let mut types: Vec<Arc<str>> = Vec::new();
            self.skip_lines();
            while self.peek() == Some('[') {
                types.push(self.type_literal()?);
                self.skip_lines();
                self.take(",");
                self.skip_lines();
            }
            catches.push((types, self.body()?));
        }
        if self.keyword_after("finally") {
            finally = Some(self.body()?);
        }
        if catches.is_empty() && finally.is_none() {
            return self
                .error("MissingCatchOrFinally", "The Try statement is missing its Catch or Finally block.");
        }
        Ok(StatementKind::Try { body, catches, finally })
    }

    /// A pipeline or an assignment.
    fn pipeline(&mut self) -> Parsed<Option<StatementKind>> {
        let Some(first) = self.element()? else { return Ok(None) };
        if let Element::Expression(target, redirections) = &first
            && redirections.is_empty()
            && Self::assignable(target)
            && let Some(operator) = self.assignment_operator()
        {
            self.skip_lines();
            let Some(value) = self.statement()? else {
                return self.error(
                    "ExpectedValueExpression",
                    "You must provide a value expression following the '=' operator.",
                );
            };
            let Element::Expression(target, _) = first else { return Ok(None) };
            return Ok(Some(StatementKind::Assign { target, operator, value: Box::new(value) }));
        }
        let mut elements = vec![first];
        loop {
            self.skip_space();
            if self.peek() != Some('|') {
                break;
            }
            if self.peek_at(1) == Some('|') {
                return self.error(
                    "InvalidEndOfLine",
                    "The token '||' is not a valid statement separator in this version.",
                );
            }
            self.at += 1;
            self.skip_lines();
            match self.element()? {
                Some(element) => elements.push(element),
                None => return self.error("EmptyPipeElement", "An empty pipe element is not allowed."),
            }
        }
        if self.looking_at("&&") {
            return self.error(
                "InvalidEndOfLine",
                "The token '&&' is not a valid statement separator in this version.",
            );
        }
        Ok(Some(StatementKind::Pipeline(elements)))
    }

    /// Some(None) is plain `=`.
    #[expect(
        clippy::option_option,
        reason = "no operator, plain assignment and compound assignment are three things"
    )]
    fn assignment_operator(&mut self) -> Option<Option<BinaryOp>> {
        self.skip_space();
        let compound = match self.peek()? {
            '=' => {
                self.at += 1;
                return Some(None);
            }
            '+' => BinaryOp::Add,
            '-' => BinaryOp::Subtract,
            '*' => BinaryOp::Multiply,
            '/' => BinaryOp::Divide,
            '%' => BinaryOp::Remainder,
            _ => return None,
        };
        if self.peek_at(1) != Some('=') {
            return None;
        }
        self.at += 2;
        Some(Some(compound))
    }
}

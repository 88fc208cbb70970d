//! Script blocks and functions: attributes, `param`, `begin`, `process` and `end`.

use std::sync::Arc;

use super::super::ast::{Block, Parameter, ScriptAst, Span, StatementKind};
use super::lexer::ends_word;
use super::{Parsed, Parser};

impl Parser {
    /// The inside of a script block after its `{`, with the `}` taken.
    pub(super) fn script_block(&mut self, start: usize) -> Parsed<ScriptAst> {
        let saved = std::mem::replace(&mut self.no_commas, false);
        let body = self.deeper(|p| p.script_body(Some('}')));
        self.no_commas = saved;
        let mut body = body?;
        if self.peek() != Some('}') {
            return self
                .error("MissingEndCurlyBrace", "Missing closing '}' in statement block or type definition.");
        }
        self.at += 1;
        body.span = Span { start, end: self.at };
        Ok(body)
    }

    /// A script up to its end or the closing character (not taken).
    pub(super) fn script_body(&mut self, close: Option<char>) -> Parsed<ScriptAst> {
        let start = self.at;
        let (mut advanced, mut should_process) = (false, false);
        let mut parameters = Vec::new();
        self.skip_separators();
        let before = self.at;
        while self.peek() == Some('[') {
            let (text, is_attribute) = self.attribute()?;
            advanced |= is_attribute;
            should_process |= supports_should_process(&text);
            self.skip_lines();
        }
        if self.keyword("param") {
            parameters = self.parameters(&mut advanced)?;
        } else {
            // What looked like attributes was an expression.
            self.at = before;
            (advanced, should_process) = (false, false);
        }
        self.skip_separators();
        let (mut begin, mut process, mut end) = (None, None, None);
        while let Some(part) = self.named_block() {
            let block = self.body()?;
            match part {
                "begin" => begin = Some(block),
                "process" => process = Some(block),
                _ => end = Some(block),
            }
            self.skip_separators();
        }
        let named = begin.is_some() || process.is_some() || end.is_some();
        let end = match end {
            Some(end) => end,
            None if named => Block::default(),
            None => self.statements(close)?,
        };
        if self.peek() != close && close.is_none() {
            return self.unexpected();
        }
        let span = Span { start, end: self.at };
        Ok(ScriptAst {
            source: self.source.clone(),
            span,
            parameters,
            begin,
            process,
            end,
            advanced,
            should_process,
        })
    }

    fn named_block(&mut self) -> Option<&'static str> {
        let here = self.at;
        for word in ["begin", "process", "end"] {
            if self.keyword(word) {
                self.skip_lines();
                if self.peek() == Some('{') {
                    return Some(word);
                }
                self.at = here;
            }
        }
        None
    }

    pub(super) fn function(&mut self, filter: bool) -> Parsed<StatementKind> {
        self.skip_lines();
        let start = self.at;
        while self.peek().is_some_and(|c| !ends_word(c)) {
            self.at += 1;
        }
        let name: String = self.source.text[start..self.at].iter().collect();
        if name.is_empty() {
            return self.error("MissingNameAfterKeyword", "Missing name after function keyword.");
        }
        self.skip_lines();
        let mut advanced = false;
        let outer = if self.peek() == Some('(') { self.parameters(&mut advanced)? } else { Vec::new() };
        self.skip_lines();
        let open = self.at;
        self.expect('{', "MissingFunctionBody", "Missing function body in function declaration.")?;
        let mut body = self.script_block(open)?;
        if !outer.is_empty() {
            body.parameters = outer;
            body.advanced |= advanced;
        }
        if filter && body.process.is_none() {
            body.process = Some(std::mem::take(&mut body.end));
        }
        let name = name.rsplit(':').next().unwrap_or_default().to_owned();
        Ok(StatementKind::Function { name: name.into(), body: Arc::new(body) })
    }

    fn parameters(&mut self, advanced: &mut bool) -> Parsed<Vec<Parameter>> {
        self.expect('(', "MissingOpenParenthesisAfterParam", "Missing opening '(' after param.")?;
        let mut parameters = Vec::new();
        loop {
            self.skip_lines();
            if self.take(")") {
                return Ok(parameters);
            }
            let (mut type_name, mut mandatory, mut from_pipeline) = (None, false, false);
            let mut aliases = Vec::new();
            while self.peek() == Some('[') {
                let (text, is_attribute) = self.attribute()?;
                let lower = text.to_lowercase();
                if is_attribute {
                    if lower.starts_with("parameter") {
                        *advanced = true;
                        mandatory |= lower.contains("mandatory") && !lower.contains("mandatory=$false");
                        from_pipeline |= lower.contains("valuefrompipeline");
                    } else if let Some(list) = lower.strip_prefix("alias(") {
                        let names = list.trim_end_matches(')').split(',');
                        aliases.extend(names.map(|n| n.trim_matches([' ', '\'', '"']).to_owned()));
                    }
                } else {
                    type_name = Some(text.into());
                }
                self.skip_lines();
            }
            if !self.take("$") {
                return self.error("MissingVariableInParameter", "Missing variable name in parameter.");
            }
            let Some(name) = self.variable_name() else { return self.unexpected() };
            self.skip_lines();
            let default = if self.take("=") {
                self.skip_lines();
                let saved = std::mem::replace(&mut self.no_commas, true);
                let default = self.expression();
                self.no_commas = saved;
                Some(default?)
            } else {
                None
            };
            parameters.push(Parameter {
                name: name.name,
                type_name,
                default,
                mandatory,
                from_pipeline,
                aliases,
            });
            self.skip_lines();
            if self.peek() != Some(')') && !self.take(",") {
                return self.error(
                    "MissingEndParenthesisInFunctionParameterList",
                    "Missing ')' in function parameter list.",
                );
            }
        }
    }

    /// `[name]` or `[name(...)]`: its text without white space, and whether it is an attribute rather than a type.
    fn attribute(&mut self) -> Parsed<(String, bool)> {
        let start = self.at;
        let mut depth = 0_usize;
        let mut text = String::new();
        while let Some(c) = self.bump() {
            match c {
                '[' | '(' | '{' => depth += 1,
                ']' | ')' | '}' => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth == 0 {
                let text = text.trim_start_matches('[').to_owned();
                let is_attribute = text.contains('(');
                return Ok((text, is_attribute));
            }
            if !c.is_whitespace() {
                text.push(c);
            }
        }
        self.at = start;
        self.unexpected()
    }
}

/// Whether an attribute, its text without white space, is `[CmdletBinding(SupportsShouldProcess)]` in either spelling.
fn supports_should_process(attribute: &str) -> bool {
    let lower = attribute.to_lowercase();
    let given =
        lower.strip_prefix("cmdletbinding(").and_then(|rest| rest.split_once("supportsshouldprocess"));
    given.is_some_and(|(_, value)| !value.starts_with("=$false"))
}

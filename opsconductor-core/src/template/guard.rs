//! Looks at the tokens of a template before it is parsed. The parser recurses, and so does dropping what it built:
//! what would nest too deep for a thread's stack is refused here, where nothing recurses.

use minijinja::machinery::{Span, Token, Tokenizer};
use minijinja::syntax::SyntaxConfig;

use super::budget::SOURCE_BYTES_MAX;
use super::syntax::{at, syntax_error};
use crate::error::{Error, ErrorKind, Result};

/// Open brackets in one tag.
const BRACKETS_MAX: usize = 24;
/// `not`, `-` and `if` in one tag.
const PREFIXES_MAX: usize = 32;
/// Operators of any kind in one tag.
const OPERATORS_MAX: usize = 128;
/// Open blocks, an `elif` counted as one more.
const BLOCKS_MAX: usize = 32;
/// Open loops. The text around placeholders is read again for each pass through a loop.
const LOOPS_MAX: usize = 4;

#[derive(Default)]
struct Tag<'s> {
    keyword: Option<&'s str>,
    brackets: usize,
    prefixes: usize,
    operators: usize,
    assigns: bool,
    any: bool,
    is_block: bool,
}

/// Refuses a source that is too long, nested too deep, or uses a statement that templates may not.
pub(super) fn check(source: &str) -> Result<()> {
    check_length(source)?;
    let mut tokens = Tokenizer::new(source, "template", false, SyntaxConfig::default());
    let mut tag = Tag::default();
    let mut blocks: Vec<(&str, usize)> = Vec::new();
    while let Some((token, span)) = tokens.next_token().map_err(|error| syntax_error(&error))? {
        match token {
            Token::TemplateData(_) => {}
            Token::VariableStart => tag = Tag::default(),
            Token::BlockStart => tag = Tag { is_block: true, ..Tag::default() },
            Token::BlockEnd => close_tag(&tag, &mut blocks, span)?,
            Token::VariableEnd => {}
            token => tag.count(&token, span)?,
        }
    }
    Ok(())
}

/// The same for an expression that stands alone.
pub(super) fn check_expression(source: &str) -> Result<()> {
    check_length(source)?;
    let mut tokens = Tokenizer::new(source, "condition", true, SyntaxConfig::default());
    let mut tag = Tag::default();
    while let Some((token, span)) = tokens.next_token().map_err(|error| syntax_error(&error))? {
        tag.count(&token, span)?;
    }
    Ok(())
}

fn check_length(source: &str) -> Result<()> {
    if source.len() > SOURCE_BYTES_MAX {
        return Err(Error::new(
            ErrorKind::Template,
            "the template is longer than 64 KiB: shorten it, or send the text as a script or a file",
        ));
    }
    Ok(())
}

impl<'s> Tag<'s> {
    fn count(&mut self, token: &Token<'s>, span: Span) -> Result<()> {
        if self.is_block && !self.any {
            self.any = true;
            if let Token::Ident(keyword) = token {
                self.keyword = Some(keyword);
                return Ok(());
            }
        }
        match token {
            Token::BracketOpen | Token::ParenOpen | Token::BraceOpen => {
                self.brackets += 1;
                self.operators += 1;
            }
            Token::BracketClose | Token::ParenClose | Token::BraceClose => {
                self.brackets = self.brackets.saturating_sub(1);
            }
            Token::Minus | Token::Ident("not" | "if") => {
                self.prefixes += 1;
                self.operators += 1;
            }
            Token::Assign => self.assigns |= self.brackets == 0,
            Token::Ident("and" | "or" | "in" | "is" | "else")
            | Token::Plus
            | Token::Mul
            | Token::Div
            | Token::FloorDiv
            | Token::Pow
            | Token::Mod
            | Token::Dot
            | Token::Tilde
            | Token::Pipe
            | Token::Eq
            | Token::Ne
            | Token::Gt
            | Token::Gte
            | Token::Lt
            | Token::Lte => self.operators += 1,
            _ => {}
        }
        if self.brackets > BRACKETS_MAX || self.prefixes > PREFIXES_MAX || self.operators > OPERATORS_MAX {
            return Err(at(span, "the expression is too long or nested too deep: split it with {% set %}"));
        }
        Ok(())
    }
}

fn close_tag<'s>(tag: &Tag<'s>, blocks: &mut Vec<(&'s str, usize)>, span: Span) -> Result<()> {
    match tag.keyword {
        Some(keyword @ ("if" | "for" | "with")) => blocks.push((keyword, 1)),
        Some("set") if !tag.assigns => blocks.push(("set", 1)),
        Some("set" | "else") | None => {}
        Some("elif") => {
            if let Some((_, weight)) = blocks.last_mut() {
                *weight += 1;
            }
        }
        Some("endif" | "endfor" | "endwith" | "endset") => {
            blocks.pop();
        }
        Some(other) => {
            return Err(at(
                span,
                &format!("the statement \"{other}\" is not available: templates have if, for, set and with"),
            ));
        }
    }
    let depth: usize = blocks.iter().map(|(_, weight)| weight).sum();
    let loops = blocks.iter().filter(|(keyword, _)| *keyword == "for").count();
    if depth > BLOCKS_MAX || loops > LOOPS_MAX {
        return Err(at(
            span,
            "the blocks are nested too deep: a template takes 32 open blocks, an elif counted as one, and 4 open loops",
        ));
    }
    Ok(())
}

//! Writes the value of a placeholder, if it may stand where the placeholder stands.

use std::borrow::Cow;

use serde_json::Value as Json;

use super::{Evaluation, unset};
use crate::error::Result;
use crate::template::budget::{OUTPUT_BYTES_MAX, Spent};
use crate::template::sink::{Sink, is_plain, is_plain_inside, quote_into};
use crate::template::tree::{Emit, How};
use crate::template::value::{Val, kind, scalar_text, write_json};

impl<'t> Evaluation<'t> {
    pub(super) fn emit(&mut self, emit: &'t Emit) -> Result<()> {
        self.line = emit.line;
        let value = self.eval(&emit.expr)?;
        let Some(json) = value.json() else {
            let Val::Missing(expr) = value else { return Ok(()) };
            return Err(unset(expr).with("line", emit.line).with("column", emit.column));
        };
        match emit.how {
            How::Plain => self.emit_plain(json, emit),
            How::Quote => self.emit_quoted(json, emit),
            How::Raw | How::Collect => self.emit_unchecked(json, emit),
        }
    }

    fn emit_plain(&mut self, value: &Json, emit: &Emit) -> Result<()> {
        if self.sink == Sink::Text {
            return self.emit_unchecked(value, emit);
        }
        let needs = emit.needs;
        let text = match self.text_of(value) {
            Some(text) => text,
            None if needs.json_token && value.is_null() => Cow::Borrowed("null"),
            None if value.is_null() => {
                return Err(emit.blame("is null: give it a value or a default"));
            }
            None => {
                return Err(emit.blame(&format!("is {}: {}", kind(value), self.remedy_for_lists())));
            }
        };
        self.room(text.len())?;
        let plain = if needs.json_token && value.is_number() {
            true
        } else {
            (is_plain(&text, self.sink) || (text.is_empty() && !needs.something))
                && (!needs.literal || is_plain_inside(&text, self.sink))
        };
        if !plain {
            return Err(emit.blame(&self.remedy(text.is_empty(), needs.literal)));
        }
        if needs.number && !is_number(&text) {
            return Err(emit
                .blame("is a word where PowerShell would run it as a command: pass it through \"| quote\""));
        }
        if needs.json_token && !is_json_token(&text) {
            return Err(emit.blame("is text where JSON needs a value: pass it through \"| quote\", which brings the quotation marks",
            ));
        }
        self.out.push_str(&text);
        Ok(())
    }

    /// A scalar's text. JSON spells booleans in its own way.
    fn text_of<'v>(&self, value: &'v Json) -> Option<Cow<'v, str>> {
        match value {
            Json::Bool(truth) if self.sink == Sink::Json => {
                Some(Cow::Borrowed(if *truth { "true" } else { "false" }))
            }
            value => scalar_text(value),
        }
    }

    fn remedy(&self, empty: bool, literal: bool) -> String {
        let what = if empty { "is empty".to_owned() } else { format!("is not plain for {}", self.sink) };
        if literal {
            format!(
                "{what} and stands inside a literal or a comment: take the placeholder out of it and pass it through \
                 \"| quote\""
            )
        } else {
            format!("{what}: pass it through \"| quote\"")
        }
    }

    fn remedy_for_lists(&self) -> &'static str {
        if self.sink == Sink::Json {
            "pass it through \"| quote\""
        } else {
            "write its elements one at a time"
        }
    }

    fn emit_quoted(&mut self, value: &Json, emit: &Emit) -> Result<()> {
        if self.sink == Sink::Json {
            return self.emit_json(value);
        }
        if self.sink == Sink::Text {
            return self.emit_unchecked(value, emit);
        }
        let text = match self.text_of(value) {
            Some(text) => text,
            None if value.is_null() => {
                return Err(emit.blame("is null: give it a value or a default"));
            }
            None => {
                return Err(emit.blame(&format!("is {}: {}", kind(value), self.remedy_for_lists())));
            }
        };
        if text.is_empty() && self.sink == Sink::Url && emit.needs.something {
            return Err(emit.blame("is empty where the URL needs a segment: give it a value or a default"));
        }
        self.room(text.len())?;
        quote_into(&text, self.sink, &mut self.out).map_err(|why| emit.blame(why))?;
        self.room(0)
    }

    fn emit_unchecked(&mut self, value: &Json, emit: &Emit) -> Result<()> {
        if value.is_null() && self.sink != Sink::Json {
            return Err(emit.blame("is null: give it a value or a default"));
        }
        match self.text_of(value) {
            Some(text) => {
                self.room(text.len())?;
                self.out.push_str(&text);
                Ok(())
            }
            None => self.emit_json(value),
        }
    }

    fn emit_json(&mut self, value: &Json) -> Result<()> {
        write_json(value, &mut self.out, OUTPUT_BYTES_MAX, &mut self.budget)
            .map_err(|spent| self.spent(spent))
    }

    /// Checks that the output has room for `bytes` more, and counts them.
    pub(super) fn room(&mut self, bytes: usize) -> Result<()> {
        if self.out.len().saturating_add(bytes) > OUTPUT_BYTES_MAX {
            return Err(self.spent(Spent::Output));
        }
        self.pay(|budget| budget.read(bytes))
    }
}

fn is_number(text: &str) -> bool {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    [whole, fraction].iter().all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
}

fn is_json_token(text: &str) -> bool {
    matches!(text, "true" | "false" | "null") || serde_json::from_str::<serde_json::Number>(text).is_ok()
}

//! Filters on text.

use std::borrow::Cow;

use serde_json::Value as Json;

use super::{Filter, Refused, list_of, text_of};
use crate::template::budget::Budget;
use crate::template::value::Val;

impl Filter {
    pub(super) fn trim<'t>(
        self,
        value: &Json,
        chars: Option<&Json>,
        budget: &mut Budget,
    ) -> Result<Val<'t>, Refused> {
        let text = text_of(value, budget)?;
        let set = chars.map(|chars| chars.as_str().ok_or("needs a string of characters")).transpose()?;
        if set.is_some_and(|set| set.len() > 64) {
            return Err("takes at most 64 characters to trim".into());
        }
        let drop = |c: char| set.map_or(c.is_whitespace(), |set| set.contains(c));
        let kept = match self {
            Self::TrimStart => text.trim_start_matches(drop),
            Self::TrimEnd => text.trim_end_matches(drop),
            _ => text.trim_matches(drop),
        };
        Ok(Val::own(kept))
    }
}

/// Applies a change that makes a text at most about three times as long.
pub(super) fn map_text<'t>(
    value: &Json,
    budget: &mut Budget,
    change: impl Fn(&str) -> String,
) -> Result<Val<'t>, Refused> {
    let text = text_of(value, budget)?;
    budget.build(text.len().saturating_mul(2))?;
    Ok(Val::own(change(&text)))
}

pub(super) fn capitalize(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(chars.as_str().to_lowercase().chars()).collect()
    })
}

/// As Jinja2, a word begins after white space, a dash or an opening bracket.
pub(super) fn title(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut begins = true;
    for c in text.chars() {
        if begins {
            out.extend(c.to_uppercase());
        } else {
            out.extend(c.to_lowercase());
        }
        begins = c.is_whitespace() || matches!(c, '-' | '(' | '{' | '[' | '<');
    }
    out
}

pub(super) fn strings<'s, 't>(
    items: impl Iterator<Item = &'s str>,
    budget: &mut Budget,
) -> Result<Val<'t>, Refused> {
    let mut list = Vec::new();
    for item in items {
        budget.step()?;
        budget.build(136 + item.len())?;
        list.push(Json::from(item));
    }
    Ok(Val::own(list))
}

pub(super) fn split<'t>(
    value: &Json,
    separator: Option<&Json>,
    budget: &mut Budget,
) -> Result<Val<'t>, Refused> {
    let text = text_of(value, budget)?;
    match separator {
        None | Some(Json::Null) => strings(text.split_whitespace(), budget),
        Some(Json::String(separator)) if !separator.is_empty() => {
            strings(text.split(separator.as_str()), budget)
        }
        Some(_) => Err("needs a separator that is a string and not empty".into()),
    }
}

pub(super) fn replace<'t>(
    value: &Json,
    old: Option<&Json>,
    new: Option<&Json>,
    budget: &mut Budget,
) -> Result<Val<'t>, Refused> {
    let text = text_of(value, budget)?;
    let old = text_of(old.unwrap_or(&Json::Null), budget)?;
    let new = text_of(new.unwrap_or(&Json::Null), budget)?;
    if old.is_empty() {
        return Err("needs a text to replace that is not empty".into());
    }
    let found = text.matches(&*old).count();
    budget.build(found.saturating_mul(new.len().saturating_add(16)))?;
    Ok(Val::own(text.replace(&*old, &new)))
}

pub(super) fn join<'t>(
    value: &Json,
    separator: Option<&Json>,
    budget: &mut Budget,
) -> Result<Val<'t>, Refused> {
    let separator = match separator {
        None => Cow::Borrowed(""),
        Some(separator) => text_of(separator, budget)?,
    };
    let mut out = String::new();
    for (index, item) in list_of(value)?.iter().enumerate() {
        budget.step()?;
        let text = text_of(item, budget)?;
        budget.build(separator.len().saturating_add(text.len()))?;
        if index > 0 {
            out.push_str(&separator);
        }
        out.push_str(&text);
    }
    Ok(Val::own(out))
}

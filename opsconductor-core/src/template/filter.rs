//! The filters a template may use, each bounded by the render's budget.

mod list;
mod number;
mod text;

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::Value as Json;

use self::list::unique;
use self::number::{abs, float, int, round, sum};
pub(super) use self::number::{from_f64, from_i128};
use self::text::{capitalize, join, map_text, replace, split, strings, title};
use super::budget::{Budget, OUTPUT_BYTES_MAX, Spent};
use super::sink::percent_encode;
use super::value::{Val, copy, is_true, kind, scalar_text, weigh, write_json};

/// A filter, or a method of a value that does the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Filter {
    Abs,
    B64Decode,
    B64Encode,
    Bool,
    Capitalize,
    Default,
    First,
    Float,
    Get,
    Int,
    Items,
    Join,
    Keys,
    Last,
    Length,
    Lines,
    List,
    Lower,
    Max,
    Min,
    Replace,
    Reverse,
    Round,
    Sort,
    Split,
    Str,
    Sum,
    Title,
    ToJson,
    Trim,
    TrimEnd,
    TrimStart,
    Unique,
    Upper,
    UrlEncode,
    Values,
}

/// Why a filter gave no value.
#[derive(Debug)]
pub(super) enum Refused {
    Spent(Spent),
    /// Completes "the filter `x` …".
    Because(Cow<'static, str>),
}

impl From<Spent> for Refused {
    fn from(spent: Spent) -> Self {
        Self::Spent(spent)
    }
}

impl From<&'static str> for Refused {
    fn from(why: &'static str) -> Self {
        Self::Because(Cow::Borrowed(why))
    }
}

impl Filter {
    /// The filter of that name, if templates may use it.
    pub(super) fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "abs" => Self::Abs,
            "b64decode" => Self::B64Decode,
            "b64encode" => Self::B64Encode,
            "bool" => Self::Bool,
            "capitalize" => Self::Capitalize,
            "default" | "d" => Self::Default,
            "first" => Self::First,
            "float" => Self::Float,
            "int" => Self::Int,
            "items" => Self::Items,
            "join" => Self::Join,
            "last" => Self::Last,
            "length" | "count" => Self::Length,
            "lines" => Self::Lines,
            "list" => Self::List,
            "lower" => Self::Lower,
            "max" => Self::Max,
            "min" => Self::Min,
            "replace" => Self::Replace,
            "reverse" => Self::Reverse,
            "round" => Self::Round,
            "sort" => Self::Sort,
            "split" => Self::Split,
            "string" => Self::Str,
            "sum" => Self::Sum,
            "title" => Self::Title,
            "tojson" => Self::ToJson,
            "trim" => Self::Trim,
            "unique" => Self::Unique,
            "upper" => Self::Upper,
            "urlencode" => Self::UrlEncode,
            _ => return None,
        })
    }

    /// The filter that does what Python's method of that name does.
    pub(super) fn from_method(name: &str) -> Option<Self> {
        Some(match name {
            "capitalize" => Self::Capitalize,
            "get" => Self::Get,
            "items" => Self::Items,
            "keys" => Self::Keys,
            "lower" => Self::Lower,
            "lstrip" => Self::TrimStart,
            "replace" => Self::Replace,
            "rstrip" => Self::TrimEnd,
            "split" => Self::Split,
            "splitlines" => Self::Lines,
            "strip" => Self::Trim,
            "title" => Self::Title,
            "upper" => Self::Upper,
            "values" => Self::Values,
            _ => return None,
        })
    }

    /// How many arguments it takes, and their names.
    pub(super) fn parameters(self) -> (std::ops::RangeInclusive<usize>, &'static [&'static str]) {
        match self {
            Self::Default => (0..=2, &["default_value", "boolean"]),
            Self::Get => (1..=2, &["key", "default"]),
            Self::Float | Self::Int => (0..=1, &["default"]),
            Self::Join => (0..=1, &["d"]),
            Self::Replace => (2..=2, &["old", "new"]),
            Self::Round => (0..=1, &["precision"]),
            Self::Sort => (0..=1, &["reverse"]),
            Self::Split => (0..=1, &["sep"]),
            Self::Trim | Self::TrimEnd | Self::TrimStart => (0..=1, &["chars"]),
            _ => (0..=0, &[]),
        }
    }

    /// Applies the filter. `Default` is not applied here: it alone takes a missing value.
    pub(super) fn apply<'t>(
        self,
        on: &Val<'t>,
        args: &[Option<&Json>],
        budget: &mut Budget,
    ) -> Result<Val<'t>, Refused> {
        let value = on.json().unwrap_or(&Json::Null);
        let argument = |index: usize| args.get(index).copied().flatten();
        match self {
            Self::Default => Ok(on.clone()),
            Self::Abs => abs(value),
            Self::Bool => Ok(Val::own(is_true(value))),
            Self::Int => int(value, argument(0), budget),
            Self::Float => float(value, argument(0), budget),
            Self::Round => round(value, argument(0)),
            Self::Str => match value {
                Json::String(_) => Ok(on.clone()),
                _ => Ok(Val::own(text_of(value, budget)?.into_owned())),
            },
            Self::ToJson => {
                let mut out = String::new();
                write_json(value, &mut out, OUTPUT_BYTES_MAX, budget)?;
                budget.build(out.len())?;
                Ok(Val::own(out))
            }
            Self::Capitalize => map_text(value, budget, capitalize),
            Self::Title => map_text(value, budget, title),
            Self::Lower => map_text(value, budget, |text| text.to_lowercase()),
            Self::Upper => map_text(value, budget, |text| text.to_uppercase()),
            Self::Trim | Self::TrimEnd | Self::TrimStart => self.trim(value, argument(0), budget),
            Self::Replace => replace(value, argument(0), argument(1), budget),
            Self::UrlEncode => map_text(value, budget, |text| {
                let mut out = String::with_capacity(text.len());
                percent_encode(text, b"-_.~/", &mut out);
                out
            }),
            Self::B64Encode => map_text(value, budget, |text| BASE64.encode(text)),
            Self::B64Decode => {
                let text = text_of(value, budget)?;
                let decoded = BASE64.decode(text.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
                Ok(Val::own(decoded.ok_or("needs base64 of UTF-8 text")?))
            }
            Self::Split => split(value, argument(0), budget),
            Self::Lines => {
                let text = text_of(value, budget)?;
                strings(text.lines(), budget)
            }
            Self::Length => Ok(Val::own(match value {
                Json::String(text) => {
                    budget.read(text.len())?;
                    text.chars().count()
                }
                Json::Array(items) => items.len(),
                Json::Object(entries) => entries.len(),
                _ => return Err("needs a string, a list or a map".into()),
            })),
            Self::First | Self::Last => self.end(on, value, budget),
            Self::Get => {
                let key = argument(0).and_then(Json::as_str).ok_or("needs a string as its key")?;
                match on.part(budget, |whole| whole.get(key))? {
                    Some(found) => Ok(found),
                    None => Ok(Val::own(copy(argument(1).unwrap_or(&Json::Null), budget)?)),
                }
            }
            Self::Items => {
                let entries = map_of(value)?;
                weigh(value, budget, 0)?;
                budget.build(entries.len() * 144)?;
                let pairs = entries
                    .iter()
                    .map(|(key, item)| Json::from(vec![Json::from(key.as_str()), item.clone()]));
                Ok(Val::own(pairs.collect::<Vec<_>>()))
            }
            Self::Keys => strings(map_of(value)?.keys().map(String::as_str), budget),
            Self::Values => {
                weigh(value, budget, 0)?;
                Ok(Val::own(map_of(value)?.values().cloned().collect::<Vec<_>>()))
            }
            Self::List => match value {
                Json::Array(_) => Ok(on.clone()),
                Json::Object(entries) => strings(entries.keys().map(String::as_str), budget),
                _ => Err("needs a list or a map".into()),
            },
            Self::Join => join(value, argument(0), budget),
            Self::Max | Self::Min | Self::Sort => {
                self.ordered(value, argument(0).is_some_and(is_true), budget)
            }
            Self::Reverse => match value {
                Json::String(text) => {
                    budget.build(64 + text.len())?;
                    Ok(Val::own(text.chars().rev().collect::<String>()))
                }
                _ => {
                    weigh(value, budget, 0)?;
                    Ok(Val::own(list_of(value)?.iter().rev().cloned().collect::<Vec<_>>()))
                }
            },
            Self::Unique => unique(value, budget),
            Self::Sum => sum(value, budget),
        }
    }
}

fn list_of(value: &Json) -> Result<&Vec<Json>, Refused> {
    value.as_array().ok_or_else(|| "needs a list".into())
}

fn map_of(value: &Json) -> Result<&serde_json::Map<String, Json>, Refused> {
    value.as_object().ok_or_else(|| "needs a map".into())
}

/// A scalar's text, paid for.
fn text_of<'v>(value: &'v Json, budget: &mut Budget) -> Result<Cow<'v, str>, Refused> {
    let text = scalar_text(value)
        .ok_or_else(|| Refused::Because(Cow::Owned(format!("needs a string, not {}", kind(value)))))?;
    budget.build(64 + text.len())?;
    Ok(text)
}

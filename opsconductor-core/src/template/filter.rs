//! The filters a template may use, each bounded by the render's budget.

use std::borrow::Cow;
use std::rc::Rc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Number, Value as Json};

use super::budget::{Budget, OUTPUT_BYTES_MAX, Spent};
use super::sink::percent_encode;
use super::value::{Val, copy, equal, is_true, kind, order, scalar_text, weigh, whole, write_json};

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

    fn trim<'t>(self, value: &Json, chars: Option<&Json>, budget: &mut Budget) -> Result<Val<'t>, Refused> {
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

    fn end<'t>(self, on: &Val<'t>, value: &Json, budget: &mut Budget) -> Result<Val<'t>, Refused> {
        let first = self == Self::First;
        match value {
            Json::Array(_) => on
                .part(budget, |whole| {
                    let items = whole.as_array()?;
                    if first { items.first() } else { items.last() }
                })?
                .ok_or_else(|| "needs a list that is not empty".into()),
            Json::String(text) => {
                let found = if first { text.chars().next() } else { text.chars().next_back() };
                Ok(Val::own(found.ok_or("needs a string that is not empty")?.to_string()))
            }
            _ => Err("needs a list or a string".into()),
        }
    }

    fn ordered<'t>(self, value: &Json, reverse: bool, budget: &mut Budget) -> Result<Val<'t>, Refused> {
        let mut items: Vec<&Json> = list_of(value)?.iter().collect();
        // A merge sort compares each item about log2(n) times; paid before, for a comparison cannot stop the sort.
        let rounds = usize::BITS - items.len().leading_zeros();
        for item in &items {
            budget.step()?;
            budget.read(
                item.as_str().map_or(0, str::len).saturating_add(64).saturating_mul(rounds as usize + 1),
            )?;
        }
        if let [first, rest @ ..] = items.as_slice() {
            for item in rest {
                if order(first, item, budget)?.is_none() {
                    return Err("needs a list of numbers only or of strings only".into());
                }
            }
        }
        let mut free = Budget::new();
        items.sort_by(|left, right| {
            free = Budget::new();
            order(left, right, &mut free).ok().flatten().unwrap_or(std::cmp::Ordering::Equal)
        });
        let one = match self {
            Self::Min => items.first(),
            Self::Max => items.last(),
            _ => {
                weigh(value, budget, 0)?;
                let sorted = items.into_iter().cloned();
                return Ok(Val::own(if reverse {
                    sorted.rev().collect::<Vec<_>>()
                } else {
                    sorted.collect()
                }));
            }
        };
        let one = one.ok_or("needs a list that is not empty")?;
        Ok(Val::own(copy(one, budget)?))
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

/// Applies a change that makes a text at most about three times as long.
fn map_text<'t>(
    value: &Json,
    budget: &mut Budget,
    change: impl Fn(&str) -> String,
) -> Result<Val<'t>, Refused> {
    let text = text_of(value, budget)?;
    budget.build(text.len().saturating_mul(2))?;
    Ok(Val::own(change(&text)))
}

fn capitalize(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(chars.as_str().to_lowercase().chars()).collect()
    })
}

/// As Jinja2, a word begins after white space, a dash or an opening bracket.
fn title(text: &str) -> String {
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

fn strings<'s, 't>(items: impl Iterator<Item = &'s str>, budget: &mut Budget) -> Result<Val<'t>, Refused> {
    let mut list = Vec::new();
    for item in items {
        budget.step()?;
        budget.build(136 + item.len())?;
        list.push(Json::from(item));
    }
    Ok(Val::own(list))
}

fn split<'t>(value: &Json, separator: Option<&Json>, budget: &mut Budget) -> Result<Val<'t>, Refused> {
    let text = text_of(value, budget)?;
    match separator {
        None | Some(Json::Null) => strings(text.split_whitespace(), budget),
        Some(Json::String(separator)) if !separator.is_empty() => {
            strings(text.split(separator.as_str()), budget)
        }
        Some(_) => Err("needs a separator that is a string and not empty".into()),
    }
}

fn replace<'t>(
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

fn join<'t>(value: &Json, separator: Option<&Json>, budget: &mut Budget) -> Result<Val<'t>, Refused> {
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

/// Each item once, in order of first appearance.
fn unique<'t>(value: &Json, budget: &mut Budget) -> Result<Val<'t>, Refused> {
    let mut kept: Vec<&Json> = Vec::new();
    for item in list_of(value)? {
        let mut seen = false;
        for earlier in &kept {
            if equal(earlier, item, budget, 0)? {
                seen = true;
                break;
            }
        }
        if !seen {
            weigh(item, budget, 0)?;
            kept.push(item);
        }
    }
    Ok(Val::own(kept.into_iter().cloned().collect::<Vec<_>>()))
}

fn sum<'t>(value: &Json, budget: &mut Budget) -> Result<Val<'t>, Refused> {
    let mut integers: i128 = 0;
    let mut floats = 0.0;
    let mut is_float = false;
    for item in list_of(value)? {
        budget.step()?;
        let Json::Number(number) = item else { return Err("needs a list of numbers".into()) };
        match whole(number) {
            // At most 2^64 times a million items: far from the end of an i128.
            Some(integer) => integers = integers.saturating_add(integer),
            None => {
                is_float = true;
                floats += number.as_f64().unwrap_or_default();
            }
        }
    }
    if is_float { from_f64(integers as f64 + floats) } else { from_i128(integers) }
}

fn abs<'t>(value: &Json) -> Result<Val<'t>, Refused> {
    let Json::Number(number) = value else { return Err("needs a number".into()) };
    match whole(number) {
        Some(integer) => from_i128(integer.abs()),
        None => from_f64(number.as_f64().unwrap_or_default().abs()),
    }
}

fn round<'t>(value: &Json, precision: Option<&Json>) -> Result<Val<'t>, Refused> {
    let Json::Number(number) = value else { return Err("needs a number".into()) };
    let precision = precision.map_or(Some(0), Json::as_i64).filter(|digits| (0..=15).contains(digits));
    let digits = precision.ok_or("needs a precision from 0 to 15")?;
    match whole(number) {
        Some(_) => Ok(Val::Own(Rc::new(value.clone()))),
        None => {
            let scale = 10f64.powi(i32::try_from(digits).unwrap_or_default());
            from_f64((number.as_f64().unwrap_or_default() * scale).round() / scale)
        }
    }
}

/// As Jinja2: what is no number becomes the default, which is zero.
fn int<'t>(value: &Json, default: Option<&Json>, budget: &mut Budget) -> Result<Val<'t>, Refused> {
    let parsed = match value {
        Json::Bool(value) => Some(i128::from(*value)),
        Json::Number(number) => whole(number).or_else(|| truncated(number.as_f64())),
        Json::String(text) => {
            budget.read(text.len())?;
            let text = text.trim();
            text.parse().ok().or_else(|| truncated(text.parse().ok()))
        }
        _ => None,
    };
    match (parsed, default) {
        (Some(integer), _) => from_i128(integer),
        (None, Some(default)) => Ok(Val::own(copy(default, budget)?)),
        (None, None) => Ok(Val::own(0)),
    }
}

fn float<'t>(value: &Json, default: Option<&Json>, budget: &mut Budget) -> Result<Val<'t>, Refused> {
    let parsed = match value {
        Json::Bool(value) => Some(f64::from(u8::from(*value))),
        Json::Number(number) => number.as_f64(),
        Json::String(text) => {
            budget.read(text.len())?;
            text.trim().parse::<f64>().ok().filter(|number| number.is_finite())
        }
        _ => None,
    };
    match (parsed, default) {
        (Some(number), _) => from_f64(number),
        (None, Some(default)) => Ok(Val::own(copy(default, budget)?)),
        (None, None) => from_f64(0.0),
    }
}

fn truncated(number: Option<f64>) -> Option<i128> {
    number.filter(|number| number.abs() < 1e19).map(|number| number.trunc() as i128)
}

/// An integer that JSON can hold.
pub(super) fn from_i128<'t>(integer: i128) -> Result<Val<'t>, Refused> {
    Number::from_i128(integer)
        .filter(|number| number.is_i64() || number.is_u64())
        .map(|number| Val::own(Json::Number(number)))
        .ok_or_else(|| "gives a number that is too large".into())
}

/// A float that JSON can hold.
pub(super) fn from_f64<'t>(float: f64) -> Result<Val<'t>, Refused> {
    Number::from_f64(float)
        .map(|number| Val::own(Json::Number(number)))
        .ok_or_else(|| "gives a number that is too large".into())
}

//! Conversions: to text, to numbers, to a named type.

use std::sync::Arc;

use super::native::Native;
use super::{names, number, time};
use crate::machine::powershell::error::{ErrorRecord, Result};
use crate::machine::powershell::value::{CUSTOM_OBJECT, Hash, Value, lock};

impl Value {
    /// The text of the value inside a string.
    pub(in super::super) fn to_text(&self) -> String {
        match self {
            Self::Null => String::new(),
            Self::Bool(b) => if *b { "True" } else { "False" }.to_owned(),
            Self::Byte(n) => n.to_string(),
            Self::Int(n) => n.to_string(),
            Self::Long(n) => n.to_string(),
            Self::Double(n) => number::double_text(*n),
            Self::Char(c) => c.to_string(),
            Self::Str(s) => s.to_string(),
            Self::Array(_) | Self::Bytes(_) => {
                self.items().iter().map(Self::to_text).collect::<Vec<_>>().join(" ")
            }
            Self::Hash(_) => self.type_name().to_string(),
            Self::Script(script) => {
                let text: String = script.source.text[script.span.start..script.span.end].iter().collect();
                match text.strip_prefix('{').and_then(|t| t.strip_suffix('}')) {
                    Some(inside) => inside.to_owned(),
                    None => text,
                }
            }
            Self::Type(name) => type_text(name),
            Self::Date(date) => time::invariant(date),
            Self::Span(ticks) => time::span_text(*ticks),
            Self::Object(object) => match &object.native {
                Native::Error(record) => record.exception.message.clone(),
                Native::Exception(e) => format!("{}: {}", e.type_name, e.message),
                Native::List(items) => lock(items).iter().map(Self::to_text).collect::<Vec<_>>().join(" "),
                Native::StringBuilder(text) => lock(text).clone(),
                Native::File(path) | Native::Directory(path) => path.clone(),
                Native::Version(parts) => parts.iter().map(ToString::to_string).collect::<Vec<_>>().join("."),
                Native::Regex(_, pattern) => pattern.clone(),
                Native::Formatted(text) | Native::Message(text) => text.clone(),
                Native::NullString => String::new(),
                _ => match object.property("__text") {
                    Some(text) => text.to_text(),
                    None if &*object.type_name == CUSTOM_OBJECT => custom_text(&object.properties()),
                    None => object.type_name.to_string(),
                },
            },
        }
    }

    pub(in super::super) fn as_long(&self) -> Option<i64> {
        match self {
            Self::Null => Some(0),
            Self::Bool(b) => Some(i64::from(*b)),
            Self::Byte(n) => Some(i64::from(*n)),
            Self::Int(n) => Some(i64::from(*n)),
            Self::Long(n) => Some(*n),
            Self::Char(c) => Some(i64::from(u32::from(*c))),
            Self::Double(n) if n.is_finite() && n.abs() < 9.3e18 => Some(n.round_ties_even() as i64),
            Self::Str(s) => parse_text(s).and_then(|v| v.as_long()),
            Self::Array(values) => match &lock(values)[..] {
                [one] => one.as_long(),
                _ => None,
            },
            Self::Object(object) => object.property("value__").and_then(|v| v.as_long()),
            _ => None,
        }
    }

    pub(in super::super) fn as_double(&self) -> Option<f64> {
        match self {
            Self::Double(n) => Some(*n),
            Self::Str(s) => parse_text(s).and_then(|v| match v {
                Self::Double(n) => Some(n),
                other => other.as_long().map(|n| n as f64),
            }),
            other => other.as_long().map(|n| n as f64),
        }
    }

    /// The value as a number of the language, for arithmetic.
    pub(in super::super) fn as_number(&self) -> Option<Value> {
        match self {
            Self::Int(_) | Self::Long(_) | Self::Double(_) => Some(self.clone()),
            Self::Null => Some(Self::Int(0)),
            Self::Bool(b) => Some(Self::Int(i32::from(*b))),
            Self::Byte(n) => Some(Self::Int(i32::from(*n))),
            Self::Char(c) => Some(Self::Int(u32::from(*c) as i32)),
            Self::Str(s) => parse_text(s),
            Self::Object(object) => object.property("value__"),
            _ => None,
        }
    }

    pub(in super::super) fn negated(&self) -> Option<Value> {
        match self.as_number()? {
            Self::Int(n) => Some(Self::number(-i64::from(n))),
            Self::Long(n) => Some(Self::number(n.checked_neg()?)),
            Self::Double(n) => Some(Self::Double(-n)),
            _ => None,
        }
    }

    /// The bytes, when the value is `byte[]` or converts to it.
    pub(in super::super) fn as_bytes(&self) -> Option<Vec<u8>> {
        match self {
            Self::Bytes(bytes) => Some(lock(bytes).clone()),
            Self::Array(_) | Self::Object(_) if self.is_collection() => {
                self.items().iter().map(|item| item.as_long().and_then(|n| u8::try_from(n).ok())).collect()
            }
            _ => None,
        }
    }
}

/// A type's name as its `ToString` gives it.
fn type_text(full: &str) -> String {
    let short = match full {
        "System.Collections.Generic.List[object]" => "System.Collections.Generic.List[System.Object]",
        "System.Collections.Generic.List[string]" => "System.Collections.Generic.List[System.String]",
        _ => full,
    };
    short.to_owned()
}

fn custom_text(properties: &[(Arc<str>, Value)]) -> String {
    let fields: Vec<String> = properties.iter().map(|(n, v)| format!("{n}={}", v.to_text())).collect();
    format!("@{{{}}}", fields.join("; "))
}

/// A number in a string: white space around and a sign are allowed, nothing is zero.
fn parse_text(text: &str) -> Option<Value> {
    let text = text.trim();
    if text.is_empty() {
        return Some(Value::Int(0));
    }
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let number = crate::machine::powershell::parse::parse_number(digits)?;
    if negative { number.negated() } else { Some(number) }
}

fn cannot<T>(value: &Value, to: &str, why: &str) -> Result<T> {
    let message = format!(
        "Cannot convert value \"{}\" to type \"{to}\".{}{why}",
        value.to_text(),
        if why.is_empty() { "" } else { " " }
    );
    ErrorRecord::new(
        "System.Management.Automation.PSInvalidCastException",
        message,
        "InvalidCastFromStringToInteger",
        "InvalidArgument",
    )
    .throw()
}

fn integer(value: &Value, to: &str, min: i64, max: i64) -> Result<i64> {
    let Some(number) = value.as_long() else {
        return cannot(value, to, "Error: \"Input string was not in a correct format.\"");
    };
    if !(min..=max).contains(&number) {
        let short = to.rsplit('.').next().unwrap_or_default();
        return cannot(
            value,
            to,
            &format!("Error: \"Value was either too large or too small for an {short}.\""),
        );
    }
    Ok(number)
}

/// `[type]value`.
pub(in super::super) fn cast(value: &Value, type_name: &str) -> Result<Value> {
    let Some(full) = names::resolve(type_name) else { return unknown_type(type_name) };
    Ok(match full.as_str() {
        "System.Object" | "System.Management.Automation.PSObject" => value.clone(),
        "System.Void" => Value::Null,
        "System.String" => match value {
            Value::Object(object) if matches!(object.native, Native::NullString) => Value::Null,
            other => other.to_text().into(),
        },
        "System.Boolean" | "System.Management.Automation.SwitchParameter" => Value::Bool(value.truthy()),
        "System.Int32" => Value::Int(integer(value, &full, i32::MIN.into(), i32::MAX.into())? as i32),
        "System.Int16" => Value::Int(integer(value, &full, i16::MIN.into(), i16::MAX.into())? as i32),
        "System.UInt16" => Value::Int(integer(value, &full, 0, u16::MAX.into())? as i32),
        "System.UInt32" => Value::number(integer(value, &full, 0, u32::MAX.into())?),
        "System.Int64" | "System.UInt64" | "System.Numerics.BigInteger" => {
            Value::Long(integer(value, &full, i64::MIN, i64::MAX)?)
        }
        "System.Byte" => Value::Byte(integer(value, &full, 0, 255)? as u8),
        "System.Double" | "System.Single" | "System.Decimal" => match value.as_double() {
            Some(number) => Value::Double(number),
            None => return cannot(value, &full, "Error: \"Input string was not in a correct format.\""),
        },
        "System.Char" => to_char(value, &full)?,
        "System.Byte[]" => match value.as_bytes() {
            Some(bytes) => Value::bytes(bytes),
            None if value.is_null() => Value::Null,
            None => Value::bytes(vec![integer(value, "System.Byte", 0, 255)? as u8]),
        },
        "System.Char[]" => Value::array(value.to_text().chars().map(Value::Char).collect()),
        "System.DateTime" => match value {
            Value::Date(_) => value.clone(),
            other => match time::parse_date(&other.to_text()) {
                Some(date) => Value::Date(date),
                None => {
                    return cannot(value, &full, "Error: \"String was not recognized as a valid DateTime.\"");
                }
            },
        },
        "System.TimeSpan" => match value {
            Value::Span(_) => value.clone(),
            Value::Int(_) | Value::Long(_) => Value::Span(value.as_long().unwrap_or(0)),
            other => match time::parse_span(&other.to_text()) {
                Some(ticks) => Value::Span(ticks),
                None => return cannot(value, &full, ""),
            },
        },
        "System.Management.Automation.PSCustomObject" => match value {
            Value::Hash(hash) => {
                Value::custom(hash.entries().into_iter().map(|(k, v)| (k.to_text().into(), v)).collect())
            }
            other => other.clone(),
        },
        "System.Collections.Hashtable" | "System.Collections.Specialized.OrderedDictionary" => match value {
            Value::Hash(hash) => {
                let copy = Hash::new(full.ends_with("OrderedDictionary"));
                for (key, value) in hash.entries() {
                    copy.set(key, value);
                }
                Value::Hash(Arc::new(copy))
            }
            _ => return cannot(value, &full, ""),
        },
        "System.Text.RegularExpressions.Regex" => super::objects::regex(&value.to_text())?,
        "System.Version" => super::objects::version(&value.to_text())?,
        "System.Type" => match names::resolve(&value.to_text()) {
            Some(name) => Value::Type(name.into()),
            None => return unknown_type(&value.to_text()),
        },
        "System.Collections.ArrayList" => {
            Value::object(&full, Vec::new(), Native::List(std::sync::Mutex::new(value.items())))
        }
        _ if full.ends_with("[]") => {
            let element = &full[..full.len() - 2];
            let items = if value.is_null() { return Ok(Value::Null) } else { value.items() };
            Value::array(items.iter().map(|item| cast(item, element)).collect::<Result<_>>()?)
        }
        _ if full.starts_with("System.Collections.Generic.List[") => {
            Value::object(&full, Vec::new(), Native::List(std::sync::Mutex::new(value.items())))
        }
        _ if is_enum(&full) => super::enumerations::enum_value(&full, value)?,
        _ if full.ends_with("Exception") => super::objects::exception(&full, std::slice::from_ref(value)),
        _ if names::derives(&value.type_name(), &full) => value.clone(),
        _ => return cannot(value, &full, ""),
    })
}

fn is_enum(full: &str) -> bool {
    super::enumerations::enum_names(full).is_some()
}

fn to_char(value: &Value, full: &str) -> Result<Value> {
    match value {
        Value::Char(_) => Ok(value.clone()),
        Value::Str(text) => {
            let mut chars = text.chars();
            match (chars.next(), chars.next()) {
                (Some(c), None) => Ok(Value::Char(c)),
                _ => cannot(value, full, "Error: \"String must be exactly one character long.\""),
            }
        }
        other => {
            let code = integer(other, full, 0, 0xFFFF)?;
            Ok(Value::Char(u32::try_from(code).ok().and_then(char::from_u32).unwrap_or('\u{fffd}')))
        }
    }
}

pub(in super::super) fn unknown_type<T>(name: &str) -> Result<T> {
    ErrorRecord::runtime(format!("Unable to find type [{name}]."), "TypeNotFound", "InvalidOperation")
        .target(name, "TypeName")
        .throw()
}

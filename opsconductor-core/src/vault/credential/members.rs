//! The members of a credential's JSON object, read into secrets with every fault noted.

use std::fmt;

use serde::de::{Deserializer as _, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;
use zeroize::{Zeroize as _, Zeroizing};

use crate::{Error, ErrorKind, Problem, Result, Secret};

/// A member that a kind of credential has. All are strings.
pub(super) enum Member {
    Required(&'static str),
    Optional(&'static str),
}

impl Member {
    fn name(&self) -> &'static str {
        match self {
            Self::Required(name) | Self::Optional(name) => name,
        }
    }

    fn is_required(&self) -> bool {
        matches!(self, Self::Required(_))
    }
}

/// The members that are there, and what is wrong with the others.
pub(super) struct Members {
    known: &'static [Member],
    values: Vec<(&'static str, Secret<String>)>,
    /// Every known name met so far, with a value or without, to find what is given twice or not at all.
    met: Vec<&'static str>,
    /// The names that are given as null.
    null: Vec<&'static str>,
    problems: Vec<Problem>,
}

impl Members {
    /// Reads a JSON object. The text of each value is decoded here rather than by serde, whose scratch buffer would
    /// keep a copy of every secret with an escape in it.
    pub(super) fn parse(known: &'static [Member], data: &[u8]) -> Result<Self> {
        let mut members = Self::new(known);
        let mut json = serde_json::Deserializer::from_slice(data);
        let read = json.deserialize_map(ObjectVisitor(&mut members)).and_then(|()| json.end());
        read.map_err(|error| {
            // Only the place is taken from serde's error: its text may quote what was read.
            not_an_object(if error.is_data() {
                NOT_AN_OBJECT.to_owned()
            } else {
                format!("it is not JSON (line {}, column {})", error.line(), error.column())
            })
        })?;
        members.note_missing();
        Ok(members)
    }

    /// Takes a JSON value apart.
    pub(super) fn take(known: &'static [Member], data: Value) -> Result<Self> {
        let Value::Object(object) = data else {
            wipe(data);
            return Err(not_an_object(NOT_AN_OBJECT.to_owned()));
        };
        let mut members = Self::new(known);
        for (name, value) in object {
            match value {
                Value::String(text) => members.add(&name, Given::Text(Secret::new(text))),
                Value::Null => members.add(&name, Given::Null),
                other => {
                    members.add(&name, Given::Wrong);
                    wipe(other);
                }
            }
        }
        members.note_missing();
        Ok(members)
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.values.iter().find(|(known, _)| *known == name).map(|(_, value)| value.expose().as_str())
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.values.iter().any(|(known, _)| *known == name)
    }

    pub(super) fn remove(&mut self, name: &str) -> Option<Secret<String>> {
        let index = self.values.iter().position(|(known, _)| *known == name)?;
        Some(self.values.swap_remove(index).1)
    }

    pub(super) fn problem(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    /// Notes an optional member as missing that is needed after all.
    pub(super) fn require(&mut self, name: &str) {
        if self.null.contains(&name) {
            self.problems.push(Problem::new(pointer(name), "must be a string"));
        } else if !self.met.contains(&name) {
            self.problems.push(Problem::new(pointer(name), "is missing"));
        }
    }

    /// These go into headers, handshakes and logs, where a line break would start something new.
    pub(super) fn check_plain(&mut self, names: &[&str]) {
        self.check(names, |text| !text.contains(char::is_control), "must not have control characters");
    }

    pub(super) fn check_header_name(&mut self, name: &str) {
        let is_token =
            |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b));
        self.check(&[name], is_token, "is not the name of an HTTP header");
    }

    /// The faults, if there are any.
    pub(super) fn finish(&mut self, what: &str) -> Result<()> {
        match std::mem::take(&mut self.problems) {
            problems if problems.is_empty() => Ok(()),
            problems => Err(Error::with_problems(ErrorKind::InvalidInput, what, problems)),
        }
    }

    fn new(known: &'static [Member]) -> Self {
        Self { known, values: Vec::new(), met: Vec::new(), null: Vec::new(), problems: Vec::new() }
    }

    pub(super) fn check(&mut self, names: &[&str], holds: impl Fn(&str) -> bool, message: &str) {
        for (name, value) in self.values.iter().filter(|(name, _)| names.contains(name)) {
            if !holds(value.expose()) {
                self.problems.push(Problem::new(pointer(name), message));
            }
        }
    }

    fn add(&mut self, name: &str, given: Given) {
        let Some(member) = self.known.iter().find(|member| member.name() == name) else {
            let names: Vec<_> = self.known.iter().map(Member::name).collect();
            let message = format!("is not known here: the members are {}", names.join(", "));
            return self.problems.push(Problem::new(pointer(name), message));
        };
        if self.met.contains(&member.name()) {
            return self.problems.push(Problem::new(pointer(name), "is given twice"));
        }
        self.met.push(member.name());
        let message = match given {
            Given::Text(text) if !text.expose().is_empty() => {
                return self.values.push((member.name(), text));
            }
            // Clients that write every member give null for those they leave out.
            Given::Null if !member.is_required() => return self.null.push(member.name()),
            Given::Text(_) => "must not be empty",
            Given::Null | Given::Wrong => "must be a string",
            Given::Broken => "has an escape that stands for no character",
        };
        self.problems.push(Problem::new(pointer(name), message));
    }

    fn note_missing(&mut self) {
        for member in self.known.iter().filter(|member| member.is_required()) {
            if !self.met.contains(&member.name()) {
                self.problems.push(Problem::new(pointer(member.name()), "is missing"));
            }
        }
    }
}

enum Given {
    Text(Secret<String>),
    Null,
    Wrong,
    Broken,
}

struct ObjectVisitor<'m>(&'m mut Members);

impl<'de> Visitor<'de> for ObjectVisitor<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key::<String>()? {
            let raw = map.next_value::<&'de RawValue>()?.get();
            let given = match raw.as_bytes() {
                [b'"', ..] => unescape(raw).map_or(Given::Broken, Given::Text),
                b"null" => Given::Null,
                _ => Given::Wrong,
            };
            self.0.add(&name, given);
        }
        Ok(())
    }
}

/// The text of a JSON string that serde has already found well-formed, except for surrogates.
fn unescape(raw: &str) -> Option<Secret<String>> {
    let mut rest = raw.strip_prefix('"')?.strip_suffix('"')?;
    // What is decoded is never longer than its escape, so that this never grows.
    let mut text = Zeroizing::new(String::with_capacity(rest.len()));
    while let Some((before, after)) = rest.split_once('\\') {
        text.push_str(before);
        let mut chars = after.chars();
        let decoded = match chars.next()? {
            'u' => {
                let (decoded, after) = code_point(chars.as_str())?;
                chars = after.chars();
                decoded
            }
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'b' => '\u{8}',
            'f' => '\u{c}',
            other => other,
        };
        text.push(decoded);
        rest = chars.as_str();
    }
    text.push_str(rest);
    Some(Secret::new(std::mem::take(&mut *text)))
}

/// The character of `XXXX` or `XXXX\uXXXX`, and what follows.
fn code_point(text: &str) -> Option<(char, &str)> {
    let unit = |text: &str| u16::from_str_radix(text.get(..4)?, 16).ok();
    let high = unit(text)?;
    if let Some(c) = char::from_u32(high.into()) {
        return Some((c, &text[4..]));
    }
    let low = unit(text[4..].strip_prefix("\\u")?)?;
    let c = char::decode_utf16([high, low]).next()?.ok()?;
    Some((c, &text[10..]))
}

/// Wipes what was given where no secret belongs: it may be one all the same.
fn wipe(value: Value) {
    match value {
        Value::String(mut text) => text.zeroize(),
        Value::Array(values) => values.into_iter().for_each(wipe),
        Value::Object(object) => object.into_iter().for_each(|(_, value)| wipe(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn pointer(name: &str) -> String {
    format!("/{}", name.replace('~', "~0").replace('/', "~1"))
}

const NOT_AN_OBJECT: &str = "it is not a JSON object";

fn not_an_object(why: String) -> Error {
    let problems = vec![Problem::new("", why)];
    Error::with_problems(ErrorKind::InvalidInput, "the data of a credential cannot be read", problems)
}

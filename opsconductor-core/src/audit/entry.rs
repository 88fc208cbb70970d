//! [`Entry`]: what happened, before it has its place in the chain.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Hash, Record, canonical};
use crate::{
    clock::Timestamp,
    id::{TenantId, UserId},
    tenant::{Actor, Scope},
};

/// The longest text in a record, in characters. What is longer is cut, and ends with `…`.
pub const TEXT_CHARS_MAX: usize = 1_000;

/// The most bytes that the details of a record may have in canonical form. Beyond, their size stands in their place.
pub const DETAILS_BYTES_MAX: usize = 16 * 1024;

/// How deep details may be nested.
const DEPTH_MAX: usize = 16;

/// The largest integer that every JSON reader takes for itself.
const INTEGER_MAX: u64 = (1 << 53) - 1;

/// How what was tried came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Outcome {
    /// It was done.
    Done,
    /// It was not allowed, and was not done.
    Refused,
    /// What is kept is no outcome: the record was damaged. No entry has it.
    Unknown,
}

impl Outcome {
    /// The name as it stands in records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Refused => "refused",
            Self::Unknown => "unknown",
        }
    }

    /// The outcome of this name, [`Outcome::Unknown`] for any other.
    pub fn from_name(name: &str) -> Self {
        let known = [Self::Done, Self::Refused].into_iter().find(|outcome| outcome.as_str() == name);
        known.unwrap_or(Self::Unknown)
    }
}

/// What happened: who did what to which thing. It holds nothing secret, whoever makes one sees to that.
///
/// Its values have one form everywhere: texts are bounded and without U+0000, which PostgreSQL cannot hold; numbers that are
/// not integers up to 2^53 - 1 are texts, because programs do not agree about them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    tenant: TenantId,
    actor_id: Option<UserId>,
    actor: String,
    action: String,
    resource_type: String,
    resource_id: Option<i64>,
    outcome: Outcome,
    ip: Option<String>,
    user_agent: Option<String>,
    details: Map<String, Value>,
}

impl Entry {
    /// That whoever `scope` says did `action` (`targets.create`) to a thing of the type `resource` (`target`); for a token also which.
    pub fn new(scope: &Scope, action: &str, resource: &str) -> Self {
        let entry = Self::by(scope.tenant, scope.actor.user_id(), scope.actor.name(), action, resource);
        match &scope.actor {
            Actor::Token { id, .. } => entry.with("token", id.get()),
            Actor::User { .. } | Actor::Local => entry,
        }
    }

    /// The same for one who has no scope, such as a worker.
    pub fn by(tenant: TenantId, id: Option<UserId>, name: &str, action: &str, resource: &str) -> Self {
        Self {
            tenant,
            actor_id: id,
            actor: text(name),
            action: text(action),
            resource_type: text(resource),
            resource_id: None,
            outcome: Outcome::Done,
            ip: None,
            user_agent: None,
            details: Map::new(),
        }
    }

    /// The entry, about the thing with this id.
    #[must_use]
    pub fn about(mut self, id: i64) -> Self {
        self.resource_id = Some(id);
        self
    }

    /// The entry with another outcome.
    #[must_use]
    pub fn with_outcome(mut self, outcome: Outcome) -> Self {
        self.outcome = outcome;
        self
    }

    /// The entry with where the request came from.
    #[must_use]
    pub fn from_client(mut self, ip: Option<&str>, user_agent: Option<&str>) -> Self {
        self.ip = ip.map(text);
        self.user_agent = user_agent.map(text);
        self
    }

    /// The entry with one more detail. Never give it what is secret.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.details.insert(text(name), plain(value.into(), 0));
        self
    }

    /// Says which thing it is about, unless that was known: a store tells the id that it gave.
    pub fn concerns(&mut self, id: i64) {
        self.resource_id.get_or_insert(id);
    }

    /// The tenant in whose chain it goes.
    pub fn tenant(&self) -> TenantId {
        self.tenant
    }

    /// Whether its values have the one form.
    pub(super) fn is_plain(&self) -> bool {
        let names = [&self.actor, &self.action, &self.resource_type];
        self.outcome != Outcome::Unknown
            && names.into_iter().chain(&self.ip).chain(&self.user_agent).all(|one| is_text(one))
            && self.details.iter().all(|(name, value)| is_text(name) && is_plain(value, 0))
    }

    pub(super) fn into_record(self, seq: u64, at: Timestamp, prev: Hash) -> Record {
        let mut written = String::new();
        canonical::write_object(&mut written, &self.details);
        let details = match written.len() {
            0..=DETAILS_BYTES_MAX => self.details,
            bytes => Map::from_iter([("left_out_bytes".to_owned(), Value::from(bytes))]),
        };
        Record {
            seq,
            tenant: self.tenant,
            at,
            actor_id: self.actor_id,
            actor: self.actor,
            action: self.action,
            resource_type: self.resource_type,
            resource_id: self.resource_id,
            outcome: self.outcome,
            ip: self.ip,
            user_agent: self.user_agent,
            details,
            prev,
        }
    }
}

/// A text as it stands in a record.
fn text(text: &str) -> String {
    let whole = text.chars().take(TEXT_CHARS_MAX).map(|c| if c == '\0' { '\u{FFFD}' } else { c });
    let mut kept: String = whole.collect();
    if text.chars().nth(TEXT_CHARS_MAX).is_some() {
        kept.push('…');
    }
    kept
}

/// Whether [`text`] can have made it.
fn is_text(text: &str) -> bool {
    !text.contains('\0') && text.chars().nth(TEXT_CHARS_MAX + 1).is_none()
}

/// Whether [`plain`] can have made it.
fn is_plain(value: &Value, depth: usize) -> bool {
    match value {
        Value::Null | Value::Bool(_) => true,
        Value::String(string) => is_text(string),
        Value::Number(_) => plain(value.clone(), depth) == *value,
        Value::Array(items) => depth < DEPTH_MAX && items.iter().all(|item| is_plain(item, depth + 1)),
        Value::Object(members) => {
            let mut members = members.iter();
            depth < DEPTH_MAX && members.all(|(name, value)| is_text(name) && is_plain(value, depth + 1))
        }
    }
}

/// A value as it stands in a record.
fn plain(value: Value, depth: usize) -> Value {
    match value {
        Value::Array(_) | Value::Object(_) if depth >= DEPTH_MAX => Value::from("…"),
        Value::String(string) => Value::String(text(&string)),
        Value::Number(number) => {
            let small = number.as_u64().is_some_and(|whole| whole <= INTEGER_MAX)
                || number.as_i64().is_some_and(|whole| whole.unsigned_abs() <= INTEGER_MAX);
            match (small, number.is_f64()) {
                (true, _) => Value::Number(number),
                (false, true) => Value::String(canonical::to_string(&Value::Number(number))),
                (false, false) => Value::String(number.to_string()),
            }
        }
        Value::Array(items) => items.into_iter().map(|item| plain(item, depth + 1)).collect(),
        Value::Object(members) => {
            members.into_iter().map(|(name, value)| (text(&name), plain(value, depth + 1))).collect()
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_programs_disagree_about_becomes_text() {
        let entry = Entry::new(&Scope::local(), "a.b", "a")
            .with("n", json!([1, -1, 0.5, u64::MAX, 9_007_199_254_740_991_u64]))
            .with("s", "a\0b");
        let expected = json!({
            "n": [1, -1, "0.5", "18446744073709551615", 9_007_199_254_740_991_u64], "s": "a\u{FFFD}b",
        });
        assert_eq!(Value::Object(entry.details), expected);
    }

    #[test]
    fn an_entry_is_bounded() {
        let mut deep = json!(1);
        for _ in 0..1_000 {
            deep = json!([deep]);
        }
        let long = Entry::new(&Scope::local(), &"x".repeat(5_000), "a").with("deep", deep);
        assert_eq!(long.action.chars().count(), TEXT_CHARS_MAX + 1);
        let many: Vec<u32> = (0..10_000).collect();
        let record = long.with("many", many).into_record(1, Timestamp::UNIX_EPOCH, Hash::NONE);
        assert!(record.canonical().len() < DETAILS_BYTES_MAX);
        assert!(record.details.contains_key("left_out_bytes"));
    }
}

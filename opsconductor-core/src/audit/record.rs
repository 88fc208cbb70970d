//! [`Record`]: an entry in its place in the chain.

use std::fmt::Write as _;

use chrono::SecondsFormat;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Hash, LINE_BYTES_MAX, Outcome, canonical};
use crate::{
    Error, ErrorKind, Result,
    clock::Timestamp,
    id::{TenantId, UserId},
};

/// The largest id that is written as a number.
const INTEGER_MAX: u64 = (1 << 53) - 1;

/// The version of the form. It is bound into every hash.
const FORM: u32 = 1;

/// What happened, numbered and bound to the record before it.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// Its number in the tenant's chain, from 1 on, without gaps.
    pub seq: u64,
    /// The tenant.
    pub tenant: TenantId,
    /// When it happened, by the store's clock, in microseconds. Records that were written at the same moment may stand in
    /// another order than these times.
    pub at: Timestamp,
    /// The account that did it, if one did.
    pub actor_id: Option<UserId>,
    /// The name of who did it.
    pub actor: String,
    /// What was done, such as `targets.create`.
    pub action: String,
    /// To what kind of thing.
    pub resource_type: String,
    /// To which one.
    pub resource_id: Option<i64>,
    /// How it came out.
    pub outcome: Outcome,
    /// Where the request came from.
    pub ip: Option<String>,
    /// What it came with.
    pub user_agent: Option<String>,
    /// What else is to be known.
    pub details: Map<String, Value>,
    /// The hash of the record before it.
    pub prev: Hash,
}

/// What a store makes of a column that does not hold what was written there: no entry has this character, so the record's hash is
/// another than the one that was kept, and the damage is found like any other.
pub const DAMAGED: &str = "\0";

impl Record {
    /// Details as a store keeps them, or what [stands for them](DAMAGED) when they are damaged.
    pub fn kept_details(kept: Option<Value>) -> Map<String, Value> {
        match kept {
            Some(Value::Object(members)) => members,
            damaged => Map::from_iter([(DAMAGED.to_owned(), damaged.unwrap_or_default())]),
        }
    }

    /// The canonical form: one line of JSON after RFC 8785.
    pub fn canonical(&self) -> String {
        let mut text = String::with_capacity(384);
        self.write_canonical(&mut text);
        text
    }

    /// Appends the canonical form. The members stand here in the order of their names, as the canonical form has them.
    pub fn write_canonical(&self, text: &mut String) {
        text.push_str("{\"action\":");
        canonical::write_string(text, &self.action);
        text.push_str(",\"actor\":");
        canonical::write_string(text, &self.actor);
        text.push_str(",\"actor_id\":");
        write_id(text, self.actor_id.map(UserId::get));
        text.push_str(",\"at\":\"");
        text.push_str(&self.at.to_rfc3339_opts(SecondsFormat::Micros, true));
        text.push_str("\",\"details\":");
        canonical::write_object(text, &self.details);
        text.push_str(",\"ip\":");
        write_optional(text, self.ip.as_deref());
        // Writing to a string cannot fail.
        let _ = write!(text, ",\"outcome\":\"{}\",\"prev\":\"{}\"", self.outcome.as_str(), self.prev);
        text.push_str(",\"resource_id\":");
        write_id(text, self.resource_id);
        text.push_str(",\"resource_type\":");
        canonical::write_string(text, &self.resource_type);
        let _ = write!(text, ",\"seq\":{},\"tenant\":{}", self.seq, self.tenant);
        text.push_str(",\"user_agent\":");
        write_optional(text, self.user_agent.as_deref());
        let _ = write!(text, ",\"v\":{FORM}}}");
    }

    /// The hash of the canonical form.
    pub fn hash(&self) -> Hash {
        Hash::of(self.canonical().as_bytes())
    }

    /// The record that a line of an export is.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for what is longer than [`LINE_BYTES_MAX`], no record, or not in canonical form.
    pub fn parse(line: &str) -> Result<Self> {
        let wrong =
            |why: &str| Error::new(ErrorKind::InvalidInput, format!("the line is no audit record: {why}"));
        if line.len() > LINE_BYTES_MAX {
            return Err(wrong("it is too long"));
        }
        let wire: Wire =
            serde_json::from_str(line).map_err(|error| wrong("its members are others").with_source(error))?;
        let record = Self {
            seq: wire.seq,
            tenant: TenantId::new(wire.tenant),
            at: wire.at.parse().map_err(|_| wrong("its time is none"))?,
            actor_id: wire.actor_id.map(WireId::get).transpose()?.map(UserId::new),
            actor: wire.actor,
            action: wire.action,
            resource_type: wire.resource_type,
            resource_id: wire.resource_id.map(WireId::get).transpose()?,
            outcome: wire.outcome,
            ip: wire.ip,
            user_agent: wire.user_agent,
            details: wire.details,
            prev: wire.prev.parse()?,
        };
        // Two texts that mean the same would have two hashes; this also holds times and numbers to their one form.
        match record.canonical() == line && wire.v == FORM {
            true => Ok(record),
            false => Err(wrong("it is not in canonical form")),
        }
    }
}

/// Appends an id: a number, or a text where a number would not be the same to all programs.
fn write_id(text: &mut String, id: Option<i64>) {
    // Writing to a string cannot fail.
    let _ = match id {
        Some(id) if id.unsigned_abs() <= INTEGER_MAX => write!(text, "{id}"),
        Some(id) => write!(text, "\"{id}\""),
        None => write!(text, "null"),
    };
}

fn write_optional(text: &mut String, value: Option<&str>) {
    match value {
        Some(value) => canonical::write_string(text, value),
        None => text.push_str("null"),
    }
}

/// A record as it is read.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    action: String,
    actor: String,
    actor_id: Option<WireId>,
    at: String,
    details: Map<String, Value>,
    ip: Option<String>,
    outcome: Outcome,
    prev: String,
    resource_id: Option<WireId>,
    resource_type: String,
    seq: u64,
    tenant: i64,
    user_agent: Option<String>,
    v: u32,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum WireId {
    Number(i64),
    Text(String),
}

impl WireId {
    fn get(self) -> Result<i64> {
        match self {
            Self::Number(id) => Ok(id),
            Self::Text(text) => text.parse().map_err(|_| {
                Error::new(ErrorKind::InvalidInput, "the line is no audit record: an id of it is no number")
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use serde_json::json;

    use super::*;
    use crate::{audit::Entry, tenant::Scope};

    fn record() -> Record {
        let at = "2026-01-02T03:04:05.000006Z".parse().unwrap();
        let entry = Entry::new(&Scope::local(), "targets.create", "target");
        let entry =
            entry.about(7).with("port", 22).with("name", "web-1").from_client(None, Some("curl/8 \"x\""));
        entry.into_record(1, at, Hash::NONE)
    }

    #[test]
    fn the_form_is_written_down() {
        let expected = concat!(
            r#"{"action":"targets.create","actor":"local","actor_id":null,"at":"2026-01-02T03:04:05.000006Z","#,
            r#""details":{"name":"web-1","port":22},"ip":null,"outcome":"done","#,
            r#""prev":"0000000000000000000000000000000000000000000000000000000000000000","#,
            r#""resource_id":7,"resource_type":"target","seq":1,"tenant":1,"user_agent":"curl/8 \"x\"","v":1}"#
        );
        assert_eq!(record().canonical(), expected);
        // The one rule and the one that writes by hand agree.
        let value: Value = serde_json::from_str(expected).unwrap();
        assert_eq!(canonical::to_string(&value), expected);
    }

    #[test]
    fn a_line_is_read_as_it_was_written_and_in_no_other_form() {
        let line = record().canonical();
        assert_eq!(Record::parse(&line).unwrap(), record());
        let mut other: Value = serde_json::from_str(&line).unwrap();
        other["more"] = json!(1);
        for wrong in [
            String::new(),
            "{}".to_owned(),
            format!("{line} "),
            line.replace("\"seq\":1", "\"seq\":1.0"),
            line.replace("\"v\":1", "\"v\":2"),
            line.replace(".000006Z", ".000006+00:00"),
            line.replace("done", "undone"),
            canonical::to_string(&other),
            "[".repeat(100_000),
            "x".repeat(LINE_BYTES_MAX + 1),
        ] {
            assert_eq!(Record::parse(&wrong).unwrap_err().kind(), ErrorKind::InvalidInput);
        }
    }
}

//! Exports: the chain as lines of JSON, for a file that speaks for itself.
//!
//! Each record is a line in its canonical form, so that the hash of the line is the hash of the record. A checkpoint is a line
//! `{"checkpoint":"…"}`: one after the last record, and where the chain does not begin with number 1 one before the first, which says
//! that what came before was removed.

use serde_json::{Value, json};

use super::{NOTE_BYTES_MAX, Record, canonical};
use crate::{Error, ErrorKind, Result};

/// The longest line of an export, in bytes.
pub const LINE_BYTES_MAX: usize = 64 * 1024;

/// A line of an export.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum ExportLine {
    /// A record.
    Record(Box<Record>),
    /// A signed checkpoint: its note.
    Checkpoint(String),
}

impl ExportLine {
    /// The line, without its end.
    pub fn to_line(&self) -> String {
        match self {
            Self::Record(record) => record.canonical(),
            Self::Checkpoint(note) => canonical::to_string(&json!({ "checkpoint": note })),
        }
    }

    /// Reads a line.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for what no export holds.
    pub fn parse(line: &str) -> Result<Self> {
        if !line.starts_with("{\"checkpoint\":") {
            return Record::parse(line).map(|record| Self::Record(Box::new(record)));
        }
        let wrong = || Error::new(ErrorKind::InvalidInput, "the line is no checkpoint of an audit export");
        // The escapes of a note are fewer than its bytes.
        if line.len() > NOTE_BYTES_MAX * 2 {
            return Err(wrong());
        }
        match serde_json::from_str(line) {
            Ok(Value::Object(members)) if members.len() == 1 => match members.get("checkpoint") {
                Some(Value::String(note)) => Ok(Self::Checkpoint(note.clone())),
                _ => Err(wrong()),
            },
            _ => Err(wrong()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use chrono::TimeDelta;
    use proptest::prelude::*;

    use super::*;
    use crate::{
        audit::{AuditKey, Entry, Head, Outcome},
        clock::Timestamp,
        id::{TenantId, UserId},
    };

    #[test]
    fn a_checkpoint_is_a_line() {
        let line = ExportLine::Checkpoint("a\n1\nx\n\n— a b\n".to_owned());
        assert_eq!(line.to_line(), r#"{"checkpoint":"a\n1\nx\n\n— a b\n"}"#);
        assert_eq!(ExportLine::parse(&line.to_line()).unwrap(), line);
        for wrong in [r#"{"checkpoint":1}"#, r#"{"checkpoint":"a","b":1}"#, r#"{"checkpoint":"#] {
            assert!(ExportLine::parse(wrong).is_err(), "{wrong}");
        }
    }

    /// The export that `tests/interop/audit_check.py` reads, which was first written by a program of its own.
    #[test]
    fn an_export_is_the_same_as_another_program_writes_it() {
        let origin = "opsconductor/test/3";
        let key = AuditKey::from_seed(origin, &[7; 32]).unwrap();
        let start: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let (mut head, mut lines, mut removed) = (Head::START, String::new(), String::new());
        for n in 1..25_i64 {
            let actor = ["eve", "bob \u{1F600}", "\"quoted\"\\"][n as usize % 3];
            let user = (n % 3 == 0).then(|| UserId::new(n));
            let entry = Entry::by(TenantId::new(3), user, actor, "targets.update", "target").about(n);
            let tags = json!(["a", n, null, true, {"\u{fb33}": 2, "\u{1F600}": 1, "\u{e9}": "\u{1}"}]);
            let outcome = if n % 5 == 0 { Outcome::Refused } else { Outcome::Done };
            let entry = entry.with("tags", tags).with("name", format!("web-{n}")).with_outcome(outcome);
            let entry = entry.from_client((n % 2 == 0).then_some("192.0.2.1"), Some("curl"));
            let at = start + TimeDelta::seconds(n) + TimeDelta::microseconds(n);
            let record = ExportLine::Record(Box::new(head.link(at, entry).record));
            lines += &(record.to_line() + "\n");
            if n % 12 == 0 {
                lines += &(ExportLine::Checkpoint(key.sign(head)).to_line() + "\n");
            }
            if n == 12 {
                removed = key.sign_removal(head);
            }
        }
        assert_eq!(lines, include_str!("../../testdata/audit-export.ndjson"));
        assert_eq!(format!("{}\n", key.public()), include_str!("../../testdata/audit-export.key"));
        assert_eq!(removed, include_str!("../../testdata/audit-removed.note"));
        for line in lines.lines() {
            assert_eq!(ExportLine::parse(line).unwrap().to_line(), line);
        }
    }

    proptest! {
        #[test]
        fn no_line_is_more_than_refused(line in ".{0,300}") {
            let _ = ExportLine::parse(&line);
            let _ = ExportLine::parse(&format!("{{\"checkpoint\":{line}"));
        }
    }
}

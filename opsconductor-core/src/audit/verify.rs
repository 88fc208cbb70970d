//! [`Verifier`]: reads a chain and says what is wrong with it.

use std::{collections::BTreeMap, fmt};

use super::{Chained, Hash, Head, Record};
use crate::id::TenantId;

/// How many findings a report lists; the others are counted.
pub const FINDINGS_MAX: usize = 100;

/// What can be wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Fault {
    /// The record is not the one whose hash was kept.
    Edited,
    /// Records that came before it are not there.
    Missing,
    /// Its number was there already, or comes before one that was.
    Disorder,
    /// It does not hold the hash of the record before it: one of the two is not what it was, or does not belong here.
    Unlinked,
    /// It is another tenant's.
    Foreign,
    /// The chain ends before it should.
    CutTail,
    /// The chain is another than the one that a checkpoint was made of.
    Checkpoint,
}

impl Fault {
    /// A name, for programs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Edited => "edited",
            Self::Missing => "missing",
            Self::Disorder => "disorder",
            Self::Unlinked => "unlinked",
            Self::Foreign => "foreign",
            Self::CutTail => "cut_tail",
            Self::Checkpoint => "checkpoint",
        }
    }
}

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What.
    pub fault: Fault,
    /// At which record.
    pub seq: u64,
    /// A sentence.
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "record {}: {}", self.seq, self.message)
    }
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// How many records were read.
    pub records: u64,
    /// Where the chain begins: before its first record.
    pub begins: Head,
    /// Where it ends.
    pub head: Head,
    /// The first [`FINDINGS_MAX`] that are wrong.
    pub findings: Vec<Finding>,
    /// How much is wrong in all.
    pub faults: u64,
}

impl Report {
    /// Whether nothing is wrong.
    pub fn is_ok(&self) -> bool {
        self.faults == 0
    }
}

/// Reads a chain record by record, in the order of the numbers. It keeps no record, so a chain may be of any length.
///
/// ```
/// use opsconductor_core::{Scope, audit::{Entry, Fault, Head, Verifier}, clock::Timestamp, tenant::DEFAULT_TENANT};
///
/// let mut head = Head::START;
/// let mut chain: Vec<_> = ["web-1", "web-2", "web-3"]
///     .map(|name| Entry::new(&Scope::local(), "targets.create", "target").with("name", name))
///     .map(|entry| head.link(Timestamp::UNIX_EPOCH, entry))
///     .into();
///
/// let mut verifier = Verifier::new(DEFAULT_TENANT, Head::START);
/// chain.iter().for_each(|chained| verifier.read(chained));
/// assert!(verifier.finish().is_ok());
///
/// chain[1].record.details.insert("name".to_owned(), "web-9".into());
/// let mut verifier = Verifier::new(DEFAULT_TENANT, Head::START);
/// chain.iter().for_each(|chained| verifier.read(chained));
/// let report = verifier.finish();
/// assert_eq!((report.findings[0].fault, report.findings[0].seq), (Fault::Edited, 2));
/// ```
#[derive(Debug)]
pub struct Verifier {
    tenant: TenantId,
    begins: Head,
    last: Head,
    records: u64,
    /// What the chain is known to have been: hashes by length.
    known: BTreeMap<u64, Hash>,
    findings: Vec<Finding>,
    faults: u64,
    canonical: String,
}

impl Verifier {
    /// A chain of `tenant` that begins after `begins`: [`Head::START`], or a checkpoint whose signature was checked.
    pub fn new(tenant: TenantId, begins: Head) -> Self {
        Self {
            tenant,
            begins,
            last: begins,
            records: 0,
            known: BTreeMap::new(),
            findings: Vec::new(),
            faults: 0,
            canonical: String::new(),
        }
    }

    /// Holds the chain to what it is known to have been: a checkpoint whose signature was checked, or the head that the store
    /// keeps. Before the first record is read.
    pub fn expect(&mut self, head: Head) {
        if head.size == self.begins.size && head.hash != self.begins.hash {
            self.find(
                Fault::Checkpoint,
                head.size,
                "the chain begins after another record than a checkpoint says",
            );
        } else if head.size > self.begins.size
            && let Some(other) = self.known.insert(head.size, head.hash)
            && other != head.hash
        {
            self.find(Fault::Checkpoint, head.size, "two checkpoints of the same length differ");
        }
    }

    /// Reads the next record with the hash that was kept beside it.
    pub fn read(&mut self, chained: &Chained) {
        let hash = self.hash(&chained.record);
        if hash != chained.hash {
            self.find(Fault::Edited, chained.record.seq, "it is not the record whose hash was kept");
        }
        self.follow(&chained.record, hash);
    }

    /// Reads the next record of an export, beside which no hash was kept. A change of it is found at the record after it, or by
    /// the checkpoint at the end.
    pub fn read_alone(&mut self, record: &Record) {
        let hash = self.hash(record);
        self.follow(record, hash);
    }

    /// What came of it.
    pub fn finish(mut self) -> Report {
        let last = self.last.size;
        if let Some((&longest, _)) = self.known.last_key_value()
            && longest > last
        {
            self.find(
                Fault::CutTail,
                last + 1,
                &format!("it and all up to record {longest}, which were there, are missing at the end"),
            );
        }
        Report {
            records: self.records,
            begins: self.begins,
            head: self.last,
            findings: self.findings,
            faults: self.faults,
        }
    }

    fn hash(&mut self, record: &Record) -> Hash {
        self.canonical.clear();
        record.write_canonical(&mut self.canonical);
        Hash::of(self.canonical.as_bytes())
    }

    fn follow(&mut self, record: &Record, hash: Hash) {
        self.records += 1;
        let (seq, expected) = (record.seq, self.last.size + 1);
        if record.tenant != self.tenant {
            self.find(Fault::Foreign, seq, &format!("it is of tenant {}", record.tenant));
        }
        if seq > expected {
            let message = match seq - expected {
                1 => format!("record {expected} before it is missing"),
                _ => format!("records {expected} to {} before it are missing", seq - 1),
            };
            self.find(Fault::Missing, seq, &message);
        } else if seq < expected {
            self.find(Fault::Disorder, seq, &format!("record {expected} was to come here"));
        }
        if record.prev != self.last.hash {
            self.find(Fault::Unlinked, seq, "it does not follow from the record before it");
        }
        if self.known.get(&seq).is_some_and(|known| *known != hash) {
            self.find(Fault::Checkpoint, seq, "the chain up to it is another than the checkpoint says");
        }
        // What comes next is held to this one, so that one fault is not found at every record after it.
        self.last = Head { size: seq, hash };
    }

    /// Adds what was found about the chain in another way.
    pub fn find(&mut self, fault: Fault, seq: u64, message: &str) {
        self.faults += 1;
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(Finding { fault, seq, message: message.to_owned() });
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::{
        audit::{AuditKey, Entry, ExportLine, Outcome},
        clock::Timestamp,
        tenant::{DEFAULT_TENANT, Scope},
    };

    fn chain(length: u64) -> Vec<Chained> {
        let mut head = Head::START;
        let entry = |n: u64| {
            let entry = Entry::new(&Scope::local(), "targets.create", "target").about(n as i64);
            entry.with("name", format!("web-{n}")).with("tags", json!(["a", n]))
        };
        (0..length).map(|n| head.link(Timestamp::UNIX_EPOCH, entry(n))).collect()
    }

    fn verify(chain: &[Chained], expected: &[Head]) -> Report {
        let mut verifier = Verifier::new(DEFAULT_TENANT, Head::START);
        expected.iter().for_each(|head| verifier.expect(*head));
        chain.iter().for_each(|chained| verifier.read(chained));
        verifier.finish()
    }

    fn head_of(chained: &Chained) -> Head {
        Head { size: chained.record.seq, hash: chained.hash }
    }

    fn faults(report: &Report) -> Vec<(Fault, u64)> {
        report.findings.iter().map(|finding| (finding.fault, finding.seq)).collect()
    }

    #[test]
    fn a_chain_that_nobody_touched_holds() {
        let whole = chain(20);
        let report = verify(&whole, &[head_of(&whole[9]), head_of(&whole[19])]);
        assert!(report.is_ok(), "{report:?}");
        assert_eq!((report.records, report.head), (20, head_of(&whole[19])));
    }

    #[test]
    fn a_chain_may_begin_at_a_checkpoint() {
        let whole = chain(20);
        let begins = head_of(&whole[9]);
        let mut verifier = Verifier::new(DEFAULT_TENANT, begins);
        verifier.expect(begins);
        whole[10..].iter().for_each(|chained| verifier.read(chained));
        assert!(verifier.finish().is_ok());
        let mut verifier = Verifier::new(DEFAULT_TENANT, Head { hash: Hash::of(b"other"), ..begins });
        verifier.expect(begins);
        whole[10..].iter().for_each(|chained| verifier.read(chained));
        assert_eq!(faults(&verifier.finish()), [(Fault::Checkpoint, 10), (Fault::Unlinked, 11)]);
    }

    #[test]
    fn each_kind_of_tampering_is_called_what_it_is() {
        let whole = chain(10);
        let mut edited = whole.clone();
        edited[4].record.actor = "eve".to_owned();
        assert_eq!(faults(&verify(&edited, &[])), [(Fault::Edited, 5), (Fault::Unlinked, 6)]);
        edited[4].hash = edited[4].record.hash();
        assert_eq!(faults(&verify(&edited, &[])), [(Fault::Unlinked, 6)]);
        let mut deleted = whole.clone();
        deleted.remove(4);
        assert_eq!(faults(&verify(&deleted, &[])), [(Fault::Missing, 6), (Fault::Unlinked, 6)]);
        let mut inserted = whole.clone();
        inserted.insert(5, whole[4].clone());
        assert_eq!(faults(&verify(&inserted, &[])), [(Fault::Disorder, 5), (Fault::Unlinked, 5)]);
        let mut swapped = whole.clone();
        swapped.swap(4, 5);
        assert!(!verify(&swapped, &[]).is_ok());
        let cut = &whole[..8];
        assert!(verify(cut, &[]).is_ok(), "nothing in a chain says how long it was");
        assert_eq!(faults(&verify(cut, &[head_of(&whole[9])])), [(Fault::CutTail, 9)]);
        // Written anew from one record on: only who keeps a checkpoint elsewhere can tell.
        let mut head = head_of(&whole[4]);
        let mut anew = whole[..5].to_vec();
        for chained in chain(5) {
            let entry = Entry::new(&Scope::local(), &chained.record.action, "x");
            anew.push(head.link(chained.record.at, entry));
        }
        assert!(verify(&anew, &[]).is_ok());
        assert_eq!(faults(&verify(&anew, &[head_of(&whole[9])])), [(Fault::Checkpoint, 10)]);
    }

    #[test]
    fn findings_are_bounded_and_counted() {
        let mut whole = chain(300);
        whole.iter_mut().for_each(|chained| chained.record.actor = "eve".to_owned());
        let report = verify(&whole, &[]);
        assert_eq!(report.findings.len(), FINDINGS_MAX);
        assert_eq!(report.faults, 599);
    }

    /// One of everything that can be done to a chain of lines. Nothing where it would do nothing.
    fn tamper(lines: &mut Vec<Chained>, kind: u8, one: usize, other: usize, byte: u8) -> bool {
        let length = lines.len();
        let (one, other) = (one % length, other % length);
        let before = lines.clone();
        let record = &mut lines[one].record;
        match kind {
            0 => record.actor.push(char::from(byte % 26 + b'a')),
            1 => record.action = format!("x{byte}"),
            2 => record.resource_id = record.resource_id.map(|id| id ^ i64::from(byte)),
            3 => record.outcome = Outcome::Refused,
            4 => record.at += chrono::TimeDelta::microseconds(i64::from(byte)),
            5 => drop(record.details.insert("name".to_owned(), json!(byte))),
            6 => drop(record.details.remove("tags")),
            7 => record.seq ^= u64::from(byte),
            8 => record.tenant = TenantId::new(i64::from(byte)),
            9 => {
                let mut hash = *record.prev.as_bytes();
                hash[other % 32] ^= byte;
                record.prev = Hash::from(hash);
            }
            10 => {
                let mut hash = *lines[one].hash.as_bytes();
                hash[other % 32] ^= byte;
                lines[one].hash = Hash::from(hash);
            }
            11 => drop(lines.remove(one)),
            12 => lines.insert(other, before[one].clone()),
            13 => lines.swap(one, other),
            14 => lines.truncate(one),
            15 => drop(lines.drain(one.min(other)..=one.max(other))),
            16 => lines[one..].reverse(),
            // With the hash made right again, as one would who knows how it is made.
            17 => {
                record.actor = format!("eve{byte}");
                lines[one].hash = lines[one].record.hash();
            }
            // And with all after it made right too.
            18 => {
                record.actor = format!("eve{byte}");
                let mut prev = record.prev;
                for chained in &mut lines[one..] {
                    chained.record.prev = prev;
                    chained.hash = chained.record.hash();
                    prev = chained.hash;
                }
            }
            _ => {
                let entry = Entry::new(&Scope::local(), "x.y", "z").with("n", byte);
                let mut head = head_of(&before[length - 1]);
                lines.push(head.link(Timestamp::UNIX_EPOCH, entry));
            }
        }
        *lines != before
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 10_000, ..ProptestConfig::default() })]

        #[test]
        fn every_tampering_is_found(
            length in 2u64..24, kind in 0u8..20, one in 0usize..1000, other in 0usize..1000, byte in 1u8..=255,
        ) {
            let whole = chain(length);
            let kept = head_of(whole.last().unwrap());
            let mut lines = whole.clone();
            prop_assume!(tamper(&mut lines, kind, one, other, byte));
            let appended = kind >= 19;
            let report = verify(&lines, &[kept]);
            // What was added after the last is no tampering of what was there.
            prop_assert_eq!(report.is_ok(), appended, "{:?}", report);
            // The same through an export, which has no hashes beside its records but a checkpoint at its end.
            let key = AuditKey::from_seed("opsconductor/test/1", &[7; 32]).unwrap();
            let checkpoint = key.public().open(&key.sign(kept)).unwrap();
            let mut verifier = Verifier::new(DEFAULT_TENANT, Head::START);
            verifier.expect(checkpoint.head);
            for chained in &lines {
                match ExportLine::parse(&chained.record.canonical()).unwrap() {
                    ExportLine::Record(record) => verifier.read_alone(&record),
                    ExportLine::Checkpoint(_) => unreachable!("no record is a checkpoint"),
                }
            }
            // The hash beside a record is not in an export.
            prop_assert_eq!(verifier.finish().is_ok(), appended || kind == 10);
        }
    }
}

//! The record of what was done: who did what to which thing, in a form that shows whether it was touched since.
//!
//! ```text
//!  engine ──▶ Entry ──staged in the transaction of the change──▶ sequencer ──▶ Record 1 ◀─ Record 2 ◀─ Record 3 …
//!                                                                                 (each holds the hash of the one before)
//!                                                                                                        │ signed
//!                                                                                                   checkpoint, kept elsewhere
//! ```
//!
//! * An [`Entry`] says what happened. It is [staged](staging) in the transaction of the change it tells of.
//! * A [`Record`] is an entry with its number and the [hash](struct@Hash) of the record before it, per tenant. Its bytes are its
//!   [canonical form](canonical) after RFC 8785, so that any program computes the same hash.
//! * A [`Checkpoint`] says how long the chain was and what its last hash was, signed with Ed25519 in the note format of C2SP
//!   (`signed-note`, `tlog-checkpoint`). Whoever keeps one elsewhere can show later that nothing before it was changed or cut.
//!   Where records go because they are old, a checkpoint that says so stands for them, and no other one does.
//! * A [`Verifier`] reads records one after the other and finds an edit, a deletion, an insertion and a swap; against a
//!   checkpoint also a tail that was cut, and a chain that was written anew.
//!
//! Nothing in here knows a store or the engine. `examples/python/verify_audit.py` does the same without a line of this.

pub mod canonical;
pub mod staging;

mod chain;
mod checkpoint;
mod entry;
mod export;
mod record;
mod verify;

pub use chain::{Chained, HASH_BYTES, Hash, Head};
pub use checkpoint::{AuditKey, Checkpoint, NOTE_BYTES_MAX, PublicKey};
pub use entry::{DETAILS_BYTES_MAX, Entry, Outcome, TEXT_CHARS_MAX};
pub use export::{ExportLine, LINE_BYTES_MAX};
pub use record::{DAMAGED, Record};
pub use verify::{FINDINGS_MAX, Fault, Finding, Report, Verifier};

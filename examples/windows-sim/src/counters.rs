//! What a test may want to know about what reached the host.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU64, Ordering},
};

use crate::account::Logons;

/// A picture of the host's counters at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Counters {
    /// TCP connections accepted.
    pub connections: u64,
    /// TCP connections open now.
    pub connections_open: u64,
    /// Bytes that came in over TCP, with all that TLS and HTTP add.
    pub bytes_in: u64,
    /// Bytes that went out over TCP.
    pub bytes_out: u64,
    /// HTTP requests, the handshake's among them.
    pub requests: u64,
    /// WS-Management messages that reached the service.
    pub messages: u64,
    /// Bodies that were neither empty nor sealed on a connection without TLS: what a listener could have read.
    pub plaintext_bodies: u64,
    /// Commands started.
    pub commands: u64,
    /// Create, Command and Send messages that were acted on although one with the same `MessageID` had been before (of the
    /// last 10,000).
    pub duplicates: u64,
    /// Bytes of standard input that commands were sent.
    pub stdin_bytes: u64,
    /// Shells opened.
    pub shells_opened: u64,
    /// Shells open now.
    pub shells_open: usize,
    /// Logons by user; a name that is no account counts under itself.
    pub logons: BTreeMap<String, Logons>,
}

/// The counters as they run.
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) connections: Count,
    pub(crate) connections_open: Count,
    pub(crate) bytes_in: Count,
    pub(crate) bytes_out: Count,
    pub(crate) requests: Count,
    pub(crate) messages: Count,
    pub(crate) plaintext_bodies: Count,
    pub(crate) commands: Count,
    pub(crate) duplicates: Count,
    pub(crate) stdin_bytes: Count,
    pub(crate) shells_opened: Count,
}

/// A number of things.
#[derive(Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    pub(crate) fn up(&self) {
        self.add(1);
    }

    pub(crate) fn add(&self, more: usize) {
        self.0.fetch_add(more as u64, Ordering::Relaxed);
    }

    pub(crate) fn down(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

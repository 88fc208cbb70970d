//! SSH against Debian's OpenSSH server: who a host is, who we are, what commands and files go through, and what breaks.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod engine;
mod exec;
mod files;
mod host_keys;
mod logon;
mod support;

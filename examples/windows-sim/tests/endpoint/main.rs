//! The endpoint through its public door: a host that listens, and messages over HTTP.
//!
//! Authentication and sealing are proved by other people's clients in `interop/`; here Basic over plain HTTP keeps the
//! client small.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod client;
mod fault_matrix;
mod faults;
mod identify;
mod inventory;
mod many;
mod network;
mod quotas;
mod reattach;
mod sessions;
mod shells;
mod streams;

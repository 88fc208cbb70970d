//! What a database, other programs on it and its administrator do to the store.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod answers;
mod connect;
mod gather;
mod join;
mod limits;
mod notices;
mod shared;
mod support;
#[cfg(feature = "tls")]
mod tls;
mod under_way;
mod walls;

//! The cases, by subject. Each runs on a fresh host with a fresh connector, and panics when a promise does not hold.

#![allow(missing_docs, reason = "the name of a case is its sentence")]

pub mod copy;
pub mod dispatch;
pub mod exec;
pub mod fetch;
mod files;
pub mod input;
pub mod leftovers;
pub mod logon;
pub mod probe;
pub mod reach;
pub mod reattach;
pub mod sessions;
pub mod stop;

//! What the scenario tests share: engines on each store, and hosts that do what a command tells them.
//!
//! A package of its own, so that what tests need never widens what the library is built with.
#![forbid(unsafe_code)]

pub mod chaos;
pub mod flaky;
pub mod flawed;
pub mod fleet;
pub mod history;
pub mod openssh;
mod plain;
pub mod relay;
pub mod scripted;
pub mod service;
mod through;
pub mod windows;

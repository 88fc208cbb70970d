//! Secrets at rest.

pub mod credential;
pub mod secret;

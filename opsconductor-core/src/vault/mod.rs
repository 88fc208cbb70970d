//! Secrets at rest.

pub mod secret;

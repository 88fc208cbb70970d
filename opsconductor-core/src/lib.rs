//! OpsConductor: an IT-operations engine to embed.
#![forbid(unsafe_code)]

pub mod auth;
pub mod clock;
pub mod error;
pub mod id;
pub mod job;
pub mod run;
pub mod store;
pub mod target;
pub mod template;
pub mod tenant;
#[cfg(feature = "testing")]
pub mod testing;
pub mod transport;
pub mod vault;

pub use error::{Error, ErrorKind, Problem, Result};
pub use vault::secret::Secret;

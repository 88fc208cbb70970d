//! OpsConductor: an IT-operations engine to embed.
#![forbid(unsafe_code)]

pub mod error;
pub mod template;
pub mod vault;

pub use error::{Error, ErrorKind, Problem, Result};
pub use vault::secret::Secret;

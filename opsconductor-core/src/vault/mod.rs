//! Secrets at rest.

pub mod credential;
pub mod envelope;
pub mod keyring;
pub mod secret;

mod context;
mod key;
mod primitives;

pub use context::{CONTEXT_BYTES_MAX, Context};
pub use key::{KEY_ID_BYTES_MAX, MasterKey, WRAPS_MAX, generate_key};
pub use keyring::{CallbackKeys, KeyProvider, Keyring, create_key_file};

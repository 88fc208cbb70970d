//! The .NET types that scripts touch.

pub(super) mod convert;
mod deflate;
pub(super) mod encoding;
pub(super) mod enumerations;
pub(super) mod instance;
pub(super) mod names;
pub(super) mod native;
pub(super) mod number;
pub(super) mod objects;
pub(super) mod properties;
pub(super) mod statics;
pub(super) mod stream;
pub(super) mod string;
pub(super) mod time;

//! The program around the library: its arguments, its hosts, and what it says about them.

mod arguments;
mod fleet;
mod report;

pub(crate) use arguments::Arguments;
pub(crate) use fleet::Fleet;

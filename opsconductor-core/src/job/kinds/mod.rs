//! The step kinds of this library, written with the same seam as a host's own.

mod copy;
mod exec;

use std::sync::Arc;

pub use copy::WinrmCopy;
pub use exec::WinrmExec;

use super::step::StepHandler;

/// A command as a template, before and after it is rendered.
const COMMAND_BYTES_MAX: usize = 64 * 1024;

/// All of them.
pub(super) fn built_in() -> Vec<Arc<dyn StepHandler>> {
    vec![Arc::new(WinrmExec), Arc::new(WinrmCopy)]
}

#[cfg(test)]
mod tests;

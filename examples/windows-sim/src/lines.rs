//! Command lines that are kept once, however often they come.

use std::{collections::HashSet, sync::Arc};

/// How many different lines are shared; what comes later is kept by itself.
const DISTINCT_MAX: usize = 1000;

/// Lines to share. A client that starts every command with the same bootstrap fills no memory with it.
#[derive(Debug, Default)]
pub(crate) struct Lines(HashSet<Arc<str>>);

impl Lines {
    /// The line, shared with those that came before.
    pub(crate) fn share(&mut self, line: &str) -> Arc<str> {
        if let Some(known) = self.0.get(line) {
            return Arc::clone(known);
        }
        let line = Arc::<str>::from(line);
        if self.0.len() < DISTINCT_MAX {
            self.0.insert(Arc::clone(&line));
        }
        line
    }
}

//! The faults of a definition, collected.

use super::lists::Layout;
use crate::Problem;

/// More than anyone mends in one go; a hostile definition could hold a fault every few bytes.
pub(super) const PROBLEMS_MAX: usize = 1000;

/// Problems up to a bound; what is beyond it is only noted.
#[derive(Debug, Clone, Default)]
pub(super) struct Faults {
    problems: Vec<Problem>,
    more: bool,
}

impl Faults {
    pub(super) fn add(&mut self, pointer: impl Into<String>, message: impl Into<String>) {
        if self.problems.len() < PROBLEMS_MAX {
            self.problems.push(Problem::new(pointer, message));
        } else {
            self.more = true;
        }
    }

    /// Puts `prefix` before the pointers of all problems from the one at `first` on.
    pub(super) fn move_below(&mut self, first: usize, prefix: &str) {
        for problem in &mut self.problems[first..] {
            problem.pointer.insert_str(0, prefix);
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.more
    }

    pub(super) fn is_empty(&self) -> bool {
        self.problems.is_empty()
    }

    pub(super) fn as_slice(&self) -> &[Problem] {
        &self.problems
    }

    /// Names the places as they are in a definition whose lists of steps are laid out so.
    pub(super) fn laid_out(mut self, layout: Layout) -> Self {
        for problem in &mut self.problems {
            problem.pointer = layout.place(std::mem::take(&mut problem.pointer));
        }
        self
    }

    /// Everything, in the order of `document`.
    pub(super) fn into_problems(self, document: &serde_json::Value) -> Vec<Problem> {
        let mut problems = self.problems;
        super::place::sort(&mut problems, document);
        if self.more {
            problems.push(Problem::new("", "there are more problems than are listed here: mend these first"));
        }
        problems
    }
}

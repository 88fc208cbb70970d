//! What was executed, and what was asked for twice.

use std::{
    collections::{HashSet, VecDeque},
    hash::{BuildHasher as _, RandomState},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::lines::Lines;

/// How many executed commands are remembered; the oldest are forgotten.
const EXECUTED_MAX: usize = 10_000;
/// How many message ids are remembered to find those that come twice.
const MESSAGES_MAX: usize = 10_000;

/// A command line that was executed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Executed {
    /// The account it ran under.
    pub user: String,
    /// The shell it was started in.
    pub shell_id: String,
    /// The id the host gave it.
    pub command_id: String,
    /// The id of the message that asked for it.
    pub message_id: String,
    /// The line: the command and its arguments.
    pub line: Arc<str>,
}

/// What a host remembers of what it was asked.
#[derive(Default)]
pub(crate) struct Journal {
    state: Mutex<State>,
    hasher: RandomState,
}

#[derive(Default)]
struct State {
    executed: VecDeque<Executed>,
    lines: Lines,
    /// Hashes of message ids, the oldest first.
    order: VecDeque<u64>,
    messages: HashSet<u64>,
}

impl Journal {
    /// Remembers a message that is about to be acted on; true when one with its id was before.
    pub(crate) fn repeats(&self, message_id: &str) -> bool {
        let hash = self.hasher.hash_one(message_id);
        let mut state = self.lock();
        if !state.messages.insert(hash) {
            return true;
        }
        state.order.push_back(hash);
        if state.order.len() > MESSAGES_MAX
            && let Some(oldest) = state.order.pop_front()
        {
            state.messages.remove(&oldest);
        }
        false
    }

    /// Remembers a command that was started.
    pub(crate) fn executed(&self, mut executed: Executed) {
        let mut state = self.lock();
        executed.line = state.lines.share(&executed.line);
        if state.executed.len() >= EXECUTED_MAX {
            state.executed.pop_front();
        }
        state.executed.push_back(executed);
    }

    /// The last commands, in order.
    pub(crate) fn list(&self) -> Vec<Executed> {
        self.lock().executed.iter().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_that_comes_again_is_known_until_it_is_long_ago() {
        let journal = Journal::default();
        assert!(!journal.repeats("uuid:1"));
        assert!(journal.repeats("uuid:1"));
        for n in 0..MESSAGES_MAX {
            assert!(!journal.repeats(&format!("other:{n}")));
        }
        assert!(!journal.repeats("uuid:1"));
    }

    #[test]
    fn the_oldest_commands_are_forgotten_and_equal_lines_are_kept_once() {
        let journal = Journal::default();
        for n in 0..EXECUTED_MAX + 5 {
            journal.executed(Executed {
                user: String::new(),
                shell_id: String::new(),
                command_id: n.to_string(),
                message_id: String::new(),
                line: "ver".into(),
            });
        }
        let list = journal.list();
        assert_eq!((list.len(), list[0].command_id.as_str()), (EXECUTED_MAX, "5"));
        assert!(Arc::ptr_eq(&list[0].line, &list[1].line));
    }
}

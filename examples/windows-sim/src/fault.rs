//! Faults on demand: what goes wrong, and when.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use crate::soap::names::Action;

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The connection drops before the message is acted on.
    DropBefore,
    /// The message is acted on, then the connection drops instead of an answer.
    DropAfter,
    /// The message is not acted on and answered with 401, and the connection's authentication is forgotten.
    Unauthorized,
    /// The message is acted on and the answer stops in the middle of its body.
    TruncatedBody,
    /// The message waits before it is acted on.
    Delay(Duration),
    /// The message is not acted on: the host restarts, every shell and connection with it.
    Reboot,
    /// The message is not acted on and answered with status 503, as a service that is starting does.
    Unavailable,
    /// The message is not acted on and answered with a `WSManFault` of this number.
    Refuse(u32),
    /// The same in the other shape Windows has for it, `MSFT_WmiError`.
    RefuseWmi(u32),
}

/// The faults that are still to come. Each happens once, at the first message it fits.
#[derive(Debug, Default)]
pub struct FaultPlan {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    seen: u64,
    planned: Vec<(When, Fault)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    Message(u64),
    Next(Action),
}

impl FaultPlan {
    /// Plans a fault for the `n`th WS-Management message from now, 1 being the next.
    pub fn on_message(&self, n: u64, fault: Fault) {
        let mut state = self.lock();
        let at = state.seen + n;
        state.planned.push((When::Message(at), fault));
    }

    /// Plans a fault for the next message of an action. Planned twice, it happens to the next two.
    pub fn on_next(&self, action: Action, fault: Fault) {
        self.lock().planned.push((When::Next(action), fault));
    }

    /// How many faults are still to come.
    pub fn remaining(&self) -> usize {
        self.lock().planned.len()
    }

    /// Forgets every fault that is still to come.
    pub fn clear(&self) {
        self.lock().planned.clear();
    }

    /// The fault of the message that has just arrived.
    pub(crate) fn next(&self, action: Action) -> Option<Fault> {
        let mut state = self.lock();
        state.seen += 1;
        let seen = state.seen;
        let fits = |when: When| when == When::Message(seen) || when == When::Next(action);
        let at = state.planned.iter().position(|(when, _)| fits(*when))?;
        Some(state.planned.remove(at).1)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fault_happens_once_to_the_message_it_was_planned_for() {
        let plan = FaultPlan::default();
        assert_eq!(plan.next(Action::Create), None);
        plan.on_message(2, Fault::DropBefore);
        plan.on_next(Action::Receive, Fault::DropAfter);
        plan.on_next(Action::Receive, Fault::Reboot);
        assert_eq!(plan.next(Action::Receive), Some(Fault::DropAfter));
        assert_eq!(plan.next(Action::Send), Some(Fault::DropBefore));
        assert_eq!(plan.next(Action::Receive), Some(Fault::Reboot));
        assert_eq!(plan.next(Action::Receive), None);
        assert_eq!(plan.remaining(), 0);
    }
}

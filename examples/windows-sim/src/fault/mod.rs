//! Faults on demand: what goes wrong, and when.

mod spec;

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use crate::soap::action::Action;

pub use spec::FaultSpecError;

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
    /// The message is acted on and the answer is properly sealed, where it would be, but no envelope.
    Garbage,
    /// The message is acted on and the answer's signature does not fit it. Where nothing is sealed this is [`Fault::Garbage`].
    BadSeal,
    /// The message waits before it is acted on.
    Delay(Duration),
    /// The message is not acted on: the host restarts, every shell and connection with it.
    Reboot,
    /// The message is not acted on and answered with status 503, as a service that is starting does.
    Unavailable,
    /// The message is not acted on and answered with status 413, as if it were larger than the host takes.
    TooLarge,
    /// The message is not acted on and answered with a `WSManFault` of this number.
    Refuse(u32),
    /// The same in the other shape Windows has for it, `MSFT_WmiError`.
    RefuseWmi(u32),
}

/// The faults that are still to come, on one host.
///
/// A fault can be planned for every [`Action`]. On the two legs of the handshake, which carry no envelope, `Garbage` and
/// `BadSeal` spoil the token of the answer, and `Refuse` and `RefuseWmi` answer with an empty 500.
#[derive(Debug, Default)]
pub struct FaultPlan {
    state: Mutex<State>,
}

/// A fault and the moment it is for. Read from text like `receive:2=drop-after`; see [`PlannedFault::from_str`].
///
/// [`PlannedFault::from_str`]: #impl-FromStr-for-PlannedFault
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlannedFault {
    when: When,
    fault: Fault,
}

/// When a fault happens, counted from the moment it is planned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    /// At the message with this number.
    Message(u64),
    /// At the message with this number among those of an action.
    Nth(Action, u64),
    /// At the next message of an action that has no other fault.
    Next(Action),
    /// At each message of an action that has no other fault.
    Each(Action),
}

#[derive(Debug, Default)]
struct State {
    messages: u64,
    by_action: [u64; Action::ALL.len()],
    planned: Vec<PlannedFault>,
}

impl FaultPlan {
    /// Plans a fault for the `n`th WS-Management message from now, 1 being the next. The handshake is none.
    pub fn on_message(&self, n: u64, fault: Fault) {
        self.plan(PlannedFault { when: When::Message(n), fault });
    }

    /// Plans a fault for the `n`th message of an action from now, 1 being the next.
    pub fn on_nth(&self, action: Action, n: u64, fault: Fault) {
        self.plan(PlannedFault { when: When::Nth(action, n), fault });
    }

    /// Plans a fault for the next message of an action. Planned twice, it happens to the next two.
    pub fn on_next(&self, action: Action, fault: Fault) {
        self.plan(PlannedFault { when: When::Next(action), fault });
    }

    /// Plans a fault for each message of an action, until [`FaultPlan::clear`].
    pub fn on_each(&self, action: Action, fault: Fault) {
        self.plan(PlannedFault { when: When::Each(action), fault });
    }

    /// Plans a fault that was read from text.
    pub fn plan(&self, planned: PlannedFault) {
        let mut state = self.lock();
        let when = match planned.when {
            When::Message(n) => When::Message(state.messages + n),
            When::Nth(action, n) => When::Nth(action, state.by_action[action.index()] + n),
            when => when,
        };
        state.planned.push(PlannedFault { when, ..planned });
    }

    /// How many faults are still to come; one for each message of an action counts once.
    pub fn remaining(&self) -> usize {
        self.lock().planned.len()
    }

    /// Forgets every fault that is still to come.
    pub fn clear(&self) {
        self.lock().planned.clear();
    }

    /// The fault of the message that has just arrived: one planned for this very message before one for any of its kind.
    pub(crate) fn next(&self, action: Action) -> Option<Fault> {
        let mut state = self.lock();
        let nth = &mut state.by_action[action.index()];
        *nth += 1;
        let exact = When::Nth(action, *nth);
        state.messages += u64::from(!action.is_handshake());
        let message = (!action.is_handshake()).then_some(When::Message(state.messages));
        let find = |fits: &dyn Fn(When) -> bool| state.planned.iter().position(|each| fits(each.when));
        let at = find(&|when| when == exact || Some(when) == message)
            .or_else(|| find(&|when| when == When::Next(action)));
        match at {
            Some(at) => Some(state.planned.remove(at).fault),
            None => find(&|when| when == When::Each(action)).map(|at| state.planned[at].fault),
        }
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

    #[test]
    fn the_nth_of_an_action_is_counted_from_the_moment_of_planning() {
        let plan = FaultPlan::default();
        assert_eq!(plan.next(Action::Receive), None);
        plan.on_nth(Action::Receive, 2, Fault::DropAfter);
        assert_eq!(plan.next(Action::Send), None);
        assert_eq!(plan.next(Action::Receive), None);
        assert_eq!(plan.next(Action::Receive), Some(Fault::DropAfter));
        assert_eq!(plan.next(Action::Receive), None);
    }

    #[test]
    fn a_fault_for_each_message_gives_way_to_one_for_this_message() {
        let plan = FaultPlan::default();
        plan.on_each(Action::Send, Fault::Unavailable);
        plan.on_next(Action::Send, Fault::DropAfter);
        assert_eq!(plan.next(Action::Send), Some(Fault::DropAfter));
        assert_eq!(plan.next(Action::Send), Some(Fault::Unavailable));
        assert_eq!(plan.next(Action::Send), Some(Fault::Unavailable));
        plan.clear();
        assert_eq!(plan.next(Action::Send), None);
    }

    #[test]
    fn the_handshake_has_faults_and_is_no_message() {
        let plan = FaultPlan::default();
        plan.on_message(1, Fault::Reboot);
        plan.on_next(Action::Authenticate, Fault::DropAfter);
        assert_eq!(plan.next(Action::Negotiate), None);
        assert_eq!(plan.next(Action::Authenticate), Some(Fault::DropAfter));
        assert_eq!(plan.next(Action::Create), Some(Fault::Reboot));
    }
}

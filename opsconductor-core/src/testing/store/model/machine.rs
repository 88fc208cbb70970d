//! [`Machine`]: which calls make sense after which.

use proptest::prelude::*;
use proptest_state_machine::ReferenceStateMachine;

use super::{
    call::{Call, calls},
    promise::Promise,
};
use crate::run::TaskStatus;

/// Makes sequences of calls. What they must answer, the reference store knows.
pub(super) struct Machine;

/// About what there is by now.
#[derive(Debug, Clone, Default)]
pub(super) struct Rough {
    pub(super) theme: Theme,
    pub(super) runs: u32,
    pub(super) leases: u32,
    pub(super) limits: u32,
    pub(super) ends: u32,
    pub(super) letters: u32,
}

/// What a sequence is about.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Theme {
    #[default]
    Everything,
    Limits,
    /// Dead letters, and an end for old runs.
    Ends,
}

impl ReferenceStateMachine for Machine {
    type State = Rough;
    type Transition = Call;

    fn init_state() -> BoxedStrategy<Rough> {
        let theme = prop_oneof![Just(Theme::Everything), Just(Theme::Limits), Just(Theme::Ends)];
        theme.prop_map(|theme| Rough { theme, ..Rough::default() }).boxed()
    }

    fn transitions(state: &Rough) -> BoxedStrategy<Call> {
        calls(state)
    }

    fn apply(mut state: Rough, call: &Call) -> Rough {
        match call {
            Call::Enqueue { .. } => state.runs += 1,
            Call::Claim { limit: 1.., .. } if state.runs > 0 => state.leases += 1,
            Call::Complete { ends } if state.leases > 0 && !ends.is_empty() => {
                state.ends += 1;
                let bad = |status| matches!(status, TaskStatus::Failed | TaskStatus::Lost);
                state.letters += u32::from(ends.iter().any(|(_, status, _)| bad(*status)));
            }
            Call::Cancel { .. } if state.runs > 0 => state.ends += 1,
            Call::Promise(Promise::SetLimit { .. } | Promise::Pause { .. }) => state.limits += 1,
            _ => {}
        }
        state
    }
}

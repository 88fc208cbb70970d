//! [`Machine`]: which calls make sense after which.

use proptest::prelude::*;
use proptest_state_machine::ReferenceStateMachine;

use super::call::{Call, calls};

/// Makes sequences of calls. What they must answer, the reference store knows.
pub(super) struct Machine;

/// About what there is by now.
#[derive(Debug, Clone, Default)]
pub(super) struct Rough {
    runs: u32,
    leases: u32,
}

impl ReferenceStateMachine for Machine {
    type State = Rough;
    type Transition = Call;

    fn init_state() -> BoxedStrategy<Rough> {
        Just(Rough::default()).boxed()
    }

    fn transitions(state: &Rough) -> BoxedStrategy<Call> {
        calls(state.runs, state.leases)
    }

    fn apply(mut state: Rough, call: &Call) -> Rough {
        match call {
            Call::Enqueue { .. } => state.runs += 1,
            Call::Claim { limit: 1.., .. } if state.runs > 0 => state.leases += 1,
            _ => {}
        }
        state
    }
}

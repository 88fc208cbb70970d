//! [`Promise`]: calls about what the queue promises beyond claiming, which are limits, dead letters and an end for old runs.

use proptest::{option, prelude::*};

use super::{
    call::{RunShape, astray, run_shape},
    pick::{Pick, pick},
    plan::{Shape, shape},
};

/// One such call.
#[derive(Debug, Clone)]
pub(super) enum Promise {
    SetLimit {
        scope: ScopePick,
        astray: bool,
        limit: LimitShape,
    },
    Pause {
        scope: ScopePick,
        astray: bool,
        reason: u8,
    },
    Resume {
        scope: ScopePick,
        astray: bool,
    },
    WakeLimited,
    DiscardLetter {
        letter: Pick,
        astray: bool,
    },
    /// What the letter tells of, or what any run did, is done again.
    Redrive {
        letter: Pick,
        other: Option<Pick>,
        astray: bool,
        /// Whether or not it has a letter, as its child: whether only if it has none, and how many times in a row.
        repeats: Option<(bool, u8)>,
        /// Of another job than the run was of.
        job: Option<Pick>,
        shape: Shape,
        new: RunShape,
    },
    RemoveRuns {
        age: Option<u64>,
        runs_per_job: Option<u32>,
        limit: usize,
    },
}

/// The scope of a limit.
#[derive(Debug, Clone, Copy)]
pub(super) enum ScopePick {
    Tenant(Pick),
    Job(Pick),
    Target(Pick),
    Credential(Pick),
}

/// What may happen there; numbers of zero make no sense and are refused.
#[derive(Debug, Clone, Copy)]
pub(super) struct LimitShape {
    pub(super) running: Option<u32>,
    /// How many starts, in how many microseconds, and how many at once.
    pub(super) rate: Option<(u32, u64, u32)>,
}

/// What may be asked about limits.
pub(super) fn limits() -> impl Strategy<Value = Promise> {
    prop_oneof![
        5 => (scope(), astray(), limit())
            .prop_map(|(scope, astray, limit)| Promise::SetLimit { scope, astray, limit }),
        3 => (scope(), astray(), 0_u8..2)
            .prop_map(|(scope, astray, reason)| Promise::Pause { scope, astray, reason }),
        3 => (scope(), astray()).prop_map(|(scope, astray)| Promise::Resume { scope, astray }),
        1 => Just(Promise::WakeLimited),
    ]
}

/// What may be done about dead letters.
pub(super) fn letters() -> impl Strategy<Value = Promise> {
    let other = || option::weighted(0.25, pick());
    prop_oneof![
        1 => (pick(), astray()).prop_map(|(letter, astray)| Promise::DiscardLetter { letter, astray }),
        3 => (pick(), other(), astray(), option::weighted(0.7, (any::<bool>(), 1_u8..3)), other(), shape(), run_shape(0.3)).prop_map(
            |(letter, other, astray, repeats, job, shape, new)| Promise::Redrive {
                letter,
                other,
                astray,
                repeats,
                job,
                shape,
                new
            }
        ),
    ]
}

/// Which runs may go.
pub(super) fn retention() -> impl Strategy<Value = Promise> {
    let age = prop_oneof![2 => Just(0_u64), 3 => 1_u64..40_000_000, 1 => Just(1 << 50)];
    (option::weighted(0.7, age), option::weighted(0.5, 0_u32..3), 0_usize..4)
        .prop_map(|(age, runs_per_job, limit)| Promise::RemoveRuns { age, runs_per_job, limit })
}

pub(super) fn scope() -> impl Strategy<Value = ScopePick> + Clone {
    // Mostly the same few, so that what is said of one meets.
    let few = || prop_oneof![6 => (0_u8..2).prop_map(Pick), 1 => pick()];
    prop_oneof![
        3 => few().prop_map(ScopePick::Tenant),
        3 => few().prop_map(ScopePick::Job),
        3 => few().prop_map(ScopePick::Target),
        1 => few().prop_map(ScopePick::Credential),
    ]
}

fn limit() -> impl Strategy<Value = LimitShape> {
    let running = prop_oneof![1 => Just(0_u32), 10 => Just(1), 5 => 2_u32..4, 1 => Just(u32::MAX)];
    let starts = prop_oneof![1 => Just(0_u32), 12 => 1_u32..4];
    let per = prop_oneof![1 => Just(0_u64), 6 => Just(10_000_000), 6 => 1_u64..30_000_000];
    let burst = prop_oneof![1 => Just(0_u32), 8 => Just(1), 6 => 2_u32..4];
    (option::weighted(0.6, running), option::weighted(0.4, (starts, per, burst)))
        .prop_map(|(running, rate)| LimitShape { running, rate })
}

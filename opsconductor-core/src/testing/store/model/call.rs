//! [`Call`]: what is asked of both stores.

use proptest::{collection::vec, option, prelude::*};

use super::{
    look::{Look, look},
    machine::{Rough, Theme},
    pick::{LeasePick, Pick, lease_pick, pick},
    plan::{Shape, shape},
    promise::{Promise, letters, limits, retention},
};
use crate::{run::TaskStatus, store::WaitsFor, transport::Stream};

/// One call. Rows are named by their age, so that it means the same on both stores.
#[derive(Debug, Clone)]
pub(super) enum Call {
    /// Time passes.
    Wait {
        micros: u64,
    },
    CreateTenant {
        name: u8,
    },
    InsertCredential {
        tenant: Pick,
        name: u8,
        used_id: bool,
    },
    UpdateCredential {
        credential: Pick,
        astray: bool,
        name: u8,
        seen: bool,
        other_type: bool,
    },
    DeleteCredential {
        credential: Pick,
        astray: bool,
    },
    InsertTarget {
        tenant: Pick,
        target: TargetShape,
    },
    UpdateTarget {
        id: Pick,
        astray: bool,
        target: TargetShape,
    },
    DeleteTarget {
        target: Pick,
        astray: bool,
    },
    InsertJob {
        tenant: Pick,
        job: JobShape,
    },
    UpdateJob {
        id: Pick,
        astray: bool,
        job: JobShape,
    },
    DeleteJob {
        job: Pick,
        astray: bool,
    },
    Enqueue {
        job: Pick,
        shape: Shape,
        run: RunShape,
    },
    Enqueued {
        job: Pick,
        astray: bool,
        key: Key,
    },
    Claim {
        worker: u8,
        limit: usize,
        ttl: u64,
    },
    Dispatch {
        lease: LeasePick,
        handle: u8,
    },
    Renew {
        leases: Vec<LeasePick>,
        ttl: u64,
    },
    Output {
        pieces: Vec<Piece>,
    },
    Complete {
        ends: Vec<(LeasePick, TaskStatus, u8)>,
    },
    Requeue {
        tasks: Vec<(LeasePick, u64, TaskStatus, Option<WaitsFor>)>,
    },
    TakeExpired {
        worker: u8,
        limit: usize,
        ttl: u64,
    },
    Cancel {
        run: Pick,
        astray: bool,
    },
    Suspended {
        lease: LeasePick,
    },
    /// One of the tasks of a run is answered about.
    Decide {
        run: Pick,
        astray: bool,
        task: u8,
        approved: bool,
    },
    StopOverdue {
        limit: usize,
    },
    Promise(Promise),
    Look(Look),
}

/// A target to write.
#[derive(Debug, Clone)]
pub(super) struct TargetShape {
    pub(super) name: u8,
    pub(super) credential: Option<Pick>,
    pub(super) depends_on: Option<Pick>,
    pub(super) tags: u8,
}

/// A job to write.
#[derive(Debug, Clone)]
pub(super) struct JobShape {
    pub(super) name: u8,
    pub(super) version: i32,
    /// The target that it names, there or not.
    pub(super) target: Option<u8>,
    pub(super) is_active: bool,
}

/// What is said of a run beside its plan.
#[derive(Debug, Clone)]
pub(super) struct RunShape {
    pub(super) priority: i16,
    pub(super) key: Option<Key>,
    /// The concurrency key.
    pub(super) turn: Option<u8>,
    pub(super) parent: Option<Pick>,
    /// Only if the job is active and the plan made from its present version.
    pub(super) current: bool,
    pub(super) wrong: Option<Wrong>,
}

/// An idempotency key and which request it stands for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Key {
    pub(super) name: u8,
    pub(super) digest: u8,
}

/// The one thing that is wrong with a run.
#[derive(Debug, Clone, Copy)]
pub(super) enum Wrong {
    Tenant,
    Version,
    NoSteps,
}

/// A piece of output.
#[derive(Debug, Clone)]
pub(super) struct Piece {
    pub(super) lease: LeasePick,
    pub(super) seq: u32,
    pub(super) stream: Stream,
    pub(super) text: Text,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Text {
    Line(u8),
    WithNul,
    Empty,
    TooLong,
    NotUtf8,
}

/// What may be asked of stores that have about as much as `rough` says.
pub(super) fn calls(rough: &Rough) -> BoxedStrategy<Call> {
    // Calls that would find nothing to be about are seldom tried.
    let any = |count: u32| u32::from(count > 0);
    let (run, lease, limit) = (any(rough.runs), any(rough.leases), any(rough.limits));
    let (end, letter) = (any(rough.ends), any(rough.letters));
    // What a sequence is about comes often in it: the calls that belong together meet.
    let often = |theme| if rough.theme == theme { 8 } else { 1 };
    let (limits_often, ends_often) = (often(Theme::Limits), often(Theme::Ends));
    let keyed = if rough.theme == Theme::Ends { 0.7 } else { 0.3 };
    prop_oneof![
        6 => wait(),
        2 => catalog(),
        8 => (pick(), shape(), run_shape(keyed)).prop_map(|(job, shape, run)| Call::Enqueue { job, shape, run }),
        1 => (pick(), astray(), key()).prop_map(|(job, astray, key)| Call::Enqueued { job, astray, key }),
        1 + 12 * run => (0_u8..3, 0_usize..5, ttl())
            .prop_map(|(worker, limit, ttl)| Call::Claim { worker, limit, ttl }),
        1 + 5 * lease => (0_u8..3, 0_usize..5, ttl())
            .prop_map(|(worker, limit, ttl)| Call::TakeExpired { worker, limit, ttl }),
        1 + 2 * run => (pick(), astray()).prop_map(|(run, astray)| Call::Cancel { run, astray }),
        1 + 3 * lease => (pick(), astray(), 0_u8..4, prop::bool::ANY)
            .prop_map(|(run, astray, task, approved)| Call::Decide { run, astray, task, approved }),
        1 + run => (0_usize..4).prop_map(|limit| Call::StopOverdue { limit }),
        1 + 25 * lease => with_leases(),
        (1 + limit) * limits_often => limits().prop_map(Call::Promise),
        1 + letter * ends_often => letters().prop_map(Call::Promise),
        1 + end * ends_often => retention().prop_map(Call::Promise),
        4 => look().prop_map(Call::Look),
    ]
    .boxed()
}

fn with_leases() -> impl Strategy<Value = Call> {
    let end = (lease_pick(), ended(), any::<u8>());
    let piece = (lease_pick(), 1_u32..5, stream(), text()).prop_map(|(lease, seq, stream, text)| Piece {
        lease,
        seq,
        stream,
        text,
    });
    prop_oneof![
        4 => (lease_pick(), 0_u8..3).prop_map(|(lease, handle)| Call::Dispatch { lease, handle }),
        3 => (vec(lease_pick(), 0..4), ttl()).prop_map(|(leases, ttl)| Call::Renew { leases, ttl }),
        4 => vec(piece, 0..4).prop_map(|pieces| Call::Output { pieces }),
        8 => vec(end, 0..5).prop_map(|ends| Call::Complete { ends }),
        5 => vec((lease_pick(), delay(), ended(), waits_for()), 0..4).prop_map(|tasks| Call::Requeue { tasks }),
        2 => lease_pick().prop_map(|lease| Call::Suspended { lease }),
    ]
}

fn waits_for() -> impl Strategy<Value = Option<WaitsFor>> {
    option::weighted(0.5, prop_oneof![Just(WaitsFor::Time), Just(WaitsFor::Approval), Just(WaitsFor::Lost)])
}

fn catalog() -> impl Strategy<Value = Call> {
    let name = 0_u8..6;
    let named = |name: std::ops::Range<u8>| name;
    prop_oneof![
        1 => named(0..4).prop_map(|name| Call::CreateTenant { name }),
        2 => (pick(), name.clone(), prop::bool::weighted(0.1))
            .prop_map(|(tenant, name, used_id)| Call::InsertCredential { tenant, name, used_id }),
        2 => (pick(), astray(), name.clone(), prop::bool::weighted(0.8), prop::bool::weighted(0.1)).prop_map(
            |(credential, astray, name, seen, other_type)| Call::UpdateCredential {
                credential,
                astray,
                name,
                seen,
                other_type,
            }
        ),
        1 => (pick(), astray()).prop_map(|(credential, astray)| Call::DeleteCredential { credential, astray }),
        3 => (pick(), target()).prop_map(|(tenant, target)| Call::InsertTarget { tenant, target }),
        2 => (pick(), astray(), target())
            .prop_map(|(id, astray, target)| Call::UpdateTarget { id, astray, target }),
        2 => (pick(), astray()).prop_map(|(target, astray)| Call::DeleteTarget { target, astray }),
        2 => (pick(), job()).prop_map(|(tenant, job)| Call::InsertJob { tenant, job }),
        2 => (pick(), astray(), job()).prop_map(|(id, astray, job)| Call::UpdateJob { id, astray, job }),
        1 => (pick(), astray()).prop_map(|(job, astray)| Call::DeleteJob { job, astray }),
    ]
}

/// Whether a row is asked for in a tenant that it is not in.
pub(super) fn astray() -> impl Strategy<Value = bool> + Clone {
    prop::bool::weighted(0.1)
}

fn wait() -> impl Strategy<Value = Call> {
    prop_oneof![Just(0_u64), 1_u64..3, 1_u64..20_000_000, Just(15_000_000)]
        .prop_map(|micros| Call::Wait { micros })
}

fn target() -> impl Strategy<Value = TargetShape> {
    (0_u8..6, option::weighted(0.3, pick()), option::weighted(0.3, pick()), 0_u8..8)
        .prop_map(|(name, credential, depends_on, tags)| TargetShape { name, credential, depends_on, tags })
}

fn job() -> impl Strategy<Value = JobShape> {
    (0_u8..6, 0_i32..5, option::weighted(0.3, 0_u8..6), prop::bool::weighted(0.8))
        .prop_map(|(name, version, target, is_active)| JobShape { name, version, target, is_active })
}

/// A run, with a key so often.
pub(super) fn run_shape(keyed: f64) -> impl Strategy<Value = RunShape> {
    let priority = prop_oneof![3 => Just(0_i16), 2 => -2_i16..3, 1 => any::<i16>()];
    let wrong = prop_oneof![Just(Wrong::Tenant), Just(Wrong::Version), Just(Wrong::NoSteps)];
    (
        priority,
        option::weighted(keyed, key()),
        option::weighted(0.25, 0_u8..2),
        option::weighted(0.1, pick()),
        any::<bool>(),
        option::weighted(0.05, wrong),
    )
        .prop_map(|(priority, key, turn, parent, current, wrong)| RunShape {
            priority,
            key,
            turn,
            parent,
            current,
            wrong,
        })
}

pub(super) fn key() -> impl Strategy<Value = Key> {
    (0_u8..2, prop_oneof![4 => Just(0_u8), 1 => Just(1)]).prop_map(|(name, digest)| Key { name, digest })
}

/// In microseconds: over at once, usual, or years.
fn ttl() -> impl Strategy<Value = u64> {
    prop_oneof![1 => Just(0_u64), 6 => Just(15_000_000), 2 => 1_u64..30_000_000, 1 => Just(1 << 50)]
}

fn delay() -> impl Strategy<Value = u64> {
    prop_oneof![2 => Just(0_u64), 2 => 1_u64..20_000_000, 1 => Just(1 << 50)]
}

fn ended() -> impl Strategy<Value = TaskStatus> {
    prop_oneof![
        12 => Just(TaskStatus::Succeeded),
        5 => Just(TaskStatus::Failed),
        3 => Just(TaskStatus::Lost),
        3 => Just(TaskStatus::Aborted),
        2 => Just(TaskStatus::Skipped),
        1 => Just(TaskStatus::Queued),
    ]
}

pub(super) fn stream() -> impl Strategy<Value = Stream> {
    prop_oneof![Just(Stream::Stdout), Just(Stream::Stderr)]
}

fn text() -> impl Strategy<Value = Text> {
    prop_oneof![
        20 => (0_u8..5).prop_map(Text::Line),
        1 => Just(Text::WithNul),
        1 => Just(Text::Empty),
        1 => Just(Text::TooLong),
        1 => Just(Text::NotUtf8),
    ]
}

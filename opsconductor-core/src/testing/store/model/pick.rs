//! Which of the rows that there are a call is about, said so that it means the same on two stores.

use proptest::prelude::*;

/// A row, counted from the newest; beyond [`Pick::NOBODY`] one that is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pick(pub(super) u8);

impl Pick {
    const NOBODY: u8 = 100;

    /// The one that is meant, of those that there are.
    pub(super) fn of<T>(self, rows: &[T]) -> Option<&T> {
        if self.0 >= Self::NOBODY {
            return None;
        }
        let from_newest = usize::from(self.0).checked_rem(rows.len())?;
        rows.get(rows.len() - 1 - from_newest)
    }
}

/// Mostly a new row, now and then an old one, seldom none.
pub(super) fn pick() -> impl Strategy<Value = Pick> + Clone {
    prop_oneof![
        12 => 0_u8..4,
        6 => 0_u8..Pick::NOBODY,
        1 => Just(Pick::NOBODY),
    ]
    .prop_map(Pick)
}

/// A lease that was given once, true or bent.
#[derive(Debug, Clone, Copy)]
pub(super) struct LeasePick {
    pub(super) lease: Pick,
    pub(super) bent: Option<Bent>,
}

/// What is wrong with a lease.
#[derive(Debug, Clone, Copy)]
pub(super) enum Bent {
    EpochBefore,
    EpochAfter,
    AnotherWorker,
    AnotherRun,
}

pub(super) fn lease_pick() -> impl Strategy<Value = LeasePick> + Clone {
    let bent = prop_oneof![
        20 => Just(None),
        1 => Just(Some(Bent::EpochBefore)),
        1 => Just(Some(Bent::EpochAfter)),
        1 => Just(Some(Bent::AnotherWorker)),
        1 => Just(Some(Bent::AnotherRun)),
    ];
    // Every lease counts alike: the newest is not always that of a task that goes on.
    let lease = prop_oneof![3 => 0_u8..4, 2 => 0_u8..24].prop_map(Pick);
    (lease, bent).prop_map(|(lease, bent)| LeasePick { lease, bent })
}

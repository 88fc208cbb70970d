//! The model test of stores can fail: it finds each store that breaks one promise.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use opsconductor_core::{
    store::{MemoryStore, Store},
    testing::{
        ManualClock,
        store::{
            StoreBuilder,
            model::{Trial, compare},
        },
    },
};
use opsconductor_tests::flawed::{Flaw, Flawed};

struct Around(Option<Flaw>);

#[async_trait]
impl StoreBuilder for Around {
    type Guard = ();

    async fn build(&self, clock: Arc<ManualClock>) -> (Arc<dyn Store>, ()) {
        (Flawed::new(Arc::new(MemoryStore::new(clock)), self.0), ())
    }
}

/// Eight times as many as an ordinary run of the model test tries, and always the same, so that this does not depend on luck.
const TRIAL: Trial = Trial { seed: 1, cases: 800, budget: Duration::MAX };

#[test]
fn a_store_without_a_flaw_passes() {
    if let Err(difference) = compare(&Around(None), TRIAL) {
        panic!("what finds the flaws below finds something where there is none: {difference}");
    }
}

#[test]
fn each_flaw_is_found_and_told_with_its_seed() {
    for flaw in Flaw::ALL {
        let found =
            compare(&Around(Some(flaw)), TRIAL).err().unwrap_or_else(|| panic!("{flaw:?} was not found"));
        assert!(found.contains("OPSCONDUCTOR_MODEL_SEED=1"), "{flaw:?}: {found}");
        let calls = found.split_once("\nafter ").and_then(|(_, rest)| rest.split_once(" calls:"));
        let calls: usize = calls.and_then(|(count, _)| count.parse().ok()).unwrap_or(usize::MAX);
        assert!(found.contains("differs from the reference") && calls <= 10, "{flaw:?}: {found}");
    }
}

//! A model test: random sequences of calls on a store and on the [reference](crate::store::MemoryStore), which must answer
//! the same and show the same afterwards, whatever ids each of them gives.
//!
//! [`store_suite!`](crate::store_suite) runs it beside the cases. `OPSCONDUCTOR_MODEL_CASES` says how many sequences are
//! tried, however long that takes; `OPSCONDUCTOR_MODEL_SEED` repeats a failure, which names its seed.

mod call;
mod look;
mod machine;
mod names;
mod pick;
mod plan;
mod promise;
mod side;

use std::{
    fmt::Write as _,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use proptest::test_runner::{
    Config, RngAlgorithm, TestCaseError, TestCaseResult, TestError, TestRng, TestRunner,
};
use proptest_state_machine::ReferenceStateMachine;

use super::StoreBuilder;
use crate::{clock::Timestamp, store::MemoryStore, testing::ManualClock};

use call::Call;
use machine::Machine;
use side::Side;

/// How many calls a sequence has at most.
const CALLS_MAX: usize = 60;

/// How many sequences are tried unless it is said.
const CASES: u32 = 100;

/// How many are tried however long that takes.
const CASES_MIN: u32 = 12;

/// How long new sequences are begun unless their number is said.
const BUDGET: Duration = Duration::from_secs(6);

/// How long one call may take.
const CALL_LIMIT: Duration = Duration::from_secs(120);

/// How often, and how long in milliseconds, a failing sequence is made smaller.
const SHRINK_MAX: (u32, u32) = (5_000, 1_200_000);

/// Compares what `builder` builds with the reference.
///
/// # Panics
///
/// When they differ, with the shortest sequence of calls that was found and the seed.
pub fn check<B: StoreBuilder>(builder: &B) {
    if let Err(difference) = compare(builder, Trial::from_environment()) {
        panic!("{difference}");
    }
}

/// How much is tried.
#[derive(Debug, Clone, Copy)]
pub struct Trial {
    /// Where the random sequences come from.
    pub seed: u64,
    /// How many.
    pub cases: u32,
    /// How long new ones are begun.
    pub budget: Duration,
}

impl Trial {
    /// As the environment says, or a new seed within the bounds of an ordinary test.
    ///
    /// # Panics
    ///
    /// For a variable that is no number.
    pub fn from_environment() -> Self {
        let number = |name: &str| {
            let text = std::env::var(name).ok()?;
            Some(text.parse::<u64>().unwrap_or_else(|_| panic!("{name} is a number, not {text:?}")))
        };
        let cases = number("OPSCONDUCTOR_MODEL_CASES").map(|cases| u32::try_from(cases).unwrap_or(u32::MAX));
        let fresh = || getrandom::u64().expect("the system has random numbers");
        Self {
            seed: number("OPSCONDUCTOR_MODEL_SEED").unwrap_or_else(fresh),
            cases: cases.unwrap_or(CASES),
            budget: if cases.is_some() { Duration::MAX } else { BUDGET },
        }
    }
}

/// As [`check`], with the difference as an answer.
///
/// # Errors
///
/// The shortest sequence of calls that was found after which the store differs from the reference, and the seed.
pub fn compare<B: StoreBuilder>(builder: &B, trial: Trial) -> Result<(), String> {
    let config = Config {
        cases: trial.cases,
        failure_persistence: None,
        max_shrink_iters: SHRINK_MAX.0,
        max_shrink_time: SHRINK_MAX.1,
        ..Config::default()
    };
    let mut seed = [0; 32];
    seed[..8].copy_from_slice(&trial.seed.to_le_bytes());
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &seed));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (began, done) = (std::cell::OnceCell::new(), std::cell::Cell::new(0));
    let failed = std::cell::Cell::new(false);
    let tried = runner.run(&Machine::sequential_strategy(1..CALLS_MAX), |(_, calls, seen)| {
        // What makes a failure smaller is not bound by the budget, nor is the start of a server by the first.
        let spent = began.get().is_some_and(|began: &Instant| began.elapsed() > trial.budget);
        if spent && done.get() >= CASES_MIN && !failed.get() {
            return Ok(());
        }
        let answer = runtime.block_on(run(builder, &calls, || {
            // Calls that were not reached are the first that are left out when a failure is made smaller.
            seen.iter().for_each(|seen| {
                seen.fetch_add(1, Ordering::SeqCst);
            });
        }));
        began.get_or_init(Instant::now);
        done.set(done.get() + 1);
        failed.set(failed.get() || answer.is_err());
        answer
    });
    match tried {
        Ok(()) => Ok(()),
        Err(TestError::Abort(reason)) => Err(format!("no sequences could be made: {reason}")),
        Err(TestError::Fail(reason, (_, calls, _))) => {
            let mut text = format!("{reason}\nafter {} calls:\n", calls.len());
            for call in &calls {
                let _ = writeln!(text, "  {call:?}");
            }
            let _ = write!(text, "again: OPSCONDUCTOR_MODEL_SEED={}", trial.seed);
            Err(text)
        }
    }
}

/// One sequence on a fresh store and a fresh reference.
async fn run<B: StoreBuilder>(builder: &B, calls: &[Call], seen: impl Fn()) -> TestCaseResult {
    let clock = Arc::new(ManualClock::new());
    let (store, _guard) = builder.build(clock.clone()).await;
    let mut tested = Side::new(store).await;
    let mut reference = Side::new(Arc::new(MemoryStore::new(clock.clone()))).await;
    for call in calls {
        seen();
        if let Call::Wait { micros } = call {
            clock.advance(Duration::from_micros(*micros));
        }
        let expected = reference.apply(call).await;
        let found = within(tested.apply(call), call).await?;
        same(&format!("{call:?}"), &expected, &found)?;
        let expected = reference.queue().await;
        let found = within(tested.queue(), call).await?;
        same(&format!("the depth of the queue after {call:?}"), &expected.depth, &found.depth)?;
        let text = (format!("{:?}", expected.due), format!("{:?}", found.due));
        // With rates an answer may be too early, and tells of what a claim has left out.
        if !reference.is_rated().await || (reference.all_claimed && is_later(found.due, expected.due)) {
            same(&format!("what is due after {call:?}"), &text.0, &text.1)?;
        }
    }
    let expected = reference.everything().await;
    let found = within(tested.everything(), &"the look at everything").await?;
    for (expected, found) in expected.iter().zip(&found) {
        same("what is read in the end", expected, found)?;
    }
    same("how much is read in the end", &expected.len().to_string(), &found.len().to_string())
}

/// Whether `found` comes after `expected`; none is never.
fn is_later(found: Option<Timestamp>, expected: Option<Timestamp>) -> bool {
    match (found, expected) {
        (_, None) => false,
        (None, Some(_)) => true,
        (Some(found), Some(expected)) => found > expected,
    }
}

async fn within<T>(work: impl Future<Output = T>, what: &dyn std::fmt::Debug) -> Result<T, TestCaseError> {
    let late = |_| TestCaseError::fail(format!("{what:?} did not return within {CALL_LIMIT:?}"));
    tokio::time::timeout(CALL_LIMIT, work).await.map_err(late)
}

fn same(what: &str, expected: &str, found: &str) -> TestCaseResult {
    if expected == found {
        return Ok(());
    }
    Err(TestCaseError::fail(format!(
        "{what}: the store differs from the reference\n  reference: {expected}\n  store:     {found}"
    )))
}

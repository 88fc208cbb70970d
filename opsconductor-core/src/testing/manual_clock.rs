//! [`ManualClock`]: time that moves when a test says so.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use tokio::sync::{oneshot, watch};

use crate::clock::{Clock, Timestamp};

/// A clock that stands still until [`ManualClock::advance`].
///
/// It starts at 2026-01-01 00:00:00 UTC. Sleepers are woken in the order of their deadlines, those with the same
/// deadline in the order in which they fell asleep.
pub struct ManualClock {
    state: Mutex<State>,
    asleep: watch::Sender<usize>,
}

struct State {
    wall: Timestamp,
    monotonic: Duration,
    next_sleeper: u64,
    sleepers: BTreeMap<(Duration, u64), oneshot::Sender<()>>,
}

impl ManualClock {
    /// A clock at 2026-01-01 00:00:00 UTC.
    pub fn new() -> Self {
        let wall = Timestamp::from_timestamp(1_767_225_600, 0).unwrap_or_default();
        let state = State { wall, monotonic: Duration::ZERO, next_sleeper: 0, sleepers: BTreeMap::new() };
        Self { state: Mutex::new(state), asleep: watch::Sender::new(0) }
    }

    /// Moves both clocks on by `duration` and wakes whoever's time has come.
    pub fn advance(&self, duration: Duration) {
        let mut state = self.lock();
        state.wall += duration;
        state.monotonic += duration;
        let now = state.monotonic;
        while let Some(first) = state.sleepers.first_entry() {
            if first.key().0 > now {
                break;
            }
            // A sleeper that was dropped meanwhile needs no waking.
            let _ = first.remove().send(());
        }
        self.asleep.send_replace(state.sleepers.len());
    }

    /// Moves on to the earliest deadline and wakes whoever sleeps until then; says whether anybody slept.
    pub fn advance_to_next_sleeper(&self) -> bool {
        let left = self.next_sleeper();
        left.into_iter().for_each(|left| self.advance(left));
        left.is_some()
    }

    /// How long the earliest one has still to sleep, if anybody does.
    pub fn next_sleeper(&self) -> Option<Duration> {
        let state = self.lock();
        state.sleepers.keys().next().map(|(deadline, _)| deadline.saturating_sub(state.monotonic))
    }

    /// Sets the wall clock alone, as an administrator or a time server does.
    pub fn set_wall(&self, wall: Timestamp) {
        self.lock().wall = wall;
    }

    /// How many sleep.
    pub fn sleepers(&self) -> usize {
        self.lock().sleepers.len()
    }

    /// Waits until at least `count` sleep.
    pub async fn wait_for_sleepers(&self, count: usize) {
        let mut asleep = self.asleep.subscribe();
        // The sender lives in `self`, so the channel cannot be closed while this waits.
        let _ = asleep.wait_for(|now| *now >= count).await;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for ManualClock {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for ManualClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock();
        f.debug_struct("ManualClock")
            .field("wall", &state.wall)
            .field("sleepers", &state.sleepers.len())
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        self.lock().wall
    }

    fn monotonic(&self) -> Duration {
        self.lock().monotonic
    }

    async fn sleep(&self, duration: Duration) {
        if duration.is_zero() {
            return;
        }
        let (key, woken) = {
            let mut state = self.lock();
            let key = (state.monotonic + duration, state.next_sleeper);
            state.next_sleeper += 1;
            let (wake, woken) = oneshot::channel();
            state.sleepers.insert(key, wake);
            self.asleep.send_replace(state.sleepers.len());
            (key, woken)
        };
        let _asleep = Asleep { clock: self, key };
        // An error would mean that the entry went without being woken, which nobody does.
        let _ = woken.await;
    }
}

/// Takes a sleeper off the list when its future is dropped before its time.
struct Asleep<'a> {
    clock: &'a ManualClock,
    key: (Duration, u64),
}

impl Drop for Asleep<'_> {
    fn drop(&mut self) {
        let mut state = self.clock.lock();
        if state.sleepers.remove(&self.key).is_some() {
            self.clock.asleep.send_replace(state.sleepers.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[tokio::test]
    async fn sleepers_wake_in_the_order_of_their_deadlines() {
        let clock = Arc::new(ManualClock::new());
        let order = Arc::new(Mutex::new(Vec::new()));
        let tasks: Vec<_> = [30_u64, 10, 20, 40]
            .into_iter()
            .map(|seconds| {
                let (clock, order) = (clock.clone(), order.clone());
                tokio::spawn(async move {
                    clock.sleep(Duration::from_secs(seconds)).await;
                    order.lock().unwrap_or_else(PoisonError::into_inner).push(seconds);
                })
            })
            .collect();
        clock.wait_for_sleepers(4).await;
        let before = clock.now();
        clock.advance(Duration::from_secs(30));
        assert_eq!(clock.now() - before, chrono::TimeDelta::seconds(30));
        assert_eq!(clock.sleepers(), 1);
        assert!(clock.advance_to_next_sleeper());
        for task in tasks {
            assert!(task.await.is_ok());
        }
        assert_eq!(clock.monotonic(), Duration::from_secs(40));
        assert_eq!(*order.lock().unwrap_or_else(PoisonError::into_inner), [10, 20, 30, 40]);
        assert!(!clock.advance_to_next_sleeper());
    }

    #[tokio::test]
    async fn a_dropped_sleeper_is_forgotten() {
        let clock = Arc::new(ManualClock::new());
        let sleeper = tokio::spawn({
            let clock = clock.clone();
            async move { clock.sleep(Duration::from_secs(1)).await }
        });
        clock.wait_for_sleepers(1).await;
        sleeper.abort();
        assert!(sleeper.await.is_err());
        assert_eq!(clock.sleepers(), 0);
    }
}

//! A runtime whose time stands still.

use std::{panic, sync::Arc, thread, time::Duration};

use tokio::runtime::{Builder, Handle, Runtime};

use crate::{Error, ErrorKind, Result, testing::ManualClock};

/// What is due so soon happens at once: the engine never waits for less than a millisecond.
const MOMENT: Duration = Duration::from_millis(2);

/// How often in a row something may be due in a moment.
const MOMENTS_MAX: usize = 1_000;

/// Where one run lives. Nothing happens in it but within a call, and there no longer than something can.
pub(super) struct Still {
    /// `None` once it is dropped.
    runtime: Option<Runtime>,
    clock: Arc<ManualClock>,
}

impl Still {
    pub(super) fn new(clock: Arc<ManualClock>) -> Result<Self> {
        // Its own time stands still too, and goes on by itself when nothing is left to do: so `settle` knows.
        let runtime = Builder::new_current_thread().enable_all().start_paused(true).build();
        let runtime = runtime.map_err(|error| {
            Error::new(ErrorKind::Internal, "the run of a test has no runtime").with_source(error)
        })?;
        Ok(Self { runtime: Some(runtime), clock })
    }

    /// Does `work`, on a thread of its own where this one has a runtime already.
    pub(super) fn within<T: Send>(&self, work: impl Future<Output = Result<T>> + Send) -> Result<T> {
        let Some(runtime) = &self.runtime else {
            return Err(Error::new(ErrorKind::Internal, "the run of a test was used after its end"));
        };
        if Handle::try_current().is_err() {
            return runtime.block_on(work);
        }
        let done = thread::scope(|scope| scope.spawn(|| runtime.block_on(work)).join());
        done.unwrap_or_else(|panicked| panic::resume_unwind(panicked))
    }

    /// Does `work`, and lets happen what follows at once.
    pub(super) fn act<T: Send>(&self, work: impl Future<Output = Result<T>> + Send) -> Result<T> {
        self.within(async {
            let done = work.await?;
            self.settle().await;
            Ok(done)
        })
    }

    /// Lets time pass: what becomes due in it happens, in its order.
    pub(super) fn advance(&self, time: Duration) -> Result<()> {
        use crate::clock::Clock as _;

        let clock = &self.clock;
        let end = clock.monotonic() + time;
        self.act(async {
            self.settle().await;
            while let Some(left) = clock.next_sleeper().filter(|left| clock.monotonic() + *left <= end) {
                clock.advance(left);
                self.settle().await;
            }
            clock.advance(end.saturating_sub(clock.monotonic()));
            Ok(())
        })
    }

    /// Returns when everything has happened that needs no time to pass.
    async fn settle(&self) {
        for _ in 0..MOMENTS_MAX {
            // It is over when every task waits: the runtime's time goes on then, and only then.
            tokio::time::sleep(Duration::from_millis(1)).await;
            match self.clock.next_sleeper() {
                Some(left) if left <= MOMENT => self.clock.advance(left),
                _ => return,
            }
        }
    }
}

impl Drop for Still {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Waiting for it is not allowed in a test that has a runtime of its own, and there is nothing to wait for.
            runtime.shutdown_background();
        }
    }
}

//! The ends that a call may come to before the command has ended.

use std::future::{Future, pending};

use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::{Error, ErrorKind, Result, transport::Control};

/// The time limit, the cancel and the release of one call.
pub(super) struct Limits<'a> {
    deadline: Instant,
    control: &'a Control,
    released: Option<CancellationToken>,
}

/// Why a call is over before the command is.
pub(super) enum Over {
    /// The command is to be stopped.
    Stop(Error),
    /// The command is to be left running: another worker will attend to it.
    Leave,
}

impl<'a> Limits<'a> {
    pub(super) fn new(control: &'a Control, released: Option<CancellationToken>) -> Self {
        Self { deadline: Instant::now() + control.timeout, control, released }
    }

    /// What the caller set.
    pub(super) fn control(&self) -> &'a Control {
        self.control
    }

    /// Waits for the end of the time or a cancel.
    pub(super) async fn stop(&self) -> Error {
        tokio::select! {
            biased;
            () = self.control.cancel.cancelled() => Error::new(ErrorKind::Canceled, "the command was canceled"),
            () = sleep_until(self.deadline) => {
                let seconds = self.control.timeout.as_secs_f64();
                Error::new(ErrorKind::Timeout, format!("the command did not end within {seconds:.1} s"))
            }
        }
    }

    /// Waits for whatever ends the call.
    pub(super) async fn over(&self) -> Over {
        tokio::select! {
            biased;
            () = self.leave() => Over::Leave,
            error = self.stop() => Over::Stop(error),
        }
    }

    /// Does what acts on nothing, unless the call is over first.
    pub(super) async fn within<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::select! {
            biased;
            over = self.over() => Err(match over {
                Over::Stop(error) => error,
                Over::Leave => Error::new(ErrorKind::Canceled, "the command was given up before it was started"),
            }),
            result = work => result,
        }
    }

    /// Waits for an answer as long as the command is wanted; being left to another worker does not end the wait.
    pub(super) async fn unless_stopped<T>(&self, work: impl Future<Output = T>) -> Result<T> {
        tokio::select! {
            biased;
            error = self.stop() => Err(error),
            result = work => Ok(result),
        }
    }

    /// Whether the command is to be left running.
    pub(super) fn is_left(&self) -> bool {
        self.released.as_ref().is_some_and(CancellationToken::is_cancelled)
    }

    async fn leave(&self) {
        match &self.released {
            Some(released) => released.cancelled().await,
            None => pending().await,
        }
    }
}

/// The end of a call that left its command running.
pub(super) fn left_running() -> Error {
    Error::new(ErrorKind::Canceled, "the command was left running for another worker").with_outcome_unknown()
}

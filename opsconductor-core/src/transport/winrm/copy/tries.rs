//! When a copy begins anew after its connection was lost.

use std::time::Duration;

use tokio::time::sleep;

use super::super::{limits::Limits, soap::fault::code};
use crate::{Error, ErrorKind, Result, error::Layer};

/// How often it is tried again without a byte of progress.
const TRIES_MAX: u32 = 5;

/// The first pause; each next one is twice as long.
const PAUSE: Duration = Duration::from_millis(250);

/// Counts the tries since there was progress.
#[derive(Debug, Default)]
pub(in super::super) struct Tries {
    since_progress: u32,
    reached: u64,
}

impl Tries {
    /// Notes how far the work had come.
    pub(in super::super) fn reached(&mut self, place: u64) {
        if place > self.reached {
            self.reached = place;
            self.since_progress = 0;
        }
    }

    /// Waits before the next try, or gives the error back when there is to be none.
    pub(in super::super) async fn again(&mut self, error: Error, limits: &Limits<'_>) -> Result<()> {
        self.since_progress += 1;
        if self.since_progress > TRIES_MAX || !is_worth_it(&error) {
            return Err(error);
        }
        tracing::debug!(error = error.report(), "the connection to the script was lost, beginning anew");
        let pause = PAUSE * 2_u32.pow(self.since_progress - 1);
        limits
            .within(async {
                sleep(pause).await;
                Ok(())
            })
            .await
    }
}

/// Whether another try can help: a conversation was cut off, and the host refused nothing.
fn is_worth_it(error: &Error) -> bool {
    let layer = matches!(error.layer(), Some(Layer::Connect | Layer::Protocol | Layer::Shell));
    let cut = error.code().is_none_or(|number| matches!(number, code::ABORTED | code::SHELL_NOT_FOUND));
    error.kind() == ErrorKind::Transport && layer && cut
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use std::time::Duration;

    use tokio_util::sync::CancellationToken;

    use super::{TRIES_MAX, Tries};
    use crate::{
        Error,
        error::Layer,
        transport::{Control, winrm::limits::Limits},
    };

    #[tokio::test(start_paused = true)]
    async fn progress_gives_new_tries_and_a_refusal_none() {
        let control = Control { timeout: Duration::from_secs(600), cancel: CancellationToken::new() };
        let limits = Limits::new(&control, None);
        let lost = || Error::transport(Layer::Protocol, "lost");
        let mut tries = Tries::default();
        for round in 1..10 {
            tries.reached(round);
            for _ in 0..TRIES_MAX {
                tries.again(lost(), &limits).await.unwrap();
            }
        }
        tries.again(lost(), &limits).await.unwrap_err();
        for refused in [
            Error::transport(Layer::Authentication, "no"),
            Error::transport(Layer::Script, "no"),
            Error::transport(Layer::Protocol, "no").with_code(5),
        ] {
            Tries::default().again(refused, &limits).await.unwrap_err();
        }
    }
}

//! [`Running`]: a command that runs while a case does something else.

use std::{
    future::poll_fn,
    pin::Pin,
    task::Poll,
    time::{Duration, Instant},
};

use tokio::{task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;

use super::Recorder;
use crate::{
    Error, Result,
    transport::{Control, ExecOutcome, ExecRequest, Session},
};

type Ended = (Box<dyn Session>, Result<ExecOutcome>);

/// A command in a task of its own.
pub struct Running {
    task: JoinHandle<Ended>,
    recorder: Recorder,
    cancel: CancellationToken,
    patience: Duration,
}

impl Running {
    /// Starts `request`, which may take `limit`; what it should do soon is waited for with `patience`.
    pub fn start(
        mut session: Box<dyn Session>,
        request: ExecRequest,
        recorder: &Recorder,
        limit: Duration,
        patience: Duration,
    ) -> Self {
        let cancel = CancellationToken::new();
        let control = Control { timeout: limit, cancel: cancel.clone() };
        let mut observer = recorder.clone();
        let task = tokio::spawn(async move {
            let ended = session.exec(request, &mut observer, &control).await;
            (session, ended)
        });
        Self { task, recorder: recorder.clone(), cancel, patience }
    }

    /// Cancels it.
    pub fn cancel(&self) {
        self.cancel.cancel();
    }

    /// Drops the call, as a caller does that goes away.
    pub async fn abandon(self) {
        self.task.abort();
        assert!(self.task.await.is_err(), "the command ended before it could be abandoned");
    }

    /// Waits until standard output holds `text`; the command must not end before.
    pub async fn says(&mut self, text: &str) {
        let needle = text.as_bytes();
        let recorder = self.recorder.clone();
        let said = recorder
            .until(self.patience, |heard| heard.stdout.windows(needle.len()).any(|window| window == needle));
        let mut said = std::pin::pin!(said);
        let task = &mut self.task;
        let (ended, said) = poll_fn(|context| {
            if let Poll::Ready(said) = said.as_mut().poll(context) {
                return Poll::Ready((None, said));
            }
            Pin::new(&mut *task).poll(context).map(|ended| (Some(ended), false))
        })
        .await;
        let heard = self.recorder.heard();
        let stdout = String::from_utf8_lossy(&heard.stdout);
        if let Some(ended) = ended {
            let how = ended.map(|(_, result)| result);
            panic!("the command ended ({how:?}) while {text:?} was waited for; it had said {stdout:?}");
        }
        assert!(
            said,
            "{text:?} was not heard within {:?} while the command ran; it had said {stdout:?}",
            self.patience
        );
    }

    /// Waits for the dispatch to be announced.
    pub async fn announces(&self) {
        let announced = self.recorder.until(self.patience, |heard| !heard.handles.is_empty()).await;
        assert!(announced, "the dispatch was not announced within {:?}", self.patience);
    }

    /// Waits for the call to return; `why` says what should have made it return within `limit`.
    pub async fn returns(self, limit: Duration, why: &str) -> (Box<dyn Session>, Result<ExecOutcome>) {
        let begun = Instant::now();
        match timeout(limit, self.task).await {
            Ok(Ok(ended)) => ended,
            Ok(Err(error)) => panic!("the call did not end well: {error}"),
            Err(_) => panic!("the call did not return within {:?} after {why}", begun.elapsed()),
        }
    }

    /// The same for a call that must fail.
    pub async fn fails(self, limit: Duration, why: &str) -> (Box<dyn Session>, Error) {
        let (session, result) = self.returns(limit, why).await;
        match result {
            Ok(outcome) => panic!("the call should fail after {why}, and ended with {outcome:?}"),
            Err(error) => (session, error),
        }
    }
}

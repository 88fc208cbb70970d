//! A session: the caller's end of a conversation that a task of its own holds.

use std::pin::pin;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::{
    Error, ErrorKind, Result,
    error::Layer,
    transport::{
        Control, CopyOutcome, CopyRequest, ExecOutcome, ExecRequest, Observer, RemoteHandle, Session, Stream,
    },
};

/// One command for the task.
pub(super) struct Call {
    pub(super) request: ExecRequest,
    pub(super) control: Control,
    pub(super) tell: mpsc::Sender<Tell>,
    /// The caller waits no more.
    pub(super) gone: CancellationToken,
    pub(super) done: oneshot::Sender<Result<ExecOutcome>>,
}

/// What the task has to say to the observer.
pub(super) enum Tell {
    /// The dispatch; the answer says whether it may go on.
    Dispatching(RemoteHandle, oneshot::Sender<bool>),
    Output(Stream, Bytes),
}

/// The crate's shells borrow their client, so both live in a task; when the session is dropped, the task ends the shell.
pub(super) struct WinrmRsSession {
    pub(super) calls: mpsc::Sender<Call>,
    /// Completes when the task has ended and the shell is gone.
    pub(super) ended: oneshot::Receiver<Result<()>>,
}

#[async_trait]
impl Session for WinrmRsSession {
    async fn exec(
        &mut self,
        request: ExecRequest,
        observer: &mut dyn Observer,
        control: &Control,
    ) -> Result<ExecOutcome> {
        let (tell, mut told) = mpsc::channel(1);
        let (done, mut outcome) = oneshot::channel();
        let gone = CancellationToken::new();
        let _guard = gone.clone().drop_guard();
        let call = Call { request, control: control.clone(), tell, gone: gone.clone(), done };
        self.calls.send(call).await.map_err(|_| lost())?;
        let (mut refusal, mut early) = (None, None);
        while let Some(what) = told.recv().await {
            let mut heard = pin!(hear(observer, what));
            let heard = loop {
                tokio::select! {
                    biased;
                    heard = &mut heard => break heard,
                    ended = &mut outcome, if early.is_none() => {
                        let ended = ended.map_err(|_| lost())?;
                        // A slow observer does not keep a stop from ending the call; any other end waits for it.
                        if is_stop(&ended) {
                            return ended;
                        }
                        early = Some(ended);
                    }
                }
            };
            if let Err(error) = heard {
                refusal = Some(error);
                gone.cancel();
                break;
            }
        }
        drop(told);
        let ended = match early {
            Some(ended) => ended,
            None => outcome.await.map_err(|_| lost())?,
        };
        match (refusal, ended) {
            (Some(error), Err(stopped)) if stopped.is_outcome_unknown() => Err(error.with_outcome_unknown()),
            (Some(error), _) => Err(error),
            (None, ended) => ended,
        }
    }

    async fn copy(&mut self, _: CopyRequest, _: &mut dyn Observer, _: &Control) -> Result<CopyOutcome> {
        Err(Error::new(
            ErrorKind::Unsupported,
            "this transport cannot copy files whole; use the winrm connector",
        ))
    }

    async fn close(self: Box<Self>) -> Result<()> {
        let Self { calls, ended } = *self;
        drop(calls);
        ended.await.map_err(|_| lost())?
    }
}

async fn hear(observer: &mut dyn Observer, what: Tell) -> Result<()> {
    match what {
        Tell::Dispatching(handle, answer) => {
            let noted = observer.dispatching(&handle).await;
            // The task may have been stopped meanwhile.
            let _ = answer.send(noted.is_ok());
            noted
        }
        Tell::Output(stream, bytes) => observer.output(stream, bytes).await,
    }
}

fn is_stop(ended: &Result<ExecOutcome>) -> bool {
    ended.as_ref().is_err_and(|error| matches!(error.kind(), ErrorKind::Canceled | ErrorKind::Timeout))
}

fn lost() -> Error {
    Error::transport(Layer::Shell, "the session's task has ended").with_outcome_unknown()
}

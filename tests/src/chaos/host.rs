//! Hosts that write down what is done to them: `mark RUN/STEP/TARGET MILLISECONDS`.

use std::{path::Path, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use opsconductor_core::{
    Error, ErrorKind, Result,
    transport::{
        Control, CopyOutcome, CopyRequest, Endpoint, ExecOutcome, ExecRequest, Observer, RemoteHandle,
        Session, Stream,
    },
    vault::credential::Credential,
};

use crate::{history::Log, plain::plain_connector};

/// Every host there is, with one log.
#[derive(Debug, Clone)]
pub(super) struct Marked {
    log: Arc<Log>,
}

impl Marked {
    /// Hosts that write to the file at `log`.
    ///
    /// # Errors
    ///
    /// Those of the file system.
    pub(super) fn new(log: &Path) -> std::io::Result<Self> {
        Ok(Self { log: Arc::new(Log::open(log)?) })
    }

    async fn session(&self, _: &Endpoint, _: &Credential) -> Result<Box<dyn Session>> {
        Ok(Box::new(self.clone()))
    }
}

plain_connector!(Marked, "marked");

#[async_trait]
impl Session for Marked {
    async fn exec(
        &mut self,
        request: ExecRequest,
        observer: &mut dyn Observer,
        control: &Control,
    ) -> Result<ExecOutcome> {
        let words: Vec<_> = request.script.split(' ').collect();
        let ["mark", effect, millis] = words[..] else { return Ok(ExecOutcome::new(9009)) };
        observer.dispatching(&RemoteHandle::default()).await?;
        let (log, line) = (Arc::clone(&self.log), effect.to_owned());
        let written = tokio::task::spawn_blocking(move || log.effect(&line)).await;
        if !matches!(written, Ok(Ok(()))) {
            return Err(
                Error::new(ErrorKind::Transport, "the mark may not be on disk").with_outcome_unknown()
            );
        }
        let work = Duration::from_millis(millis.parse().unwrap_or(0));
        tokio::select! {
            () = tokio::time::sleep(work) => {}
            () = control.cancel.cancelled() => {
                return Err(Error::new(ErrorKind::Canceled, "the command was stopped"));
            }
        }
        observer.output(Stream::Stdout, Bytes::from(format!("{effect} is marked\n"))).await?;
        Ok(ExecOutcome::new(0))
    }

    async fn copy(&mut self, _: CopyRequest, _: &mut dyn Observer, _: &Control) -> Result<CopyOutcome> {
        Err(Error::new(ErrorKind::Unsupported, "these hosts take no files"))
    }

    async fn close(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}

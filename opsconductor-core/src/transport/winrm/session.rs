//! A session: a lane, held by one caller at a time.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::OwnedSemaphorePermit;
use tracing::Instrument as _;

use super::{
    copy, fetch,
    lane::Lane,
    launch::Launch,
    pool::{Pool, PoolKey},
    reattach, run,
};
use crate::{
    Error, ErrorKind, Result,
    transport::{
        Control, CopyOutcome, CopyRequest, ExecOutcome, ExecRequest, FetchOutcome, FetchRequest, Observer,
        RemoteHandle, Session,
    },
};

/// A conversation with one Windows host. Dropped, it is kept warm for the next session with the same host and
/// credential; closed, its shell is deleted and its connections end.
pub(super) struct WinrmSession {
    pool: Arc<Pool>,
    key: Option<PoolKey>,
    lane: Option<Lane>,
    /// One of the sessions that the host may have in use. Given back last, when the lane is there for the next.
    _turn: Option<OwnedSemaphorePermit>,
}

impl WinrmSession {
    pub(super) fn new(
        pool: Arc<Pool>,
        key: Option<PoolKey>,
        turn: Option<OwnedSemaphorePermit>,
        lane: Lane,
    ) -> Self {
        Self { pool, key, lane: Some(lane), _turn: turn }
    }

    fn lane(&mut self) -> Result<&mut Lane> {
        self.lane.as_mut().ok_or_else(|| Error::new(ErrorKind::Internal, "a session was used after its end"))
    }
}

#[async_trait]
impl Session for WinrmSession {
    async fn exec(
        &mut self,
        request: ExecRequest,
        observer: &mut dyn Observer,
        control: &Control,
    ) -> Result<ExecOutcome> {
        let lane = self.lane()?;
        let shell = request.shell.as_str();
        let span = tracing::debug_span!("winrm.exec", target = lane.host.target, shell);
        let launch = Launch::new(request).map_err(|error| lane.host.about(error))?;
        run::run(lane, launch, observer, control).instrument(span).await
    }

    async fn copy(
        &mut self,
        request: CopyRequest,
        observer: &mut dyn Observer,
        control: &Control,
    ) -> Result<CopyOutcome> {
        let lane = self.lane()?;
        let span = tracing::debug_span!("winrm.copy", target = lane.host.target);
        copy::copy(lane, request, observer, control).instrument(span).await
    }

    async fn fetch(
        &mut self,
        request: FetchRequest,
        observer: &mut dyn Observer,
        control: &Control,
    ) -> Result<FetchOutcome> {
        let lane = self.lane()?;
        let span = tracing::debug_span!("winrm.fetch", target = lane.host.target);
        fetch::fetch(lane, request, observer, control).instrument(span).await
    }

    async fn reattach(
        &mut self,
        handle: &RemoteHandle,
        observer: &mut dyn Observer,
        control: &Control,
    ) -> Result<ExecOutcome> {
        let lane = self.lane()?;
        let span = tracing::debug_span!("winrm.reattach", target = lane.host.target);
        reattach::reattach(lane, handle, observer, control).instrument(span).await
    }

    async fn close(mut self: Box<Self>) -> Result<()> {
        match self.lane.take() {
            Some(lane) => lane.close().await,
            None => Ok(()),
        }
    }
}

impl Drop for WinrmSession {
    fn drop(&mut self) {
        if let Some(lane) = self.lane.take() {
            self.pool.give_back(self.key.take(), lane);
        }
    }
}

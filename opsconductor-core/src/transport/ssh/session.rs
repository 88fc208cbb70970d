//! A session: a seat on a connection, held by one caller at a time.

use std::sync::Arc;

use async_trait::async_trait;
use russh::{Channel, client::Msg};
use tokio::sync::OwnedSemaphorePermit;
use tracing::Instrument as _;

use super::{
    copy, exec, fetch,
    host::Host,
    link::{Link, NoChannel},
    pool::{Pool, PoolKey, Seat},
};
use crate::{
    Error, Result,
    error::Layer,
    transport::{
        Control, CopyOutcome, CopyRequest, ExecOutcome, ExecRequest, FetchOutcome, FetchRequest, Observer,
        Session, limits::Limits,
    },
};

/// A conversation with one host. Dropped, its connection is kept for the next session with the same host and credential;
/// closed, the connection ends when nobody else uses it.
pub(super) struct SshSession {
    pub(super) pool: Arc<Pool>,
    pub(super) host: Arc<Host>,
    key: PoolKey,
    seat: Seat,
    /// One of the sessions that the host may have in use. Given back last.
    _turn: OwnedSemaphorePermit,
}

impl SshSession {
    pub(super) fn new(
        pool: Arc<Pool>,
        host: Arc<Host>,
        key: PoolKey,
        seat: Seat,
        turn: OwnedSemaphorePermit,
    ) -> Self {
        Self { pool, host, key, seat, _turn: turn }
    }

    /// A channel, and the connection it is on. A connection that was lost while it was idle, or on which the host opens
    /// no more, is replaced once: nothing has been sent yet.
    pub(super) async fn channel(&mut self) -> Result<(Arc<Link>, Channel<Msg>)> {
        for again in [true, false] {
            match self.seat.link.channel().await {
                Ok(channel) => return Ok((Arc::clone(&self.seat.link), channel)),
                Err(_) if again => {
                    self.pool.forget(&self.key, &self.seat.link);
                    self.seat = self.pool.seat(&self.host, &self.key).await?;
                }
                Err(NoChannel::Lost) => break,
                Err(NoChannel::Refused) => {
                    let message =
                        "the host opens no session on a fresh connection (MaxSessions, or its account)";
                    return Err(self.host.about(Error::transport(Layer::Shell, message)));
                }
            }
        }
        let message = "the connection was lost before anything was sent";
        Err(self.host.about(Error::transport(Layer::Connect, message)))
    }
}

#[async_trait]
impl Session for SshSession {
    async fn exec(
        &mut self,
        request: ExecRequest,
        observer: &mut dyn Observer,
        control: &Control,
    ) -> Result<ExecOutcome> {
        let span = tracing::debug_span!("ssh.exec", target = self.host.target);
        let limits = Limits::new(control, None);
        exec::exec(self, request, observer, &limits).instrument(span).await
    }

    async fn copy(
        &mut self,
        request: CopyRequest,
        observer: &mut dyn Observer,
        control: &Control,
    ) -> Result<CopyOutcome> {
        let span = tracing::debug_span!("ssh.copy", target = self.host.target);
        let limits = Limits::new(control, None);
        copy::copy(self, request, observer, &limits).instrument(span).await
    }

    async fn fetch(
        &mut self,
        request: FetchRequest,
        observer: &mut dyn Observer,
        control: &Control,
    ) -> Result<FetchOutcome> {
        let span = tracing::debug_span!("ssh.fetch", target = self.host.target);
        let limits = Limits::new(control, None);
        fetch::fetch(self, request, observer, &limits).instrument(span).await
    }

    async fn close(self: Box<Self>) -> Result<()> {
        let Self { pool, key, seat, .. } = *self;
        let link = Arc::clone(&seat.link);
        drop(seat);
        if link.idle_since().is_some() {
            pool.forget(&key, &link);
            link.end().await;
        }
        Ok(())
    }
}

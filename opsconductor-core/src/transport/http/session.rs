//! A connection to a target, and the requests that go over it.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use async_trait::async_trait;
use tokio::time::{Instant, sleep_until};

use super::{
    account::Account,
    dial::{Ground, Line},
    exchange::Exchange,
    site::Host,
};
use crate::{
    Error, ErrorKind, Result,
    transport::{
        Control, CopyOutcome, CopyRequest, ExecOutcome, ExecRequest, HttpAnswer, HttpCall, Observer, Session,
        timings::Timings,
    },
};

/// A conversation with one target.
pub(super) struct HttpSession {
    ground: Arc<Ground>,
    host: Host,
    account: Option<Account>,
    /// The connection, until the first request has taken it.
    line: Option<Line>,
}

impl HttpSession {
    /// Connects, and makes sure that the credential may go that way.
    pub(super) async fn open(
        ground: Arc<Ground>,
        host: Host,
        account: Option<Account>,
        timings: &mut Timings,
    ) -> Result<Self> {
        let line = ground.dial(&host.site, host.connect_timeout, timings).await?;
        Ok(Self { ground, host, account, line: Some(line) })
    }

    async fn send(
        &mut self,
        call: HttpCall,
        observer: &mut dyn Observer,
        is_open: &AtomicBool,
    ) -> Result<HttpAnswer> {
        let account = self.account.as_ref();
        let line = match self.line.take() {
            Some(line) => line,
            None => {
                let limit = self.host.connect_timeout;
                self.ground.dial(&self.host.site, limit, &mut Timings::default()).await?
            }
        };
        Exchange { ground: &self.ground, host: &self.host, account, is_open }.run(call, line, observer).await
    }
}

#[async_trait]
impl Session for HttpSession {
    async fn exec(&mut self, _: ExecRequest, _: &mut dyn Observer, _: &Control) -> Result<ExecOutcome> {
        Err(Error::new(ErrorKind::Unsupported, "a target of the protocol http runs no commands"))
    }

    async fn copy(&mut self, _: CopyRequest, _: &mut dyn Observer, _: &Control) -> Result<CopyOutcome> {
        Err(Error::new(
            ErrorKind::Unsupported,
            "a target of the protocol http takes no files; send a request",
        ))
    }

    async fn request(
        &mut self,
        call: HttpCall,
        observer: &mut dyn Observer,
        control: &Control,
    ) -> Result<HttpAnswer> {
        let is_repeatable = call.repeatable;
        let is_open = AtomicBool::new(false);
        let deadline = Instant::now() + control.timeout;
        // What waits is dropped, and its connection with it: that is all there is to stop.
        let result = tokio::select! {
            biased;
            () = control.cancel.cancelled() => Err(Error::new(ErrorKind::Canceled, "the request was canceled")),
            () = sleep_until(deadline) => {
                let seconds = control.timeout.as_secs_f64();
                let message = format!("the answer did not come whole within {seconds:.1} s");
                Err(Error::new(ErrorKind::Timeout, message))
            }
            answer = self.send(call, observer, &is_open) => answer,
        };
        result.map_err(|error| {
            let error = self.host.about(error);
            let is_in_doubt = is_open.load(Ordering::SeqCst) && !is_repeatable;
            if is_in_doubt { error.with_outcome_unknown() } else { error }
        })
    }

    async fn close(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}

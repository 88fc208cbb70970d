//! What every transfer of files holds on to, and how its scripts are started and given up.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::{BufMut as _, BytesMut};
use serde::Serialize;

use super::{lane::Lane, limits::Limits, process::Process, stop::Stopped};
use crate::{Error, ErrorKind, Result, transport::Observer};

/// The longest path that Windows knows, in UTF-16 units.
const PATH_UNITS_MAX: usize = 32_767;

/// What one transfer holds on to.
pub(super) struct Transfer<'a> {
    pub(super) lane: &'a mut Lane,
    pub(super) observer: &'a mut dyn Observer,
    pub(super) limits: &'a Limits<'a>,
    /// Whether the observer knows of the dispatch.
    announced: bool,
}

impl<'a> Transfer<'a> {
    pub(super) fn new(lane: &'a mut Lane, observer: &'a mut dyn Observer, limits: &'a Limits<'a>) -> Self {
        Self { lane, observer, limits, announced: false }
    }

    /// Whether a script was named to the observer, so that one may have been sent.
    pub(super) fn is_announced(&self) -> bool {
        self.announced
    }

    /// Starts a script with its parameters, and what follows them.
    pub(super) async fn start(
        &mut self,
        script: &str,
        parameters: &impl Serialize,
        more: &[u8],
    ) -> Result<Process> {
        let parameters = serde_json::to_vec(parameters).map_err(|error| {
            let message = "the parameters of a transfer do not serialize";
            Error::new(ErrorKind::Internal, message).with_source(error)
        })?;
        let mut input = BytesMut::with_capacity(parameters.len() / 3 * 4 + more.len() + 8);
        input.put_slice(STANDARD.encode(parameters).as_bytes());
        input.put_u8(b'\n');
        input.put_slice(more);
        let announced = &mut self.announced;
        let started =
            Process::start(self.lane, script, input.freeze(), announced, self.observer, self.limits);
        let result = started.await;
        if result.is_err() {
            // The bootstrap may wait for a script, or the script have begun.
            super::stop::delete_only(self.lane).await;
        }
        result
    }

    /// Lets a script end that has done its work. What goes wrong now changes nothing.
    pub(super) async fn finish(&mut self, process: Process) {
        let finished = self.limits.within(process.finish(self.lane)).await;
        if finished.is_err() {
            super::stop::delete_only(self.lane).await;
        }
    }

    /// Ends a script that is not to go on. The error says that the outcome is unknown when the script may have put
    /// something in its place.
    pub(super) async fn abandon(&mut self, process: Process, error: Error, may_act: bool) -> Error {
        // The end of the time says nothing of the host by itself.
        let error = match error.kind() {
            ErrorKind::Timeout | ErrorKind::Canceled => self.lane.host.about(error),
            _ => error,
        };
        match process.abandon(self.lane).await {
            Stopped::Unknown if may_act => error.with_outcome_unknown(),
            _ => error,
        }
    }
}

/// What a path must be before a host is asked.
pub(super) fn check_path(path: &str, what: &str) -> Result<()> {
    let complain = |why: &str| Err(Error::new(ErrorKind::InvalidInput, format!("the {what} path {why}")));
    if path.trim().is_empty() {
        return complain("is empty");
    }
    if path.contains('\0') {
        return complain("holds a NUL character");
    }
    if path.encode_utf16().count() > PATH_UNITS_MAX {
        return complain("is longer than the 32,767 characters that Windows knows");
    }
    Ok(())
}

//! Where output goes: through the decoder that the interpreter needs, to the observer.

use bytes::Bytes;

use super::{clixml, remote::Remote};
use crate::{
    Result,
    transport::{Observer, RemoteHandle, Shell, Stream},
};

/// The receiving end of a command.
pub(super) struct Sink<'a> {
    decoder: Option<clixml::Decoder>,
    observer: &'a mut dyn Observer,
    /// Why output may be missing before what comes next.
    gap: Option<&'static str>,
}

impl<'a> Sink<'a> {
    pub(super) fn new(remote: &Remote, observer: &'a mut dyn Observer) -> Self {
        let decoder = (remote.interpreter == Shell::Powershell).then(clixml::Decoder::default);
        Self { decoder, observer, gap: None }
    }

    /// Notes that output may have been lost. It is told with what comes next, for nothing may come.
    pub(super) fn missed(&mut self, why: &'static str) {
        self.gap.get_or_insert(why);
    }

    /// Tells of a gap, if there is one.
    pub(super) async fn tell_gap(&mut self) -> Result<()> {
        let Some(why) = self.gap.take() else { return Ok(()) };
        if let Some(decoder) = &mut self.decoder {
            decoder.resync();
        }
        self.observer.gap(why).await
    }

    pub(super) async fn take(&mut self, stream: Stream, bytes: Bytes) -> Result<()> {
        let bytes = match (&mut self.decoder, stream) {
            (Some(decoder), Stream::Stderr) => decoder.push(&bytes).into(),
            _ => bytes,
        };
        if bytes.is_empty() { Ok(()) } else { self.observer.output(stream, bytes).await }
    }

    pub(super) async fn finish(&mut self) -> Result<()> {
        let rest = self.decoder.as_mut().map(clixml::Decoder::finish).unwrap_or_default();
        if rest.is_empty() { Ok(()) } else { self.observer.output(Stream::Stderr, rest.into()).await }
    }

    /// Writes another name of the command down.
    pub(super) async fn rename(&mut self, handle: &RemoteHandle) -> Result<()> {
        self.observer.dispatched(handle).await
    }
}

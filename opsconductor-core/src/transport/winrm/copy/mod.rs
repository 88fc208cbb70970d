//! Writing files: a PowerShell process for each set of files, parameters and content on its standard input.
//!
//! Nothing of a request stands in a script: paths go as JSON in base64, so no path needs quoting. A content goes to a
//! file of its own in the destination's folder, `<destination>.<first 16 digits of its hash>.part`, is verified there,
//! and takes the destination's place in one step. When the connection is lost, the script that begins anew says how much
//! is there and what its hash is, and the rest is sent.

mod chunks;
mod many;
mod one;
mod ranges;
pub(super) mod report;
pub(super) mod tries;

use std::sync::Arc;

use super::{
    lane::Lane,
    limits::Limits,
    transfer::{Transfer, check_path},
};
use crate::transport::source::{self, Source};
use crate::{
    Error, ErrorKind, Result,
    transport::{Control, CopyOutcome, CopyRequest, CopySource, Observer},
};

/// What one copy holds on to.
struct Copying<'a> {
    transfer: Transfer<'a>,
    /// How many bytes of content one message carries; less, once a host has shown that it takes less.
    chunk_bytes: usize,
    /// Whether a large content may go through several shells.
    ranges: bool,
}

/// Writes `request` on `lane`.
pub(super) async fn copy(
    lane: &mut Lane,
    request: CopyRequest,
    observer: &mut dyn Observer,
    control: &Control,
) -> Result<CopyOutcome> {
    check_path(&request.dest_path, "destination")?;
    let limits = Limits::new(control, None);
    let chunk_bytes = chunks::line_bytes_max(lane.host.settings.envelope_bytes_max);
    let mut copying = Copying { transfer: Transfer::new(lane, observer, &limits), chunk_bytes, ranges: true };
    let CopyRequest { dest_path, source, overwrite, mode } = request;
    if mode.is_some() {
        let message = "a Windows host has no permission bits; leave `mode` out";
        return Err(Error::new(ErrorKind::InvalidInput, message));
    }
    let outcome = match source {
        CopySource::One(source) => {
            let source = Arc::new(limits.within(Source::measure(source)).await?);
            let status = one::copy_one(&mut copying, &dest_path, &source, overwrite, false).await;
            status.map(|status| CopyOutcome::one(status, source.length, source.sha256.clone()))
        }
        CopySource::Many(entries) => many::copy_many(&mut copying, &dest_path, entries, overwrite).await,
    };
    outcome.map_err(|error| error.with("path", dest_path))
}

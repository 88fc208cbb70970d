//! A large content over a slow link: several shells write a part of it each, side by side.
//!
//! A request waits for its answer, so one stream carries one message in each round trip. Every other shell copies its
//! part as a file of its own beside the partial file, with all that a copy promises; the script that began appends them
//! in order, verifies the whole and puts it in place. What is in the partial file is a prefix at every moment.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use futures_util::future::try_join_all;

use super::{
    super::{lane::Lane, process::Process, transfer::Transfer},
    Copying,
    one::{self, Upload},
    source::Source,
};
use crate::{
    Result,
    transport::{Observer, RemoteHandle, Stream, timings::Timings},
};

/// From which round-trip time on.
const ROUND_TRIP_MIN: Duration = Duration::from_millis(5);

/// How many shells work beside the first.
const HELPERS: u64 = 3;

/// Whether the rest of a content is to go through several shells.
pub(super) fn are_worth_it(left: u64, bytes_min: u64, round_trip: Duration) -> bool {
    left > bytes_min && round_trip > ROUND_TRIP_MIN
}

/// Sends what follows `from`.
pub(super) async fn upload(
    copying: &mut Copying<'_>,
    process: &mut Process,
    part: &str,
    source: &Arc<Source>,
    from: u64,
    written: &mut Upload,
) -> Result<()> {
    let size = (source.length - from) / (HELPERS + 1);
    let first = from + size;
    let starts: Vec<u64> =
        (0..=HELPERS).map(|n| if n == HELPERS { source.length } else { first + n * size }).collect();
    let helpers = starts.windows(2).zip(1..).map(|(range, number)| {
        let slice = source.slice(range[0]..range[1]);
        help(copying, format!("{part}.{number}"), slice)
    });
    let helpers = try_join_all(helpers.collect::<Vec<_>>());
    // From here on a failure is met by going on with one stream.
    copying.ranges = false;
    let own = one::upload(copying, process, vec![(Arc::clone(source), from..first)], written, false);
    tokio::try_join!(helpers, own)?;
    written.committing = true;
    process.send(&STANDARD.encode(format!("!{HELPERS}\n"))).await?;
    written.reached = source.length - from;
    Ok(())
}

/// Copies one part in a shell of its own.
fn help(
    copying: &Copying<'_>,
    dest: String,
    slice: Source,
) -> std::pin::Pin<Box<dyn Future<Output = Result<()>> + Send + 'static>> {
    let host = Arc::clone(&copying.transfer.lane.host);
    let tracker = copying.transfer.lane.tracker.clone();
    let control = copying.transfer.limits.control().clone();
    let chunk_bytes = copying.chunk_bytes;
    Box::pin(async move {
        let limits = super::super::limits::Limits::new(&control, None);
        let source = Arc::new(limits.within(slice.measured()).await?);
        let mut lane = limits.within(Lane::open(host, tracker, &mut Timings::default())).await?;
        let mut quiet = Quiet;
        let transfer = Transfer::new(&mut lane, &mut quiet, &limits);
        let mut copying = Copying { transfer, chunk_bytes, ranges: false };
        one::copy_one(&mut copying, &dest, &source, true, false).await?;
        // What it has open on the host goes in the background when this fails.
        let _ = lane.close().await;
        Ok(())
    })
}

/// The dispatch was announced by the first shell.
struct Quiet;

#[async_trait]
impl Observer for Quiet {
    async fn dispatching(&mut self, _: &RemoteHandle) -> Result<()> {
        Ok(())
    }

    async fn output(&mut self, _: Stream, _: Bytes) -> Result<()> {
        Ok(())
    }
}

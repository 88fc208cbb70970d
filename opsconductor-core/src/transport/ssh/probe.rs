//! Finding out whether a host can be used, layer by layer.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use tokio_util::sync::CancellationToken;

use super::{host::Host, launch::Launch, link::NoChannel, pool::Pool, remote::Remote};
use crate::{
    Error, Result,
    error::Layer,
    transport::{
        Control, ExecRequest, Observer, ProbeDetails, ProbeReport, RemoteHandle, Shell, Stream,
        limits::Limits, timings::Timings,
    },
};

/// How long the host may take to say who it is.
const SCRIPT_TIMEOUT: Duration = Duration::from_secs(60);

const SCRIPT: &str = "id -un\nuname -n\nuname -sr\n";

/// Connects anew, whatever is open: a probe is to find out.
pub(super) async fn probe(pool: &Arc<Pool>, host: &Arc<Host>) -> ProbeReport {
    let mut details =
        ProbeDetails { port: host.port, transport: Some(host.protection()), ..ProbeDetails::default() };
    let mut timings = Timings::default();
    let result = ask(pool, host, &mut timings, &mut details).await;
    timings.finish();
    details.timings_ms = timings.milliseconds("handshake");
    match result {
        Ok(()) => {
            let name = details.hostname.as_deref().unwrap_or("the host");
            let user = details.whoami.as_deref().unwrap_or("an unnamed user");
            let system = details.product_version.as_deref().unwrap_or("an unnamed system");
            ProbeReport::reached(format!("{name} runs commands as {user} ({system})"), details)
        }
        Err(error) => ProbeReport::failed(&error, details),
    }
}

async fn ask(
    pool: &Arc<Pool>,
    host: &Arc<Host>,
    timings: &mut Timings,
    details: &mut ProbeDetails,
) -> Result<()> {
    let link = Arc::new(pool.open(host, timings).await?);
    details.product_vendor = link.software();
    timings.enter(Layer::Shell);
    let channel = link.channel().await.map_err(|why| {
        host.about(match why {
            NoChannel::Lost => Error::transport(Layer::Connect, "the host hung up after the logon"),
            NoChannel::Refused => {
                Error::transport(Layer::Shell, "the host takes the logon and opens no session for it")
            }
        })
    })?;
    timings.enter(Layer::Script);
    let launch = Launch::new(ExecRequest::new(Shell::Sh, SCRIPT), host)?;
    let remote = Remote::new(host, &pool.tracker, Arc::clone(&link), channel, launch);
    let control = Control { timeout: SCRIPT_TIMEOUT, cancel: CancellationToken::new() };
    let mut heard = Heard::default();
    let outcome = remote.run(&mut heard, &Limits::new(&control, None)).await?;
    timings.finish();
    let said = String::from_utf8_lossy(&heard.0);
    let mut lines = said.lines().map(str::to_owned);
    details.whoami = lines.next();
    details.hostname = lines.next();
    details.product_version = lines.next();
    link.end().await;
    if outcome.exit_code != 0 || details.product_version.is_none() {
        let message = format!("the shell did not say who it is; exit code {}", outcome.exit_code);
        return Err(host.about(Error::transport(Layer::Script, message)));
    }
    Ok(())
}

/// Takes what a probe's script says, up to a limit.
#[derive(Default)]
struct Heard(Vec<u8>);

#[async_trait]
impl Observer for Heard {
    async fn dispatching(&mut self, _: &RemoteHandle) -> Result<()> {
        Ok(())
    }

    async fn output(&mut self, stream: Stream, bytes: Bytes) -> Result<()> {
        if stream == Stream::Stdout && self.0.len() < 64 * 1024 {
            self.0.extend_from_slice(&bytes);
        }
        Ok(())
    }
}

//! Finding out whether a host can be used, layer by layer.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{collect::Collector, host::Host, lane::Lane, launch::Launch, run, soap::Action};
use crate::{
    Error, Result,
    error::Layer,
    transport::{Control, ProbeDetails, ProbeReport, timings::Timings},
};

/// How long the host may take to say who it is.
const SCRIPT_TIMEOUT: Duration = Duration::from_secs(60);

const SCRIPT: &str = "whoami\n$PSVersionTable.PSVersion.ToString()\n$env:COMPUTERNAME\n";

/// Connects anew, whatever is warm: a probe is to find out.
pub(super) async fn probe(host: Arc<Host>, tracker: TaskTracker) -> ProbeReport {
    let mut details =
        ProbeDetails { port: host.port, transport: Some(host.protection()), ..ProbeDetails::default() };
    let mut timings = Timings::default();
    let result = ask(&host, tracker, &mut timings, &mut details).await;
    timings.finish();
    details.timings_ms = timings.milliseconds("wsman");
    match result {
        Ok(()) => {
            let name = details.hostname.as_deref().unwrap_or("the host");
            let user = details.whoami.as_deref().unwrap_or("an unnamed user");
            let product = [&details.product_vendor, &details.product_version].map(|part| part.as_deref());
            let product: Vec<_> = product.into_iter().flatten().collect();
            let message = format!("{name} runs commands as {user} ({})", product.join(" "));
            ProbeReport::reached(message, details)
        }
        Err(error) => ProbeReport::failed(&error, details),
    }
}

async fn ask(
    host: &Arc<Host>,
    tracker: TaskTracker,
    timings: &mut Timings,
    details: &mut ProbeDetails,
) -> Result<()> {
    let mut lane = Lane::open(Arc::clone(host), tracker, timings).await?;
    timings.enter(Layer::Protocol);
    let identity = lane.primary().await?.identify().await;
    let identity = identity.map_err(|failure| failure.into_error(host, Action::Identify))?;
    let said = |text: String| Some(text).filter(|text| !text.is_empty());
    (details.product_vendor, details.product_version) = (said(identity.vendor), said(identity.version));
    timings.enter(Layer::Shell);
    lane.ready_shell(&BTreeMap::new(), None).await?;
    timings.enter(Layer::Script);
    let launch = Launch::powershell(SCRIPT, Vec::new(), BTreeMap::new(), None)?;
    let control = Control { timeout: SCRIPT_TIMEOUT, cancel: CancellationToken::new() };
    let mut collector = Collector::new(None);
    let outcome = run::run(&mut lane, launch, &mut collector, &control).await?;
    timings.finish();
    let mut lines = collector.lines().map(str::to_owned);
    details.whoami = lines.next();
    details.powershell_version = lines.next();
    details.hostname = lines.next();
    drop(lines);
    if outcome.exit_code != 0 || details.hostname.is_none() {
        let said = collector.first_error_line().unwrap_or("nothing");
        let message =
            format!("PowerShell did not say who it is; exit code {}, and it said: {said}", outcome.exit_code);
        return Err(host.about(Error::transport(Layer::Script, message)));
    }
    lane.close().await
}

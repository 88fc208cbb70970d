//! Finding out whether a target can be used, layer by layer.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use tokio_util::sync::CancellationToken;

use super::{account::Account, dial::Ground, session::HttpSession, site::Host};
use crate::{
    Error, Result,
    error::Layer,
    transport::{
        Control, HttpAnswer, HttpCall, Observer, ProbeDetails, ProbeReport, RemoteHandle, Session as _,
        Stream, timings::Timings,
    },
};

/// How long the host may take to answer.
const ANSWER: Duration = Duration::from_secs(30);

/// Asks for the head of the base path, and for nothing that acts.
pub(super) async fn probe(ground: Arc<Ground>, host: Host, account: Option<Account>) -> ProbeReport {
    let mut details = ProbeDetails {
        port: host.site.port,
        transport: Some(match &account {
            Some(account) => format!("{}, a key in {}", host.protection(), account.name),
            None => host.protection().to_owned(),
        }),
        ..ProbeDetails::default()
    };
    let mut timings = Timings::default();
    let about = host.clone();
    let has_account = account.is_some();
    let asked = ask(ground, host, account, &mut timings).await;
    timings.finish();
    details.timings_ms = timings.milliseconds("first_byte");
    let result = asked.and_then(|answer| {
        details.product_vendor = answer.header("server").next().map(str::to_owned);
        judge(answer.status, has_account)
    });
    match result {
        Ok(status) => {
            let product =
                details.product_vendor.as_deref().map(|name| format!(" ({name})")).unwrap_or_default();
            let message = format!("{} answers with the status {status}{product}", about.site.authority());
            ProbeReport::reached(message, details)
        }
        Err(error) => ProbeReport::failed(&about.about(error), details),
    }
}

async fn ask(
    ground: Arc<Ground>,
    host: Host,
    account: Option<Account>,
    timings: &mut Timings,
) -> Result<HttpAnswer> {
    let mut session = HttpSession::open(ground, host, account, timings).await?;
    timings.enter(Layer::Protocol);
    let call = HttpCall { repeatable: true, body_bytes_max: 0, ..HttpCall::new("HEAD", "") };
    session.request(call, &mut Deaf, &Control { timeout: ANSWER, cancel: CancellationToken::new() }).await
}

fn judge(status: u16, has_account: bool) -> Result<u16> {
    match status {
        401 | 403 if has_account => {
            let message = format!("the host refuses the credential with the status {status}");
            Err(Error::transport(Layer::Authentication, message).with_code(status.into()))
        }
        // Some know no `HEAD`, and say so.
        501 => Ok(status),
        500.. => {
            let message = format!("the host answers with the status {status}");
            Err(Error::transport(Layer::Protocol, message).with_code(status.into()))
        }
        status => Ok(status),
    }
}

/// Whoever probes wants no output.
struct Deaf;

#[async_trait]
impl Observer for Deaf {
    async fn dispatching(&mut self, _: &RemoteHandle) -> Result<()> {
        Ok(())
    }

    async fn output(&mut self, _: Stream, _: Bytes) -> Result<()> {
        Ok(())
    }
}

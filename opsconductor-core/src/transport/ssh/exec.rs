//! Running one command.

use super::{launch::Launch, remote::Remote, session::SshSession};
use crate::{
    Result,
    transport::{ExecOutcome, ExecRequest, Observer, RemoteHandle, limits::Limits},
};

pub(super) async fn exec(
    session: &mut SshSession,
    request: ExecRequest,
    observer: &mut dyn Observer,
    limits: &Limits<'_>,
) -> Result<ExecOutcome> {
    let host = std::sync::Arc::clone(&session.host);
    let launch = Launch::new(request, &host).map_err(|error| host.about(error))?;
    let (link, channel) = limits.within(session.channel()).await?;
    let handle = RemoteHandle([("command".to_owned(), launch.token.clone())].into());
    // From here on whatever ends this call ends the channel.
    let remote = Remote::new(&host, &session.pool.tracker, link, channel, launch);
    limits.within(observer.dispatching(&handle)).await?;
    remote.run(observer, limits).await
}

//! The task behind a session: holds the client and its shell, runs one command after another, and deletes the shell at the
//! end, whatever became of the caller.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};
use winrm_rs::{Shell, WinrmClient};

use super::{
    command::{After, Limits, run},
    session::Call,
    target::Target,
};
use crate::{Error, Result, error::Layer, transport::ExecOutcome};

/// How long one try to delete a shell may take: both together are what is left of the time for a stop.
const CLOSE: Duration = Duration::from_millis(1200);

/// How long a shell that nobody waits for any more may take to open, so that it can be deleted.
const LATE_SHELL: Duration = Duration::from_secs(2);

/// Windows does not give operations back on a text shell, so it is replaced before they are used up.
const COMMANDS_PER_SHELL_MAX: u32 = 500;

pub(super) async fn keep(
    target: Arc<Target>,
    ready: oneshot::Sender<Result<()>>,
    mut calls: mpsc::Receiver<Call>,
    ended: oneshot::Sender<Result<()>>,
) {
    let client = match target.client(&BTreeMap::new(), None) {
        Ok(client) => client,
        Err(error) => return drop(ready.send(Err(error))),
    };
    let mut shell = match client.open_shell(&target.host).await {
        Ok(shell) => Some(shell),
        Err(error) => return drop(ready.send(Err(target.explain(error).0))),
    };
    // Nobody may wait any more; then no call comes either.
    let _ = ready.send(Ok(()));
    let mut commands = 0;
    while let Some(call) = calls.recv().await {
        let limits = Limits::new(&call);
        let own = !call.request.env.is_empty() || call.request.working_directory.is_some();
        let outcome = if own {
            in_own_shell(&target, &call, &limits).await
        } else {
            if commands >= COMMANDS_PER_SHELL_MAX {
                commands = 0;
                if let Some(worn) = shell.take() {
                    close(&target, &client, worn).await.ok();
                }
            }
            commands += 1;
            let opened = match shell.take() {
                Some(shell) => Ok(shell),
                None => open(&target, &client, &limits).await,
            };
            match opened {
                Ok(opened) => {
                    let (outcome, kept) = attend(&target, &client, opened, &call, &limits).await;
                    shell = kept;
                    outcome
                }
                Err(error) => Err(error),
            }
        };
        // Whoever went away does not want to know.
        let _ = call.done.send(outcome);
    }
    let closed = match shell {
        Some(shell) => close(&target, &client, shell).await,
        None => Ok(()),
    };
    // Only a session that is closed waits for this.
    let _ = ended.send(closed);
}

/// Runs a command whose environment or directory is its own, which the crate binds to a client.
async fn in_own_shell(target: &Target, call: &Call, limits: &Limits) -> Result<ExecOutcome> {
    let request = &call.request;
    let client = target.client(&request.env, request.working_directory.as_deref())?;
    let shell = open(target, &client, limits).await?;
    let (outcome, kept) = attend(target, &client, shell, call, limits).await;
    if let Some(shell) = kept {
        // The command has ended, so a shell that stays open does no harm but to the host's quota.
        close(target, &client, shell).await.ok();
    }
    outcome
}

/// Runs a command in a shell, and gives the shell back when it can be used again.
async fn attend<'a>(
    target: &Target,
    client: &WinrmClient,
    shell: Shell<'a>,
    call: &Call,
    limits: &Limits,
) -> (Result<ExecOutcome>, Option<Shell<'a>>) {
    let (outcome, after) = run(target, &shell, call, limits).await;
    if after == After::Keep {
        return (outcome, Some(shell));
    }
    // Deleting the shell ends whatever runs in it.
    let closed = close(target, client, shell).await;
    let outcome = match (after, closed) {
        (After::Stop, Err(_)) => outcome.map_err(Error::with_outcome_unknown),
        _ => outcome,
    };
    (outcome, None)
}

/// Opens a shell; one that comes too late is deleted.
async fn open<'a>(target: &Target, client: &'a WinrmClient, limits: &Limits) -> Result<Shell<'a>> {
    let mut opening = std::pin::pin!(client.open_shell(&target.host));
    tokio::select! {
        biased;
        error = limits.over() => {
            if let Ok(Ok(shell)) = timeout(LATE_SHELL, opening).await {
                close(target, client, shell).await.ok();
            }
            Err(target.about(error))
        }
        opened = &mut opening => opened.map_err(|error| target.explain(error).0),
    }
}

/// Deletes a shell. A connection that broke fails a first try, and deleting twice does no harm.
async fn close(target: &Target, client: &WinrmClient, shell: Shell<'_>) -> Result<()> {
    let id = shell.shell_id().to_owned();
    if let Ok(Ok(())) = timeout(CLOSE, shell.close()).await {
        return Ok(());
    }
    match timeout(CLOSE, client.delete_shell(&target.host, &id)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(target.explain(error).0),
        Err(_) => {
            let message = "the host did not delete the shell in time";
            Err(target.about(Error::transport(Layer::Protocol, message)))
        }
    }
}

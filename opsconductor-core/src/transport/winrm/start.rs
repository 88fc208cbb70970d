//! Starting a command, and writing down its name before it can act.

use std::time::Duration;

use tokio::time::sleep;

use super::{
    failure::Failure,
    lane::{Lane, wants_new_shell},
    launch::Launch,
    limits::Limits,
    remote::{Remote, shell_handle},
    soap::{Action, fault::code},
    stop,
};
use crate::{
    Error, ErrorKind, Result,
    transport::{Observer, RemoteHandle, Shell},
};

/// The first pause before a command is started once more.
const PAUSE: Duration = Duration::from_millis(500);

/// Starts what `launch` says. `again` when an earlier start of the same call came to nothing.
pub(super) async fn start(
    lane: &mut Lane,
    launch: &Launch,
    observer: &mut dyn Observer,
    limits: &Limits<'_>,
    again: bool,
) -> Result<Remote> {
    match launch.interpreter {
        Shell::Powershell => start_powershell(lane, launch, observer, limits, again).await,
        Shell::Cmd | Shell::Sh => start_cmd(lane, launch, observer, limits).await,
    }
}

/// Starts the bootstrap, which acts on nothing before it gets the script; then names it to the observer.
async fn start_powershell(
    lane: &mut Lane,
    launch: &Launch,
    observer: &mut dyn Observer,
    limits: &Limits<'_>,
    again: bool,
) -> Result<Remote> {
    let remote =
        limits.within(start_bootstrap(lane, launch)).await.map_err(|error| lane.host.about(error))?;
    if let Err(error) = note(observer, &remote.handle(), again).await {
        // The bootstrap waits for a script that must not come.
        stop::delete_only(lane).await;
        return Err(error);
    }
    Ok(remote)
}

async fn note(observer: &mut dyn Observer, handle: &RemoteHandle, again: bool) -> Result<()> {
    if again { observer.dispatched(handle).await } else { observer.dispatching(handle).await }
}

async fn start_bootstrap(lane: &mut Lane, launch: &Launch) -> Result<Remote> {
    let mut tries = Tries::default();
    loop {
        lane.ready_shell(&launch.environment, launch.working_directory.as_deref()).await?;
        lane.primary().await?;
        let (Some(connection), Some(shell)) = (&mut lane.primary, &mut lane.shell) else { continue };
        shell.busy = true;
        shell.commands += 1;
        let failure = match connection.command(&shell.id, &launch.program, &launch.arguments).await {
            Ok(command_id) => return Ok(remote(launch, &shell.id, command_id)),
            Err(failure) => failure,
        };
        // A bootstrap without a script does nothing, so it can be started once more even if the first one runs.
        let warm = shell.commands > 1;
        let harmless = match &failure {
            Failure::Fault(fault) => fault.is(code::ABORTED),
            Failure::Broken(_) => warm && tries.count == 0,
            Failure::Refused(_) => false,
        };
        Box::pin(tries.again(lane, failure, harmless)).await?;
    }
}

/// A cmd command acts as soon as it is started, so the shell is named to the observer before, and the command after.
async fn start_cmd(
    lane: &mut Lane,
    launch: &Launch,
    observer: &mut dyn Observer,
    limits: &Limits<'_>,
) -> Result<Remote> {
    let mut tries = Tries::default();
    let mut noted = None;
    loop {
        let ready = async {
            lane.ready_shell(&launch.environment, launch.working_directory.as_deref()).await?;
            lane.primary().await.map(drop)
        };
        limits.within(ready).await?;
        let (Some(connection), Some(shell)) = (&mut lane.primary, &mut lane.shell) else {
            return Err(Error::new(ErrorKind::Internal, "a shell was made ready and is not there"));
        };
        if noted.as_ref() != Some(&shell.id) {
            note(observer, &shell_handle(&shell.id), noted.is_some()).await?;
            noted = Some(shell.id.clone());
        }
        shell.busy = true;
        shell.commands += 1;
        let command = connection.command(&shell.id, &launch.program, &launch.arguments);
        // A command without a name cannot be left to anyone, so a release waits for the answer.
        let failure = match limits.unless_stopped(command).await {
            Ok(Ok(command_id)) => {
                let remote = remote(launch, &shell.id, command_id);
                if let Err(error) = observer.dispatched(&remote.handle()).await {
                    let stopped = stop::delete_only(lane).await;
                    return Err(stopped.judge(error));
                }
                return Ok(remote);
            }
            Ok(Err(failure)) => failure,
            Err(error) => {
                // The answer with the command's id was not waited for: deleting the shell ends whatever runs in it.
                let stopped = stop::delete_only(lane).await;
                return Err(stopped.judge(lane.host.about(error)));
            }
        };
        let unknown = match &failure {
            Failure::Broken(_) => true,
            Failure::Fault(fault) => fault.is(code::ABORTED),
            Failure::Refused(_) => false,
        };
        if unknown {
            let error = failure.into_error(&lane.host, Action::Command).with_outcome_unknown();
            lane.drop_shell().await;
            return Err(error);
        }
        let again = limits.within(Box::pin(tries.again(lane, failure, false))).await;
        if let Err(error) = again {
            lane.drop_shell().await;
            return Err(error);
        }
    }
}

fn remote(launch: &Launch, shell_id: &str, command_id: String) -> Remote {
    // PowerShell gets its script and a small input in one piece; cmd has run by the time its input comes.
    let feeding = launch.has_own_input() && !(launch.unrun_code.is_some() && launch.is_inline());
    Remote {
        shell_id: shell_id.to_owned(),
        command_id,
        interpreter: launch.interpreter,
        unrun_code: launch.unrun_code,
        feeding,
    }
}

/// How often a start came to nothing.
struct Tries {
    count: u32,
    pause: Duration,
}

impl Default for Tries {
    fn default() -> Self {
        Self { count: 0, pause: PAUSE }
    }
}

impl Tries {
    /// Prepares the next try after a failure that says, or is known, to have started nothing that acts; gives the failure
    /// back when another try cannot help.
    async fn again(&mut self, lane: &mut Lane, failure: Failure, harmless: bool) -> Result<()> {
        self.count += 1;
        let hopeless = self.count > lane.host.settings.quota_retries_max.max(1);
        match &failure {
            _ if hopeless => return Err(failure.into_error(&lane.host, Action::Command)),
            // The shell is of an earlier time, or its operations are used up: a new one is as good.
            failure if wants_new_shell(failure) => {
                lane.drop_shell().await;
                if self.count > 1 {
                    self.wait().await;
                }
            }
            Failure::Fault(fault) if fault.is(code::BUSY) => {
                if let Some(shell) = &mut lane.shell {
                    shell.busy = false;
                }
                self.wait().await;
            }
            // The connection had been hung up on, or the service was not ready.
            Failure::Refused(error) if self.count == 1 && error.kind() == ErrorKind::Transport => {
                if let Some(shell) = &mut lane.shell {
                    shell.busy = false;
                }
                lane.primary = None;
            }
            _ if harmless => {
                tracing::debug!(target = lane.host.target, "a start came to nothing, trying in a new shell");
                lane.primary = None;
                lane.drop_shell().await;
            }
            _ => return Err(failure.into_error(&lane.host, Action::Command)),
        }
        Ok(())
    }

    async fn wait(&mut self) {
        sleep(self.pause).await;
        self.pause *= 2;
    }
}

//! One command from start to end.

use super::{
    attend::{Input, attend},
    lane::Lane,
    launch::Launch,
    limits::Limits,
    listen::Ended,
    sink::Sink,
    soap::Action,
    start::start,
};
use crate::{
    Error, Result,
    error::Layer,
    transport::{Control, ExecOutcome, Observer},
};

/// How often a script is sent to a new PowerShell because the one before said that it never got it.
const UNRUN_MAX: u32 = 3;

/// Runs `launch` on `lane`.
pub(super) async fn run(
    lane: &mut Lane,
    launch: Launch,
    observer: &mut dyn Observer,
    control: &Control,
) -> Result<ExecOutcome> {
    let limits = Limits::new(control, observer.released());
    let own_shell = !launch.environment.is_empty() || launch.working_directory.is_some();
    let mut unrun = 0;
    loop {
        let remote = start(lane, &launch, observer, &limits, unrun > 0).await?;
        let mut sink = Sink::new(&remote, observer);
        let ended = attend(lane, &remote, Input::Whole(launch.input.clone()), &mut sink, &limits).await;
        if own_shell || !matches!(ended, Ok(Ended::Code(_))) {
            lane.drop_shell().await;
        }
        match ended? {
            Ended::Code(code) => return Ok(ExecOutcome::new(code)),
            Ended::Unrun if unrun < UNRUN_MAX => {
                unrun += 1;
                tracing::debug!(
                    target = lane.host.target,
                    "a script did not arrive and was not executed, sending it anew"
                );
            }
            Ended::Unrun => return Err(lane.host.about(not_executed())),
            Ended::Gone(failure) => {
                let message = "the host no longer knows the running command: it was restarted, or the shell was deleted";
                let cause = failure.into_error(&lane.host, Action::Receive);
                let error = Error::transport(Layer::Shell, message).with_source(cause);
                return Err(lane.host.about(error).with_outcome_unknown());
            }
        }
    }
}

/// The end of a command that never got its script.
pub(super) fn not_executed() -> Error {
    let message = "the script did not reach the host, and nothing of it was executed";
    Error::transport(Layer::Shell, message).with_retryable(true)
}

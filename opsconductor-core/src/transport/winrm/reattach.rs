//! Going on with a command that another worker started: its output from here on, its exit code, its shell deleted.

use super::{
    attend::{Input, attend},
    lane::Lane,
    limits::Limits,
    listen::Ended,
    remote::{self, Named, Remote},
    run::not_executed,
    shell::RemoteShell,
    sink::Sink,
    soap::Action,
    stop,
};
use crate::{
    Error, ErrorKind, Result,
    transport::{Control, ExecOutcome, Observer, RemoteHandle},
};

/// Attends to what `handle` names until it has ended.
pub(super) async fn reattach(
    lane: &mut Lane,
    handle: &RemoteHandle,
    observer: &mut dyn Observer,
    control: &Control,
) -> Result<ExecOutcome> {
    let limits = Limits::new(control, observer.released());
    let named = remote::read(handle).map_err(|error| lane.host.about(error).with_outcome_unknown())?;
    // The session's own shell waits meanwhile.
    let own = lane.shell.take();
    let outcome = match named {
        Named::Shell(id) => {
            adopt(lane, id);
            stop::delete_only(lane).await;
            let message =
                "the former worker stopped before the host had named the command; its shell was deleted";
            Err(Error::new(ErrorKind::NotFound, message).with_outcome_unknown())
        }
        Named::Command(remote) => {
            adopt(lane, remote.shell_id.clone());
            go_on(lane, &remote, observer, &limits).await
        }
    };
    lane.drop_shell().await;
    lane.shell = own;
    outcome.map_err(|error| lane.host.about(error))
}

/// Takes a shell into the lane, which deletes it in the end.
fn adopt(lane: &mut Lane, id: String) {
    let mut shell = RemoteShell::new(id, lane.host.clone(), lane.tracker.clone());
    shell.busy = true;
    lane.shell = Some(shell);
}

async fn go_on(
    lane: &mut Lane,
    remote: &Remote,
    observer: &mut dyn Observer,
    limits: &Limits<'_>,
) -> Result<ExecOutcome> {
    if remote.feeding {
        stop::delete_only(lane).await;
        let message =
            "the former worker stopped while it sent the command its input; the command was stopped";
        return Err(Error::new(ErrorKind::NotFound, message).with_outcome_unknown());
    }
    let mut sink = Sink::new(remote, observer);
    sink.missed("the worker that attended to the command stopped, and another one went on");
    match attend(lane, remote, Input::Orphaned, &mut sink, limits).await? {
        Ended::Code(code) => Ok(ExecOutcome::new(code)),
        Ended::Unrun => Err(not_executed()),
        Ended::Gone(failure) => {
            let message = "the host no longer knows the command: it was restarted, or the shell was deleted";
            let cause = failure.into_error(&lane.host, Action::Receive);
            Err(Error::new(ErrorKind::NotFound, message).with_source(cause).with_outcome_unknown())
        }
    }
}

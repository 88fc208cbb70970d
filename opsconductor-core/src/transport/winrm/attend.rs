//! Attending to a command that was started: it is fed, listened to, and stopped when its time is up.

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::Bytes;
use tokio::time::{Instant, sleep_until};

use super::{
    connection::Connection,
    lane::Lane,
    launch::INLINE_INPUT_BYTES,
    limits::{Limits, Over, left_running},
    link::{Link, Unsent},
    listen::{Ended, First, Interrupted, REFUSED_INPUT_GRACE, feed, listen},
    remote::Remote,
    sink::Sink,
    soap::Action,
    stop::{self, Stopped},
};
use crate::{Error, ErrorKind, Result, error::Layer};

/// What a command still needs.
pub(super) enum Input {
    /// All of it, in order; then the end is said.
    Whole(Vec<Bytes>),
    /// At most its end: another worker fed the command.
    Orphaned,
}

/// Sees a command through that runs in the lane's shell. After an error the shell is gone, or goes when it is dropped.
pub(super) async fn attend(
    lane: &mut Lane,
    remote: &Remote,
    input: Input,
    sink: &mut Sink<'_>,
    limits: &Limits<'_>,
) -> Result<Ended> {
    let host = Arc::clone(&lane.host);
    let (first, side_input) = divide(input);
    let feeding = !side_input.is_empty();
    if feeding {
        // Output must be taken while input is sent, or both sides wait for each other.
        if let Err(error) = limits.unless_stopped(lane.secondary()).await.flatten() {
            let stopped = stop::delete_only(lane).await;
            return Err(stopped.judge(error));
        }
    }
    let mut primary = Link::new(Arc::clone(&host), lane.primary.take());
    let mut secondary = Link::new(Arc::clone(&host), lane.secondary.take());
    let fed = AtomicBool::new(!remote.feeding);
    let ended = {
        let mut receive = pin!(listen(&mut primary, remote, first, &fed, sink));
        let mut feed = Box::pin(feed(&mut secondary, remote, side_input, host.settings.input_bytes_max()));
        let mut feeding = feeding;
        let mut refused: Option<(Unsent, Instant)> = None;
        let over = loop {
            let patience = refused.as_ref().map_or_else(Instant::now, |(_, until)| *until);
            tokio::select! {
                biased;
                error = limits.stop() => break Err(Over::Stop(error)),
                // A command that got part of its own input cannot be left to anyone.
                over = limits.over(), if fed.load(Ordering::Acquire) => break Err(over),
                result = &mut receive => break Ok(result),
                result = &mut feed, if feeding => {
                    feeding = false;
                    fed.store(result.is_ok(), Ordering::Release);
                    match result {
                        Ok(()) => {}
                        // The command may have ended without reading all of it; its output tells.
                        Err(unsent @ Unsent::Refused(_)) => {
                            refused = Some((unsent, Instant::now() + REFUSED_INPUT_GRACE));
                        }
                        Err(unsent) => break Err(Over::Stop(unsent.into_error(&host).with_outcome_unknown())),
                    }
                }
                () = sleep_until(patience), if refused.is_some() => {
                    let error = refused.take().map(|(unsent, _)| unsent.into_error(&host));
                    break Err(Over::Stop(error.unwrap_or_else(|| Error::new(ErrorKind::Internal, "no failure"))));
                }
            }
        };
        drop(feed);
        match over {
            Ok(result) => result,
            Err(Over::Leave) => {
                leave(lane);
                return Err(host.about(left_running()));
            }
            Err(Over::Stop(error)) => {
                let control = secondary.into_usable();
                let (stopped, control) =
                    Box::pin(stop::stop(&host, control, &remote.shell_id, &remote.command_id, receive)).await;
                // A shell that may still be there is deleted in the background when it is dropped here.
                if let (Some(shell), Stopped::Yes) = (lane.shell.take(), stopped) {
                    shell.forget();
                }
                lane.secondary = control.filter(Connection::is_usable);
                return Err(stopped.judge(host.about(error)));
            }
        }
    };
    lane.primary = primary.into_usable();
    lane.secondary = secondary.into_usable();
    match ended {
        Ok(Ended::Gone(failure)) => {
            // The host may know the shell though it no longer knows the command.
            lane.drop_shell().await;
            Ok(Ended::Gone(failure))
        }
        Ok(ended) => {
            lane.sign_off(remote).await;
            Ok(ended)
        }
        Err(interrupted) => Err(Box::pin(interrupt(lane, interrupted, limits)).await),
    }
}

/// What is sent at once, and what has to be sent while output is taken.
fn divide(input: Input) -> (First, Vec<Bytes>) {
    match input {
        Input::Orphaned => (First::Settle, Vec::new()),
        Input::Whole(input) if input.iter().all(Bytes::is_empty) => (First::End, Vec::new()),
        Input::Whole(input) if input.iter().map(Bytes::len).sum::<usize>() <= INLINE_INPUT_BYTES => {
            (First::Send(input.concat().into()), Vec::new())
        }
        Input::Whole(input) => (First::Nothing, input),
    }
}

/// Ends a command to which nobody listens any more.
async fn interrupt(lane: &mut Lane, interrupted: Interrupted, limits: &Limits<'_>) -> Error {
    let host = Arc::clone(&lane.host);
    match interrupted {
        Interrupted::Observer(error) if error.kind() == ErrorKind::LeaseLost && limits.is_left() => {
            leave(lane);
            error.with_outcome_unknown()
        }
        Interrupted::Observer(error) => stop::delete_only(lane).await.judge(error),
        Interrupted::Failure(failure) => failure.into_error(&host, Action::Receive).with_outcome_unknown(),
        Interrupted::Unsent(unsent) => {
            stop::delete_only(lane).await;
            unsent.into_error(&host).with_outcome_unknown()
        }
        Interrupted::NoExitCode => {
            let message = "the host ended the command without an exit code";
            host.about(Error::transport(Layer::Shell, message)).with_outcome_unknown()
        }
    }
}

/// Leaves the command running in its shell.
fn leave(lane: &mut Lane) {
    if let Some(shell) = lane.shell.take() {
        shell.forget();
    }
}

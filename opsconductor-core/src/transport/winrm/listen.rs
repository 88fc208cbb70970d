//! Taking output until a command has ended, and feeding it meanwhile.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use bytes::Bytes;
use tokio::time::{Instant, sleep};

use super::{
    failure::Failure,
    link::{Link, Unsent},
    remote::Remote,
    sink::Sink,
};
use crate::{Error, transport::Shell};

/// The least time between two requests for output that bring nothing.
pub(super) const EMPTY_PAUSE: Duration = Duration::from_millis(50);

/// How long a command that gets no input may run before it is told so. Most have ended by then, and a round trip with
/// nothing in it is saved; one that reads its input all the same waits so much longer for the end of it.
const UNTOLD: Duration = Duration::from_millis(500);

/// How long a command may go on after it refused its input before it is stopped.
pub(super) const REFUSED_INPUT_GRACE: Duration = Duration::from_secs(5);

/// What is done before output is asked for.
pub(super) enum First {
    Nothing,
    /// There is no input: its end is said when the command has not ended soon.
    End,
    /// The whole input is sent; it fits the pipe.
    Send(Bytes),
    /// The input is ended, for whoever fed the command is gone.
    Settle,
}

/// How a command ended.
pub(super) enum Ended {
    /// With this exit code.
    Code(i64),
    /// It did not get its whole script, so nothing was executed.
    Unrun,
    /// The host does not know it (any more).
    Gone(Failure),
}

/// Why listening ended before the command did.
pub(super) enum Interrupted {
    Failure(Failure),
    Unsent(Unsent),
    Observer(Error),
    NoExitCode,
}

/// Takes output until the command has ended. `fed` is set once all input was sent.
pub(super) async fn listen(
    link: &mut Link,
    remote: &Remote,
    first: First,
    fed: &AtomicBool,
    sink: &mut Sink<'_>,
) -> Result<Ended, Interrupted> {
    let mut untold = false;
    let mut refused: Option<(Failure, Instant)> = None;
    match first {
        First::Nothing => {}
        First::End => {
            untold = true;
            fed.store(true, Ordering::Release);
        }
        First::Send(bytes) => {
            let refusal = link.send_whole(remote, &bytes).await.map_err(Interrupted::Unsent)?;
            refused = refusal.map(|failure| (failure, Instant::now() + REFUSED_INPUT_GRACE));
            fed.store(true, Ordering::Release);
        }
        First::Settle => link.settle(remote).await.map_err(Interrupted::Failure)?,
    }
    let mut open = remote.feeding;
    loop {
        if open && fed.load(Ordering::Acquire) {
            open = false;
            let handle = Remote { feeding: false, ..remote.clone() }.handle();
            sink.rename(&handle).await.map_err(Interrupted::Observer)?;
        }
        let asked = Instant::now();
        let patience = refused.as_ref().map(|(_, until)| until.saturating_duration_since(asked).max(UNTOLD));
        let received = match link.receive(remote, untold.then_some(UNTOLD).or(patience)).await {
            Ok(received) => received,
            Err(Failure::Fault(fault)) if fault.is_command_gone() => {
                return Ok(Ended::Gone(Failure::Fault(fault)));
            }
            Err(failure) => return Err(Interrupted::Failure(failure)),
        };
        if received.missed {
            sink.missed("the connection to the host was lost");
        }
        let output = received.output;
        let empty = output.pieces.is_empty();
        if output.ended.is_some_and(|ended| remote.is_unrun(ended.exit_code)) {
            return Ok(Ended::Unrun);
        }
        if !empty || output.ended.is_some() {
            sink.tell_gap().await.map_err(Interrupted::Observer)?;
        }
        for (stream, bytes) in output.pieces {
            sink.take(stream, bytes).await.map_err(Interrupted::Observer)?;
        }
        if let Some(ended) = output.ended {
            sink.finish().await.map_err(Interrupted::Observer)?;
            return ended.exit_code.map(Ended::Code).ok_or(Interrupted::NoExitCode);
        }
        if let Some((failure, _)) = refused.take_if(|(_, until)| *until <= Instant::now()) {
            return Err(Interrupted::Unsent(Unsent::Refused(failure)));
        }
        if std::mem::take(&mut untold) {
            link.send_whole(remote, &[]).await.map_err(Interrupted::Unsent)?;
        } else if empty && asked.elapsed() < EMPTY_PAUSE {
            sleep(EMPTY_PAUSE).await;
        }
    }
}

/// Sends all input, in order, in pieces of at most `bytes_max`, and says where it ends. Where the delivery of a script is
/// in doubt, the input is ended: the script then ran whole, or it never runs.
pub(super) async fn feed(
    link: &mut Link,
    remote: &Remote,
    input: Vec<Bytes>,
    bytes_max: usize,
) -> Result<(), Unsent> {
    let mut pieces = input.into_iter().flat_map(|whole| split(whole, bytes_max)).peekable();
    while let Some(piece) = pieces.next() {
        match link.send(remote, &piece, pieces.peek().is_none()).await {
            Err(Unsent::Doubt(_)) if remote.interpreter == Shell::Powershell && !remote.feeding => {
                return link.settle(remote).await.map_err(Unsent::Failed);
            }
            result => result?,
        }
    }
    Ok(())
}

fn split(mut whole: Bytes, bytes_max: usize) -> impl Iterator<Item = Bytes> {
    std::iter::from_fn(move || {
        let length = whole.len().min(bytes_max);
        (length > 0).then(|| whole.split_to(length))
    })
}

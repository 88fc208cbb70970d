//! One command from start to end.

use std::{
    collections::BTreeMap,
    future::Future,
    pin::{Pin, pin},
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    sync::oneshot,
    time::{Instant, sleep, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;
use winrm_rs::{Shell, WinrmError};

use super::{
    error::Received,
    script::Start,
    session::{Call, Tell},
    target::Target,
};
use crate::{
    Error, ErrorKind, Result,
    error::Layer,
    transport::{ExecOutcome, RemoteHandle, Stream},
};

/// Input goes in pieces that fit an envelope when they are encoded and sealed.
const INPUT_PIECE: usize = 96 * 1024;

/// The least time between two requests for output that bring nothing.
const EMPTY_PAUSE: Duration = Duration::from_millis(50);

/// How long the host may take to answer a signal, and a command to end of itself after it.
const SIGNAL: Duration = Duration::from_millis(800);

/// What is to become of the shell after a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum After {
    /// It can run the next one.
    Keep,
    /// It is of no use any more.
    Close,
    /// It has to go, for only then the command is known to have stopped.
    Stop,
}

/// When a call has to end.
pub(super) struct Limits {
    deadline: Instant,
    timeout: Duration,
    cancel: CancellationToken,
    gone: CancellationToken,
}

impl Limits {
    pub(super) fn new(call: &Call) -> Self {
        Self {
            deadline: Instant::now() + call.control.timeout,
            timeout: call.control.timeout,
            cancel: call.control.cancel.clone(),
            gone: call.gone.clone(),
        }
    }

    /// Waits for the end of the time, whichever comes.
    pub(super) async fn over(&self) -> Error {
        tokio::select! {
            biased;
            () = self.cancel.cancelled() => Error::new(ErrorKind::Canceled, "the command was canceled"),
            () = self.gone.cancelled() => Error::new(ErrorKind::Canceled, "nobody waits for the command any more"),
            () = sleep_until(self.deadline) => {
                let seconds = self.timeout.as_secs_f64();
                Error::new(ErrorKind::Timeout, format!("the command did not end within {seconds:.1} s"))
            }
        }
    }

    async fn within<T>(&self, work: impl Future<Output = T>) -> Result<T> {
        tokio::select! {
            biased;
            error = self.over() => Err(error),
            result = work => Ok(result),
        }
    }
}

/// Runs what `call` asks for in `shell`. It is boxed because the compiler cannot see through the crate's futures that it
/// may move between threads.
pub(super) fn run<'a>(
    target: &'a Target,
    shell: &'a Shell<'_>,
    call: &'a Call,
    limits: &'a Limits,
) -> Pin<Box<dyn Future<Output = (Result<ExecOutcome>, After)> + Send + 'a>> {
    Box::pin(run_in(target, shell, call, limits))
}

async fn run_in(
    target: &Target,
    shell: &Shell<'_>,
    call: &Call,
    limits: &Limits,
) -> (Result<ExecOutcome>, After) {
    let start = match Start::new(&call.request) {
        Ok(start) => start,
        Err(error) => return (Err(target.about(error)), After::Keep),
    };
    if call.control.cancel.is_cancelled() {
        let error = Error::new(ErrorKind::Canceled, "the command was canceled before it began");
        return (Err(target.about(error)), After::Keep);
    }
    let mut names = BTreeMap::from([("shell_id".to_owned(), shell.shell_id().to_owned())]);
    let arguments: Vec<&str> = start.arguments.iter().map(String::as_str).collect();
    let starting = shell.start_command(&start.program, &arguments);
    let command = if start.acts_at_once {
        if let Err(error) = announce(call, limits, names).await {
            return (Err(target.about(error)), After::Keep);
        }
        match limits.within(starting).await {
            Ok(Ok(command)) => command,
            Ok(Err(error)) => {
                let (error, received) = target.explain(error);
                let error = if received == Received::Perhaps { error.with_outcome_unknown() } else { error };
                return (Err(error), After::Close);
            }
            Err(error) => return (Err(target.about(error)), After::Stop),
        }
    } else {
        // The reader does nothing before it gets the script.
        let command = match limits.within(starting).await {
            Ok(Ok(command)) => command,
            Ok(Err(error)) => return (Err(target.explain(error).0), After::Close),
            Err(error) => return (Err(target.about(error)), After::Close),
        };
        names.insert("command_id".to_owned(), command.clone());
        if let Err(error) = announce(call, limits, names).await {
            return (Err(target.about(error)), After::Close);
        }
        command
    };
    attend(target, shell, &command, &start.input, call, limits).await
}

/// Names the command to the observer and waits for its word.
async fn announce(call: &Call, limits: &Limits, names: BTreeMap<String, String>) -> Result<()> {
    let (answer, answered) = oneshot::channel();
    let gone = || Error::new(ErrorKind::Canceled, "the dispatch was refused");
    call.tell.send(Tell::Dispatching(RemoteHandle(names), answer)).await.map_err(|_| gone())?;
    match limits.within(answered).await? {
        Ok(true) => Ok(()),
        _ => Err(gone()),
    }
}

/// Feeds the command, hands its output over, and sees it end or ends it.
async fn attend(
    target: &Target,
    shell: &Shell<'_>,
    command: &str,
    input: &[Bytes],
    call: &Call,
    limits: &Limits,
) -> (Result<ExecOutcome>, After) {
    let mut listening = pin!(listen(shell, command, call));
    let mut feeding = pin!(feed(shell, command, input));
    let mut fed = false;
    let ended = loop {
        tokio::select! {
            biased;
            error = limits.over() => break Err(error),
            ended = &mut listening => break Ok(ended),
            result = &mut feeding, if !fed => {
                fed = true;
                match result {
                    // A command that reads no more refuses what is left; its output tells how it ended.
                    Ok(()) | Err(WinrmError::Soap(_)) => {}
                    Err(error) => break Ok(Err(error)),
                }
            }
        }
    };
    match ended {
        Ok(Ok(Some(code))) => (Ok(ExecOutcome::new(i64::from(code))), After::Keep),
        Ok(Ok(None)) => {
            let error = Error::transport(Layer::Shell, "the host ended the command without an exit code");
            (Err(target.about(error).with_outcome_unknown()), After::Close)
        }
        Ok(Err(error)) => {
            let (error, _) = target.explain(error);
            // The credential was taken when the session was opened, so what failed now was a handshake, not the account.
            let error = if error.kind() == ErrorKind::Auth {
                let message = "a later handshake with the host failed";
                target.about(Error::transport(Layer::Protocol, message).with_source(error))
            } else {
                error
            };
            (Err(error.with_outcome_unknown()), After::Close)
        }
        Err(error) => {
            // Ctrl+C is a courtesy: the deletion of the shell is what ends the command.
            let asked = timeout(SIGNAL, shell.signal_ctrl_c(command)).await;
            if matches!(asked, Ok(Ok(()))) {
                // Its last words are taken, if it has any.
                let _ = timeout(SIGNAL, listening).await;
            }
            (Err(target.about(error)), After::Stop)
        }
    }
}

/// Takes output until the command has ended; gives its exit code.
async fn listen(shell: &Shell<'_>, command: &str, call: &Call) -> Result<Option<i32>, WinrmError> {
    loop {
        let asked = Instant::now();
        let output = shell.receive_next(command).await?;
        let empty = output.stdout.is_empty() && output.stderr.is_empty();
        for (stream, bytes) in [(Stream::Stdout, output.stdout), (Stream::Stderr, output.stderr)] {
            if !bytes.is_empty() {
                // An observer that is gone has said so by `gone` too.
                let _ = call.tell.send(Tell::Output(stream, bytes.into())).await;
            }
        }
        if output.done {
            return Ok(output.exit_code);
        }
        if empty && asked.elapsed() < EMPTY_PAUSE {
            sleep(EMPTY_PAUSE).await;
        }
    }
}

/// Sends all input, in order, and says where it ends.
async fn feed(shell: &Shell<'_>, command: &str, input: &[Bytes]) -> Result<(), WinrmError> {
    let mut pieces = Vec::new();
    for whole in input {
        pieces.extend(whole.chunks(INPUT_PIECE));
    }
    let Some((last, others)) = pieces.split_last() else {
        return shell.send_input(command, b"", true).await;
    };
    for piece in others {
        shell.send_input(command, piece, false).await?;
    }
    shell.send_input(command, last, true).await
}

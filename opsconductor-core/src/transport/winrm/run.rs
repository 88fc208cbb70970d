//! One command from start to end: started, fed, listened to, and stopped when its time is up.

use std::{future::Future, pin::pin, time::Duration};

use bytes::Bytes;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::{
    clixml,
    connection::{Connection, Failure},
    lane::{Lane, wants_new_shell},
    launch::Launch,
    soap::{Action, body::SignalCode, fault::code},
    stop::{self, Stopped},
};
use crate::{
    Error, ErrorKind, Result,
    error::Layer,
    transport::{Control, ExecOutcome, Observer, RemoteHandle, Shell, Stream},
};

/// Input up to this length fits the pipe to the command, so it can be sent before output is asked for.
const INLINE_INPUT_BYTES: usize = 32 * 1024;

/// How long a command may go on after it refused its input before it is stopped.
const REFUSED_INPUT_GRACE: Duration = Duration::from_secs(5);

/// How long the last signal may take: the command has ended, and only the host's books are left to close.
const LAST_SIGNAL: Duration = Duration::from_secs(5);

/// The least time between two requests for output that bring nothing.
const EMPTY_PAUSE: Duration = Duration::from_millis(50);

/// Runs `launch` on `lane`.
pub(super) async fn run(
    lane: &mut Lane,
    launch: Launch,
    observer: &mut dyn Observer,
    control: &Control,
) -> Result<ExecOutcome> {
    let limits = Limits::new(control);
    let started = match launch.interpreter {
        Shell::Powershell => start_powershell(lane, &launch, observer, &limits).await?,
        Shell::Cmd => start_cmd(lane, &launch, observer, &limits).await?,
    };
    let own_shell = !launch.environment.is_empty() || launch.working_directory.is_some();
    let outcome = attend(lane, launch, started, observer, &limits).await;
    if own_shell || outcome.is_err() {
        lane.drop_shell().await;
    }
    outcome
}

/// The time limit and the cancel of one call.
pub(super) struct Limits<'a> {
    deadline: Instant,
    control: &'a Control,
}

impl<'a> Limits<'a> {
    pub(super) fn new(control: &'a Control) -> Self {
        Self { deadline: Instant::now() + control.timeout, control }
    }

    /// What the caller set.
    pub(super) fn control(&self) -> &'a Control {
        self.control
    }

    /// Waits for the end of the time, whichever comes.
    pub(super) async fn over(&self) -> Error {
        tokio::select! {
            biased;
            () = self.control.cancel.cancelled() => Error::new(ErrorKind::Canceled, "the command was canceled"),
            () = sleep_until(self.deadline) => {
                let seconds = self.control.timeout.as_secs_f64();
                Error::new(ErrorKind::Timeout, format!("the command did not end within {seconds:.1} s"))
            }
        }
    }

    /// Does what acts on nothing, unless the time is over first.
    pub(super) async fn within<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::select! {
            biased;
            error = self.over() => Err(error),
            result = work => result,
        }
    }
}

pub(super) struct Started {
    pub(super) shell_id: String,
    pub(super) command_id: String,
}

/// Starts the bootstrap, which acts on nothing before it gets the script; then names it to the observer.
async fn start_powershell(
    lane: &mut Lane,
    launch: &Launch,
    observer: &mut dyn Observer,
    limits: &Limits<'_>,
) -> Result<Started> {
    let started =
        limits.within(start_bootstrap(lane, launch)).await.map_err(|error| lane.host.about(error))?;
    let names = [("shell_id", &started.shell_id), ("command_id", &started.command_id)];
    let noted = observer.dispatching(&handle(&names)).await;
    if let Err(error) = noted {
        // The bootstrap waits for a script that must not come.
        stop::delete_only(lane).await;
        return Err(error);
    }
    Ok(started)
}

/// Starts the bootstrap, which waits for its script.
pub(super) async fn start_bootstrap(lane: &mut Lane, launch: &Launch) -> Result<Started> {
    let mut tries = 0;
    let mut pause = Duration::from_millis(500);
    loop {
        lane.ready_shell(&launch.environment, launch.working_directory.as_deref()).await?;
        lane.primary().await?;
        let (Some(connection), Some(shell)) = (&mut lane.primary, &mut lane.shell) else { continue };
        shell.busy = true;
        shell.commands += 1;
        let failure = match connection.command(&shell.id, &launch.program, &launch.arguments).await {
            Ok(command_id) => return Ok(Started { shell_id: shell.id.clone(), command_id }),
            Err(failure) => failure,
        };
        tries += 1;
        let host = &lane.host;
        if tries > host.settings.quota_retries_max.max(1) {
            return Err(failure.into_error(host, Action::Command));
        }
        match &failure {
            // The shell is of an earlier time, or its operations are used up: a new one is as good.
            failure if wants_new_shell(failure) => lane.drop_shell().await,
            Failure::Fault(fault) if fault.is(code::BUSY) => {
                shell.busy = false;
                sleep(pause).await;
                pause *= 2;
            }
            // A warm connection may have been hung up on. A bootstrap without a script does nothing, so it can be
            // started once more; the shell with the first one goes.
            Failure::Broken(_) | Failure::Refused(_) if tries == 1 && shell.commands > 1 => {
                tracing::debug!(target = host.target, "a warm connection broke, opening a new one");
                lane.shell = None;
                lane.primary = None;
            }
            _ => return Err(failure.into_error(host, Action::Command)),
        }
    }
}

/// A cmd command acts as soon as it is started, so the shell is named to the observer before.
async fn start_cmd(
    lane: &mut Lane,
    launch: &Launch,
    observer: &mut dyn Observer,
    limits: &Limits<'_>,
) -> Result<Started> {
    let ready = async {
        lane.ready_shell(&launch.environment, launch.working_directory.as_deref()).await?;
        lane.primary().await.map(drop)
    };
    limits.within(ready).await?;
    let (Some(connection), Some(shell)) = (&mut lane.primary, &mut lane.shell) else {
        return Err(Error::new(ErrorKind::Internal, "a shell was made ready and is not there"));
    };
    observer.dispatching(&handle(&[("shell_id", &shell.id)])).await?;
    shell.busy = true;
    shell.commands += 1;
    let command = connection.command(&shell.id, &launch.program, &launch.arguments);
    let result = tokio::select! {
        biased;
        error = limits.over() => Err(error),
        result = command => Ok(result),
    };
    match result {
        Ok(Ok(command_id)) => Ok(Started { shell_id: shell.id.clone(), command_id }),
        Ok(Err(failure)) => {
            let unknown = matches!(failure, Failure::Broken(_));
            // Nothing was started, and the next attempt gets a shell of its own.
            let retryable = wants_new_shell(&failure);
            let error = failure.into_error(&lane.host, Action::Command);
            lane.drop_shell().await;
            Err(match () {
                () if unknown => error.with_outcome_unknown(),
                () if retryable => error.with_retryable(true),
                () => error,
            })
        }
        Err(error) => {
            // The answer with the command's id was not waited for: deleting the shell ends whatever runs in it.
            let stopped = stop::delete_only(lane).await;
            Err(stopped.judge(lane.host.about(error)))
        }
    }
}

/// Feeds the command, hands its output over, and sees it end.
async fn attend(
    lane: &mut Lane,
    launch: Launch,
    started: Started,
    observer: &mut dyn Observer,
    limits: &Limits<'_>,
) -> Result<ExecOutcome> {
    let unknown = |error: Error| error.with_outcome_unknown();
    let inline = launch.input_len() <= INLINE_INPUT_BYTES;
    if !inline {
        // Output must be taken while input is sent, or both sides wait for each other.
        if let Err(error) = limits.within(lane.secondary()).await {
            let stopped = stop::delete_only(lane).await;
            return Err(stopped.judge(error));
        }
    }
    let host = std::sync::Arc::clone(&lane.host);
    let Some(mut primary) = lane.primary.take() else {
        return Err(Error::new(ErrorKind::Internal, "a command was started and its connection is not there"));
    };
    let mut secondary = lane.secondary.take();
    let input_bytes_max = host.settings.input_bytes_max();
    let mut sink = Sink::new(launch.interpreter, observer);

    let ended = {
        let Launch { input, .. } = launch;
        let mut inline_input = Vec::new();
        let mut side_input = Vec::new();
        *(if inline { &mut inline_input } else { &mut side_input }) = input;
        let mut receive = pin!(listen(&mut primary, &started, inline.then_some(inline_input), &mut sink));
        let mut feed = Box::pin(feed(secondary.as_mut(), &started, side_input, input_bytes_max));
        let mut feeding = !inline;
        let mut refused: Option<(Failure, Instant)> = None;
        let ended = loop {
            let patience = refused.as_ref().map_or_else(Instant::now, |(_, until)| *until);
            tokio::select! {
                biased;
                error = limits.over() => break Ended::Over(error),
                result = &mut receive => break Ended::Received(result),
                result = &mut feed, if feeding => {
                    feeding = false;
                    match result {
                        Ok(()) => {}
                        // The command may have ended without reading all of it; its output tells.
                        Err(failure @ Failure::Fault(_)) => {
                            refused = Some((failure, Instant::now() + REFUSED_INPUT_GRACE));
                        }
                        Err(failure) => break Ended::Over(failure.into_error(&host, Action::Send).with_outcome_unknown()),
                    }
                }
                () = sleep_until(patience), if refused.is_some() => {
                    let failure = refused.take().map(|(failure, _)| failure.into_error(&host, Action::Send));
                    break Ended::Over(failure.unwrap_or_else(|| Error::new(ErrorKind::Internal, "no failure")));
                }
            }
        };
        drop(feed);
        match ended {
            Ended::Received(result) => result,
            Ended::Over(error) => {
                let usable = secondary.take().filter(Connection::is_usable);
                let (stopped, control) =
                    stop::stop(&host, usable, &started.shell_id, &started.command_id, receive).await;
                secondary = control;
                // A shell that may still be there is deleted in the background when it is dropped here.
                if let (Some(shell), Stopped::Yes) = (lane.shell.take(), stopped) {
                    shell.forget();
                }
                lane.secondary = secondary.filter(Connection::is_usable);
                return Err(stopped.judge(host.about(error)));
            }
        }
    };
    lane.secondary = secondary.filter(Connection::is_usable);
    let exit_code = match ended {
        Ok(exit_code) => exit_code,
        Err(Interrupted::Observer(error)) => {
            lane.primary = Some(primary);
            let stopped = stop::delete_only(lane).await;
            return Err(stopped.judge(error));
        }
        Err(Interrupted::Failure(failure)) => {
            return Err(unknown(failure.into_error(&host, Action::Receive)));
        }
        Err(Interrupted::NoExitCode) => {
            let message = "the host ended the command without an exit code";
            return Err(unknown(host.about(Error::transport(Layer::Shell, message))));
        }
    };
    // The host keeps what it knows of a command until it is told that nobody asks any more.
    let last = primary.signal(&started.shell_id, &started.command_id, SignalCode::Terminate);
    if let (Ok(Ok(())), Some(shell)) = (timeout(LAST_SIGNAL, last).await, &mut lane.shell) {
        shell.busy = false;
    }
    lane.primary = Some(primary);
    Ok(ExecOutcome::new(exit_code))
}

enum Ended {
    Received(Result<i64, Interrupted>),
    Over(Error),
}

/// Why listening ended without an exit code.
pub(super) enum Interrupted {
    Failure(Failure),
    Observer(Error),
    NoExitCode,
}

/// Sends what input fits the pipe, then takes output until the command has ended.
async fn listen(
    connection: &mut Connection,
    started: &Started,
    input: Option<Vec<Bytes>>,
    sink: &mut Sink<'_>,
) -> Result<i64, Interrupted> {
    let (shell, command) = (&started.shell_id, &started.command_id);
    if let Some(input) = input {
        match connection.send(shell, command, &input.concat(), true).await {
            // A command that has ended already takes no input; its output tells.
            Ok(()) | Err(Failure::Fault(_)) => {}
            Err(failure) => return Err(Interrupted::Failure(failure)),
        }
    }
    loop {
        let asked = Instant::now();
        let output = connection.receive(shell, command).await.map_err(Interrupted::Failure)?;
        let empty = output.pieces.is_empty();
        for (stream, bytes) in output.pieces {
            sink.take(stream, bytes).await.map_err(Interrupted::Observer)?;
        }
        if let Some(ended) = output.ended {
            sink.finish().await.map_err(Interrupted::Observer)?;
            return ended.exit_code.ok_or(Interrupted::NoExitCode);
        }
        if empty && asked.elapsed() < EMPTY_PAUSE {
            sleep(EMPTY_PAUSE).await;
        }
    }
}

/// Sends all input, in order, in pieces that fit an envelope, and says where it ends.
async fn feed(
    connection: Option<&mut Connection>,
    started: &Started,
    input: Vec<Bytes>,
    bytes_max: usize,
) -> Result<(), Failure> {
    let Some(connection) = connection else { return Ok(()) };
    let (shell, command) = (&started.shell_id, &started.command_id);
    let mut pieces = input.into_iter().flat_map(|whole| split(whole, bytes_max)).peekable();
    while let Some(piece) = pieces.next() {
        connection.send(shell, command, &piece, pieces.peek().is_none()).await?;
    }
    Ok(())
}

fn split(mut whole: Bytes, bytes_max: usize) -> impl Iterator<Item = Bytes> {
    std::iter::from_fn(move || {
        let length = whole.len().min(bytes_max);
        (length > 0).then(|| whole.split_to(length))
    })
}

/// Where output goes: through the decoder that the interpreter needs, to the observer.
struct Sink<'a> {
    decoder: Option<clixml::Decoder>,
    observer: &'a mut dyn Observer,
}

impl<'a> Sink<'a> {
    fn new(interpreter: Shell, observer: &'a mut dyn Observer) -> Self {
        let decoder = (interpreter == Shell::Powershell).then(clixml::Decoder::default);
        Self { decoder, observer }
    }

    async fn take(&mut self, stream: Stream, bytes: Bytes) -> Result<()> {
        let bytes = match (&mut self.decoder, stream) {
            (Some(decoder), Stream::Stderr) => decoder.push(&bytes).into(),
            _ => bytes,
        };
        if bytes.is_empty() { Ok(()) } else { self.observer.output(stream, bytes).await }
    }

    async fn finish(&mut self) -> Result<()> {
        let rest = self.decoder.as_mut().map(clixml::Decoder::finish).unwrap_or_default();
        if rest.is_empty() { Ok(()) } else { self.observer.output(Stream::Stderr, rest.into()).await }
    }
}

fn handle(names: &[(&str, &String)]) -> RemoteHandle {
    RemoteHandle(names.iter().map(|(name, value)| ((*name).to_owned(), (*value).clone())).collect())
}

//! A command on the host: sent, attended to, and stopped.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use russh::{Channel, ChannelMsg, ChannelReadHalf, ChannelWriteHalf, Sig, client::Msg};
use tokio::{
    select,
    sync::watch,
    time::{Instant, sleep_until},
};
use tokio_util::task::TaskTracker;

use super::{
    host::Host,
    launch::Launch,
    link::Link,
    preface::{Preface, Word},
    stop,
};
use crate::{
    Error, ErrorKind, Result,
    error::Layer,
    transport::{ExecOutcome, Observer, Stream, limits::Limits},
};

/// How long output may stay away after the process has ended, before what it left running is left to itself.
const LINGER: Duration = Duration::from_secs(5);

/// The number of standard error.
const STDERR: u32 = 1;

/// A command. Dropped before it has ended, it is stopped in the background.
pub(super) struct Remote {
    host: Arc<Host>,
    tracker: TaskTracker,
    running: Option<Running>,
}

/// What it takes to attend to a command and to stop it.
pub(super) struct Running {
    pub(super) link: Arc<Link>,
    pub(super) read: ChannelReadHalf,
    pub(super) write: ChannelWriteHalf<Msg>,
    pub(super) launch: Launch,
    pub(super) preface: Option<Preface>,
    /// The process that the command runs in.
    pub(super) pid: Option<u32>,
    /// The line was sent, so that there may be something to stop.
    sent: bool,
    /// So was the script, or a part of it.
    pub(super) scripted: bool,
}

/// Why a command is attended to no more.
enum End {
    /// It is to be stopped.
    Stop(Error),
    /// There is nothing to stop, or nothing to stop it by.
    Over(Error),
}

impl Remote {
    pub(super) fn new(
        host: &Arc<Host>,
        tracker: &TaskTracker,
        link: Arc<Link>,
        channel: Channel<Msg>,
        launch: Launch,
    ) -> Self {
        let (read, write) = channel.split();
        let preface = Some(Preface::new(&launch.token));
        let running = Running { link, read, write, launch, preface, pid: None, sent: false, scripted: false };
        Self { host: Arc::clone(host), tracker: tracker.clone(), running: Some(running) }
    }

    /// Sends the command and attends to it until it ends.
    pub(super) async fn run(
        mut self,
        observer: &mut dyn Observer,
        limits: &Limits<'_>,
    ) -> Result<ExecOutcome> {
        let ended = match &mut self.running {
            Some(running) => running.attend(observer, limits).await,
            None => return Err(Error::new(ErrorKind::Internal, "a command was run twice")),
        };
        let Some(running) = self.running.take() else { return Err(lost()) };
        let result = match ended {
            Ok(outcome) => {
                let _ = running.write.close().await;
                Ok(outcome)
            }
            Err(End::Over(error)) => {
                let _ = running.write.close().await;
                Err(error)
            }
            Err(End::Stop(error)) => match stop::stop(running).await {
                true => Err(error),
                false => Err(error.with_outcome_unknown()),
            },
        };
        result.map_err(|error| match error.kind() {
            // The observer's own errors are about something else.
            ErrorKind::LeaseLost | ErrorKind::StoreUnavailable | ErrorKind::Store => error,
            _ => self.host.about(error),
        })
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        let Some(running) = self.running.take() else { return };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let target = self.host.target.clone();
        self.tracker.spawn_on(
            async move {
                if !running.sent {
                    let _ = running.write.close().await;
                } else if !stop::stop(running).await {
                    tracing::warn!(target, "a command whose caller went away may go on");
                }
            },
            &runtime,
        );
    }
}

impl Running {
    async fn attend(&mut self, observer: &mut dyn Observer, limits: &Limits<'_>) -> Result<ExecOutcome, End> {
        let sending = self.write.exec(true, self.launch.line.as_bytes());
        if sending.await.is_err() {
            let message = "the connection was lost before the command was sent";
            return Err(End::Over(Error::transport(Layer::Connect, message)));
        }
        self.sent = true;
        self.scripted = self.launch.sudo.is_none();
        // With sudo, standard input is the password's until the shell says that it is ready.
        let (go, ready) = watch::channel(self.launch.sudo.is_none());
        let Self { read, write, launch, preface, pid, scripted, .. } = self;
        let mut feeding = std::pin::pin!(feed(write, launch, ready));
        let mut fed = false;
        let mut asked = false;
        let mut ended: Option<(ExecOutcome, Instant)> = None;
        let mut eof = false;
        loop {
            let linger = ended.as_ref().map_or_else(Instant::now, |(_, until)| *until);
            let message = select! {
                biased;
                error = limits.stop() => return Err(End::Stop(error)),
                () = &mut feeding, if !fed => {
                    fed = true;
                    continue;
                }
                message = read.wait() => message,
                () = sleep_until(linger), if ended.is_some() => Some(ChannelMsg::Close),
            };
            let (stream, bytes) = match message {
                Some(ChannelMsg::Data { data }) => (Stream::Stdout, data),
                Some(ChannelMsg::ExtendedData { data, ext: STDERR }) => (Stream::Stderr, data),
                Some(ChannelMsg::ExitStatus { exit_status }) => {
                    ended = Some((ExecOutcome::new(i64::from(exit_status)), Instant::now() + LINGER));
                    continue;
                }
                Some(ChannelMsg::ExitSignal { signal_name, .. }) => {
                    ended = Some((killed(&signal_name), Instant::now() + LINGER));
                    continue;
                }
                Some(ChannelMsg::Eof) => {
                    eof = true;
                    continue;
                }
                Some(ChannelMsg::Failure) if pid.is_none() => {
                    let message = "the host refused to run a command; its account may be for files alone";
                    return Err(End::Over(Error::transport(Layer::Script, message)));
                }
                Some(ChannelMsg::Close) => break,
                None if ended.is_some() && eof => break,
                None => return Err(End::Over(lost())),
                Some(_) => continue,
            };
            if let Some((_, until)) = &mut ended {
                *until = Instant::now() + LINGER;
            }
            let bytes = match preface {
                Some(reading) if stream == Stream::Stderr => {
                    reading.take(&bytes);
                    let mut rest = None;
                    while let Some(word) = reading.next() {
                        match word {
                            Word::Password if asked => return Err(End::Stop(sudo_refused())),
                            Word::Password => {
                                asked = true;
                                let password = launch.sudo.as_ref().and_then(Option::as_ref);
                                let Some(password) = password else { return Err(End::Stop(no_password())) };
                                let line = format!("{}\n", password.expose());
                                // The end of the connection is told by what is read.
                                let _ = write.data_bytes(line.into_bytes()).await;
                            }
                            Word::Go => {
                                *scripted = true;
                                let _ = go.send(true);
                            }
                            Word::Begun(process, bytes) => {
                                *pid = Some(process);
                                rest = Some(bytes);
                                break;
                            }
                        }
                    }
                    let Some(rest) = rest else { continue };
                    *preface = None;
                    rest
                }
                _ => bytes,
            };
            if !bytes.is_empty() {
                hear(observer, limits, stream, bytes).await.map_err(End::Stop)?;
            }
        }
        match (ended, preface) {
            (Some((outcome, _)), None) => Ok(outcome),
            (Some((outcome, _)), Some(preface)) => Err(End::Over(unrun(&outcome, preface, asked))),
            (None, Some(preface)) if !*scripted => {
                Err(End::Over(unrun(&ExecOutcome::new(-1), preface, asked)))
            }
            (None, _) => {
                let message = "the host ended the command without an exit code";
                Err(End::Over(Error::transport(Layer::Shell, message).with_outcome_unknown()))
            }
        }
    }
}

/// Gives output to the observer. A slow one does not keep a stop from ending the call.
async fn hear(observer: &mut dyn Observer, limits: &Limits<'_>, stream: Stream, bytes: Bytes) -> Result<()> {
    select! {
        biased;
        error = limits.stop() => Err(error),
        heard = observer.output(stream, bytes) => heard,
    }
}

/// Sends the script once the host is ready for it, then the input. A host that takes it no longer ends the channel, which
/// is told by what is read.
async fn feed(write: &ChannelWriteHalf<Msg>, launch: &Launch, mut ready: watch::Receiver<bool>) {
    if ready.wait_for(|ready| *ready).await.is_err() {
        return;
    }
    for bytes in [Some(&launch.script), launch.stdin.as_ref()].into_iter().flatten() {
        if write.data_bytes(bytes.clone()).await.is_err() {
            return;
        }
    }
    let _ = write.eof().await;
}

/// A process that a signal ended, as a shell would say it.
fn killed(signal: &Sig) -> ExecOutcome {
    let (name, number) = match signal {
        Sig::HUP => ("HUP", 1),
        Sig::INT => ("INT", 2),
        Sig::QUIT => ("QUIT", 3),
        Sig::ILL => ("ILL", 4),
        Sig::ABRT => ("ABRT", 6),
        Sig::FPE => ("FPE", 8),
        Sig::KILL => ("KILL", 9),
        Sig::USR1 => ("USR1", 10),
        Sig::SEGV => ("SEGV", 11),
        Sig::PIPE => ("PIPE", 13),
        Sig::ALRM => ("ALRM", 14),
        Sig::TERM => ("TERM", 15),
        // Its number is not known; any exit code from 128 on says that it was a signal.
        Sig::Custom(name) => (name.as_str(), 0),
    };
    let name: String = name.chars().filter(|c| c.is_ascii_graphic()).take(40).collect();
    ExecOutcome::new(128 + number).with_signal(name)
}

/// The shell did not get to the command.
fn unrun(outcome: &ExecOutcome, preface: &Preface, asked: bool) -> Error {
    let said = preface.said().map(|line| format!("; it said: {line}")).unwrap_or_default();
    let message = match asked {
        true => format!("sudo did not run the command{said}"),
        false => format!("the host did not start the command{said}"),
    };
    let error = Error::transport(Layer::Script, message);
    match u32::try_from(outcome.exit_code) {
        Ok(code) => error.with_code(code),
        Err(_) => error,
    }
}

fn sudo_refused() -> Error {
    Error::transport(Layer::Authentication, "sudo refused the credential's password; it was tried once")
}

fn no_password() -> Error {
    let message = "sudo asks for a password, and the credential has none: add it, or allow the user NOPASSWD";
    Error::transport(Layer::Authentication, message)
}

fn lost() -> Error {
    let message = "the connection was lost while the command ran; whether it ended, and how, is not known";
    Error::transport(Layer::Connect, message).with_outcome_unknown()
}

//! A PowerShell script that runs on a host while it is fed and listened to: one connection receives, in a task of its
//! own, and another one sends.
//!
//! A script reports in lines that start with `oc:`. What it says besides is passed over, or is data where a caller
//! asks for it.

mod busy;
mod lines;
mod listener;

use std::{
    collections::{BTreeMap, VecDeque},
    pin::pin,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use tokio::{sync::mpsc, time::timeout};
use tokio_util::task::AbortOnDropHandle;

pub(super) use self::lines::Line;
use self::{
    busy::Patience,
    lines::Lines,
    listener::{Ended, Heard, listen},
};
use super::{
    connection::Connection,
    failure::Failure,
    host::Host,
    lane::Lane,
    launch::Launch,
    limits::Limits,
    remote::Remote,
    soap::{
        Action,
        fault::{Fault, code},
    },
    start, stop,
};
use crate::{
    Error, ErrorKind, Result,
    error::Layer,
    transport::{Observer, timings::Timings},
};

/// Pieces of output that wait for their reader.
const HEARD_MAX: usize = 4;

/// The largest piece of the first input: it fits any envelope that a host may be set to, so that it need not be cut anew.
const FIRST_BYTES: usize = 64 * 1024;

/// How long a script that takes no more input may go on before it must have said why.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// A running script.
pub(super) struct Process {
    host: Arc<Host>,
    remote: Remote,
    feed: Option<Connection>,
    heard: mpsc::Receiver<Heard>,
    /// Ends with the process: nobody else receives its output.
    _listener: AbortOnDropHandle<()>,
    lines: Lines,
    reports: VecDeque<String>,
    ended: Option<Ended>,
}

/// What became of a piece of input.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Sent {
    /// The host has it.
    Taken,
    /// The host takes no message of this size, and has taken nothing.
    TooLarge,
    /// The script reported something meanwhile. Whether the piece was taken is not known.
    Interrupted,
}

impl Process {
    /// Starts `script` and gives it `input`. `observer` is told the first time, before anything that acts is sent.
    pub(super) async fn start(
        lane: &mut Lane,
        script: &str,
        input: Bytes,
        announced: &mut bool,
        observer: &mut dyn Observer,
        limits: &Limits<'_>,
    ) -> Result<Self> {
        let launch = Launch::powershell(script, vec![input], BTreeMap::new(), None)?;
        let remote = start::start(lane, &launch, observer, limits, *announced).await?;
        *announced = true;
        let host = Arc::clone(&lane.host);
        let Some(mut primary) = lane.primary.take() else {
            return Err(Error::new(
                ErrorKind::Internal,
                "a script was started and its connection is not there",
            ));
        };
        // The script reads while it is sent, so that even more than a pipe holds gets through before anyone listens.
        let whole = launch.input.concat();
        for piece in whole.chunks(host.settings.input_bytes_max().min(FIRST_BYTES)) {
            let sending = send_first(&mut primary, &remote, piece);
            let sent = limits.within(async { Ok(sending.await) }).await?;
            sent.map_err(|failure| failure.into_error(&host, Action::Send))?;
        }
        let (tell, heard) = mpsc::channel(HEARD_MAX);
        let listening = listen(primary, remote.clone(), tell);
        Ok(Self {
            host,
            remote,
            feed: lane.secondary.take().filter(Connection::is_usable),
            heard,
            _listener: AbortOnDropHandle::new(tokio::spawn(listening)),
            lines: Lines::default(),
            reports: VecDeque::new(),
            ended: None,
        })
    }

    /// Sees to it that there is a connection to send over.
    pub(super) async fn ready_feed(&mut self) -> Result<()> {
        if !self.feed.as_ref().is_some_and(Connection::is_usable) {
            self.feed = None;
            self.feed = Some(Connection::open(&self.host, &mut Timings::default()).await?);
        }
        Ok(())
    }

    /// Sends a piece of input that is in base64 already. A busy host is asked again with the same bytes.
    pub(super) async fn send(&mut self, encoded: &str) -> Result<Sent> {
        let mut patience = Patience::new();
        loop {
            self.ready_feed().await?;
            let Some(feed) = &mut self.feed else { continue };
            let result = {
                let mut sending =
                    pin!(feed.send_encoded(&self.remote.shell_id, &self.remote.command_id, encoded));
                loop {
                    tokio::select! {
                        biased;
                        heard = self.heard.recv(), if self.ended.is_none() => {
                            take(&mut self.lines, &mut self.ended, heard)?;
                            self.lines.reports(&mut self.reports)?;
                            if !self.reports.is_empty() || self.ended.is_some() {
                                return Ok(Sent::Interrupted);
                            }
                        }
                        result = &mut sending => break result,
                    }
                }
            };
            let failure = match result {
                Ok(()) => return Ok(Sent::Taken),
                Err(failure) if failure.is_too_large() => return Ok(Sent::TooLarge),
                Err(failure) => failure,
            };
            match patience.bear(failure).await {
                Ok(()) => {}
                Err(Failure::Fault(fault)) if !is_of_the_host(&fault) => return self.last_words(fault).await,
                Err(failure) => return Err(failure.into_error(&self.host, Action::Send)),
            }
        }
    }

    /// A script that has ended takes no input; its last words say why.
    async fn last_words(&mut self, fault: Fault) -> Result<Sent> {
        let words = async {
            while self.reports.is_empty() && self.ended.is_none() {
                self.hear().await?;
            }
            Ok(Sent::Interrupted)
        };
        match timeout(LAST_WORDS, words).await {
            Ok(words) => words,
            Err(_) => Err(Failure::Fault(fault).into_error(&self.host, Action::Send)),
        }
    }

    /// The next report, without `oc:`.
    pub(super) async fn report(&mut self) -> Result<String> {
        loop {
            if let Some(report) = self.reports.pop_front() {
                return Ok(report);
            }
            if self.ended.is_some() {
                return Err(self.silent_end());
            }
            self.hear().await?;
        }
    }

    /// The next line, a report or data.
    pub(super) async fn line(&mut self) -> Result<Line> {
        loop {
            if let Some(line) = self.lines.next()? {
                return Ok(line.into());
            }
            if self.ended.is_some() {
                return Err(self.silent_end());
            }
            let heard = self.heard.recv().await;
            take(&mut self.lines, &mut self.ended, heard)?;
        }
    }

    async fn hear(&mut self) -> Result<()> {
        let heard = self.heard.recv().await;
        take(&mut self.lines, &mut self.ended, heard)?;
        self.lines.reports(&mut self.reports)
    }

    /// Why there is no report, after the end.
    fn silent_end(&mut self) -> Error {
        let message = match &mut self.ended {
            Some(Ended { result: Err(error), .. }) => {
                let gone = Error::transport(Layer::Protocol, "the script's output was lost");
                return std::mem::replace(error, gone);
            }
            Some(Ended { result: Ok(exit_code), stderr, .. }) => {
                let said = String::from_utf8_lossy(stderr);
                let said = said.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("nothing");
                format!("the script on the host ended with exit code {exit_code} and said: {said}")
            }
            None => "the script on the host said nothing".to_owned(),
        };
        self.host.about(Error::transport(Layer::Script, message))
    }

    /// Waits for the end and gives the lane its connections back, ready for the next command.
    pub(super) async fn finish(mut self, lane: &mut Lane) -> Result<()> {
        while self.ended.is_none() {
            self.hear().await?;
        }
        let Some(Ended { result, connection, .. }) = self.ended.take() else { return Ok(()) };
        result?;
        lane.primary = Some(connection);
        lane.secondary = self.feed.take().filter(Connection::is_usable);
        lane.sign_off(&self.remote).await;
        Ok(())
    }

    /// Gives up the script: its shell is deleted with it.
    pub(super) async fn abandon(self, lane: &mut Lane) -> stop::Stopped {
        // A connection that is open saves the logon of another one.
        lane.primary = self.feed.filter(Connection::is_usable);
        stop::delete_only(lane).await
    }
}

/// Sends before anyone listens; a busy host is asked again with the same bytes.
async fn send_first(connection: &mut Connection, remote: &Remote, piece: &[u8]) -> Result<(), Failure> {
    let mut patience = Patience::new();
    loop {
        match connection.send(&remote.shell_id, &remote.command_id, piece, false).await {
            Ok(()) => return Ok(()),
            Err(failure) => patience.bear(failure).await?,
        }
    }
}

/// Whether a fault is about the host or the shell, and not about the script.
fn is_of_the_host(fault: &Fault) -> bool {
    fault.is(code::BUSY) || fault.is(code::ABORTED) || fault.is_shell_gone()
}

fn take(lines: &mut Lines, ended: &mut Option<Ended>, heard: Option<Heard>) -> Result<()> {
    match heard {
        Some(Heard::Output(bytes)) => lines.push(&bytes),
        Some(Heard::Ended(end)) => *ended = Some(*end),
        None => return Err(Error::new(ErrorKind::Internal, "the task that listens to a script ended early")),
    }
    Ok(())
}

//! A PowerShell script that runs on a host while it is fed and listened to: one connection receives, in a task of its
//! own, and another one sends.
//!
//! A script reports in lines that start with `oc:`. What it says besides is passed over, or is data where a caller
//! asks for it.

use std::{
    collections::{BTreeMap, VecDeque},
    pin::pin,
    sync::Arc,
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use tokio::{
    sync::mpsc,
    time::{sleep, timeout},
};
use tokio_util::task::AbortOnDropHandle;

use super::{
    clixml,
    connection::{Connection, Failure},
    dial::Timings,
    host::Host,
    lane::Lane,
    launch::Launch,
    limits::Limits,
    soap::{
        Action,
        body::SignalCode,
        fault::{Fault, code},
    },
    start, stop,
};
use crate::{
    Error, ErrorKind, Result,
    error::Layer,
    transport::{Observer, Stream},
};

/// What a line of a report starts with.
const REPORT: &[u8] = b"oc:";

/// The longest line that is taken: the states of as many files as one copy may have.
const LINE_BYTES_MAX: usize = 1024 * 1024;

/// How much of what a script says on its error stream is kept.
const STDERR_BYTES_MAX: usize = 4096;

/// Pieces of output that wait for their reader.
const HEARD_MAX: usize = 4;

/// The largest piece of the first input: it fits any envelope that a host may be set to, so that it need not be cut anew.
const FIRST_BYTES: usize = 64 * 1024;

/// How long a host that is busy is left alone before it is asked again.
const BUSY_PAUSES: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(5)];

/// How long a script that takes no more input may go on before it must have said why.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// How long the last signal may take: the script has ended, and only the host's books are left to close.
const LAST_SIGNAL: Duration = Duration::from_secs(5);

/// The least time between two requests for output that bring nothing.
const EMPTY_PAUSE: Duration = Duration::from_millis(50);

/// A running script.
pub(super) struct Process {
    host: Arc<Host>,
    shell: String,
    command: String,
    feed: Option<Connection>,
    heard: mpsc::Receiver<Heard>,
    /// Ends with the process: nobody else receives its output.
    _listener: AbortOnDropHandle<()>,
    lines: Lines,
    reports: VecDeque<String>,
    ended: Option<Ended>,
}

enum Heard {
    Output(Bytes),
    Ended(Box<Ended>),
}

/// How the listening ended, and the connection it was done with.
struct Ended {
    result: Result<i64>,
    stderr: Vec<u8>,
    connection: Connection,
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

/// A line of a script that gives data.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    Report(String),
    Data(Bytes),
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
        let started = start::start(lane, &launch, observer, limits, *announced).await?;
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
            let sending = send_first(&mut primary, &started.shell_id, &started.command_id, piece);
            let sent = limits.within(async { Ok(sending.await) }).await?;
            sent.map_err(|failure| failure.into_error(&host, Action::Send))?;
        }
        let (tell, heard) = mpsc::channel(HEARD_MAX);
        let listening = listen(primary, started.shell_id.clone(), started.command_id.clone(), tell);
        Ok(Self {
            host,
            shell: started.shell_id,
            command: started.command_id,
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
        let mut pauses = BUSY_PAUSES.iter();
        loop {
            self.ready_feed().await?;
            let Some(feed) = &mut self.feed else { continue };
            let result = {
                let mut sending = pin!(feed.send_encoded(&self.shell, &self.command, encoded));
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
            match result {
                Ok(()) => return Ok(Sent::Taken),
                Err(failure) if failure.is_too_large() => return Ok(Sent::TooLarge),
                Err(Failure::Fault(fault)) if fault.is(code::BUSY) => match pauses.next() {
                    Some(pause) => sleep(*pause).await,
                    None => return Err(self.fault(fault)),
                },
                // A script that has ended takes no input; its last words say why.
                Err(Failure::Fault(fault)) if !fault.is(code::ABORTED) && !fault.is_shell_gone() => {
                    let words = async {
                        while self.reports.is_empty() && self.ended.is_none() {
                            self.hear().await?;
                        }
                        Ok(Sent::Interrupted)
                    };
                    return match timeout(LAST_WORDS, words).await {
                        Ok(words) => words,
                        Err(_) => Err(self.fault(fault)),
                    };
                }
                Err(failure) => return Err(failure.into_error(&self.host, Action::Send)),
            }
        }
    }

    fn fault(&self, fault: Fault) -> Error {
        Failure::Fault(fault).into_error(&self.host, Action::Send)
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
                return Ok(match line.strip_prefix(REPORT) {
                    Some(report) => Line::Report(String::from_utf8_lossy(report).into_owned()),
                    None => Line::Data(line),
                });
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
        let Some(Ended { result, mut connection, .. }) = self.ended.take() else { return Ok(()) };
        result?;
        // The host keeps what it knows of a command until it is told that nobody asks any more.
        let last = connection.signal(&self.shell, &self.command, SignalCode::Terminate);
        if let (Ok(Ok(())), Some(shell)) = (timeout(LAST_SIGNAL, last).await, &mut lane.shell) {
            shell.busy = false;
        }
        lane.primary = Some(connection).filter(Connection::is_usable);
        lane.secondary = self.feed.take().filter(Connection::is_usable);
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
async fn send_first(
    connection: &mut Connection,
    shell: &str,
    command: &str,
    piece: &[u8],
) -> Result<(), Failure> {
    let mut pauses = BUSY_PAUSES.iter();
    loop {
        match connection.send(shell, command, piece, false).await {
            Err(Failure::Fault(fault)) if fault.is(code::BUSY) => match pauses.next() {
                Some(pause) => sleep(*pause).await,
                None => return Err(Failure::Fault(fault)),
            },
            other => return other,
        }
    }
}

fn take(lines: &mut Lines, ended: &mut Option<Ended>, heard: Option<Heard>) -> Result<()> {
    match heard {
        Some(Heard::Output(bytes)) => lines.push(&bytes),
        Some(Heard::Ended(end)) => *ended = Some(*end),
        None => return Err(Error::new(ErrorKind::Internal, "the task that listens to a script ended early")),
    }
    Ok(())
}

async fn listen(mut connection: Connection, shell: String, command: String, tell: mpsc::Sender<Heard>) {
    let mut decoder = clixml::Decoder::default();
    let mut stderr = Vec::new();
    let result = hear_all(&mut connection, &shell, &command, &tell, &mut decoder, &mut stderr).await;
    keep(&mut stderr, &decoder.finish());
    // Whoever stopped asking does not want to know.
    let _ = tell.send(Heard::Ended(Box::new(Ended { result, stderr, connection }))).await;
}

async fn hear_all(
    connection: &mut Connection,
    shell: &str,
    command: &str,
    tell: &mpsc::Sender<Heard>,
    decoder: &mut clixml::Decoder,
    stderr: &mut Vec<u8>,
) -> Result<i64> {
    let mut pauses = BUSY_PAUSES.iter();
    loop {
        let asked = tokio::time::Instant::now();
        let output = match connection.receive(shell, command, None).await {
            Ok(output) => output,
            Err(Failure::Fault(fault)) if fault.is(code::BUSY) => match pauses.next() {
                Some(pause) => {
                    sleep(*pause).await;
                    continue;
                }
                None => return Err(Failure::Fault(fault).into_error(&connection.host, Action::Receive)),
            },
            Err(failure) => return Err(failure.into_error(&connection.host, Action::Receive)),
        };
        let empty = output.pieces.is_empty();
        for (stream, bytes) in output.pieces {
            if stream == Stream::Stderr {
                keep(stderr, &decoder.push(&bytes));
            } else if tell.send(Heard::Output(bytes)).await.is_err() {
                return Err(Error::new(ErrorKind::Internal, "nobody listens any more"));
            }
        }
        if let Some(ended) = output.ended {
            return ended.exit_code.ok_or_else(|| {
                let message = "the host ended the command without an exit code";
                connection.host.about(Error::transport(Layer::Shell, message))
            });
        }
        if empty && asked.elapsed() < EMPTY_PAUSE {
            sleep(EMPTY_PAUSE).await;
        }
    }
}

fn keep(stderr: &mut Vec<u8>, more: &[u8]) {
    let room = STDERR_BYTES_MAX.saturating_sub(stderr.len());
    stderr.extend_from_slice(&more[..more.len().min(room)]);
}

/// Output on its way into lines.
#[derive(Default)]
struct Lines {
    buffer: BytesMut,
    /// How much of the buffer is known to hold no line feed.
    searched: usize,
}

impl Lines {
    fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole line that is not empty, without its end.
    fn next(&mut self) -> Result<Option<Bytes>> {
        loop {
            let Some(at) = self.buffer[self.searched..].iter().position(|byte| *byte == b'\n') else {
                self.searched = self.buffer.len();
                if self.searched > LINE_BYTES_MAX {
                    let message = "the script on the host wrote a line that is too long";
                    return Err(Error::transport(Layer::Script, message));
                }
                return Ok(None);
            };
            let mut line = self.buffer.split_to(self.searched + at + 1);
            self.searched = 0;
            line.truncate(line.len() - 1);
            if line.last() == Some(&b'\r') {
                line.truncate(line.len() - 1);
            }
            if !line.is_empty() {
                return Ok(Some(line.freeze()));
            }
        }
    }

    /// Moves the whole lines that are reports to `reports`.
    fn reports(&mut self, reports: &mut VecDeque<String>) -> Result<()> {
        while let Some(line) = self.next()? {
            if let Some(report) = line.strip_prefix(REPORT) {
                reports.push_back(String::from_utf8_lossy(report).into_owned());
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use std::collections::VecDeque;

    use super::{LINE_BYTES_MAX, Lines};

    #[test]
    fn lines_are_found_wherever_the_pieces_are_cut() {
        let mut lines = Lines::default();
        let mut found = Vec::new();
        for byte in b"a\r\n\r\nbc\nrest" {
            lines.push(&[*byte]);
            found.extend(lines.next().unwrap());
        }
        assert_eq!(found, ["a", "bc"]);
    }

    #[test]
    fn what_is_no_report_is_passed_over() {
        let mut lines = Lines::default();
        let mut reports = VecDeque::new();
        lines.push(b"noise\noc:part 0 -\r\nmore noise\noc:do");
        lines.reports(&mut reports).unwrap();
        lines.push(b"ne\n");
        lines.reports(&mut reports).unwrap();
        assert_eq!(reports, ["part 0 -", "done"]);
    }

    #[test]
    fn a_line_without_end_is_refused() {
        let mut lines = Lines::default();
        lines.push(&vec![b'x'; LINE_BYTES_MAX + 1]);
        assert!(lines.next().is_err());
    }
}

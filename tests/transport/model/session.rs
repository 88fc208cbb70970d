//! A conversation with the machine.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use opsconductor_core::{
    Error, ErrorKind, Result,
    error::Layer,
    transport::{
        Control, CopyOutcome, CopyRequest, ExecOutcome, ExecRequest, FetchOutcome, FetchRequest, Observer,
        RemoteHandle, Session, Stream,
    },
};
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};
use tokio_util::sync::DropGuard;

use super::{
    Flaw, files,
    host::{Host, lock},
    process::Process,
};

pub(super) struct Conversation {
    pub(super) host: Arc<Host>,
    pub(super) flaw: Option<Flaw>,
    /// Under which connection the host counts it.
    cut: u64,
    broken: bool,
    variables: std::collections::BTreeMap<String, String>,
}

impl Conversation {
    pub(super) fn open(host: Arc<Host>, flaw: Option<Flaw>) -> Self {
        host.sessions.fetch_add(1, Ordering::SeqCst);
        let cut = *host.cuts.borrow();
        Self { host, flaw, cut, broken: false, variables: Default::default() }
    }

    pub(super) fn has(&self, flaw: Flaw) -> bool {
        self.flaw == Some(flaw)
    }

    /// Announces the dispatch. A connection that broke before is opened anew: nothing was sent on it yet.
    pub(super) async fn announce(
        &mut self,
        observer: &mut dyn Observer,
        handle: &RemoteHandle,
    ) -> Result<()> {
        let noted = observer.dispatching(handle).await;
        if self.has(Flaw::AnnouncesTwice) {
            observer.dispatching(handle).await?;
        }
        let now = *self.host.cuts.borrow();
        if self.cut != now {
            self.cut = now;
            self.host.sessions.fetch_add(1, Ordering::SeqCst);
        }
        if self.has(Flaw::ActsThoughRefused) { Ok(()) } else { noted }
    }

    pub(super) fn is_cut(&self) -> bool {
        *self.host.cuts.borrow() != self.cut
    }

    fn start(&mut self, mut request: ExecRequest) -> Arc<Process> {
        let (input, variables) = (request.stdin.take(), &mut self.variables);
        request.stdin = match self.flaw {
            Some(Flaw::ForgetsInput) => None,
            Some(Flaw::CutsInput) => input.map(|input| input.slice(..input.len().min(64 * 1024))),
            _ => input,
        };
        if self.flaw == Some(Flaw::ForgetsDirectory) {
            request.working_directory = None;
        }
        if self.flaw == Some(Flaw::KeepsVariables) {
            variables.extend(request.env);
            request.env = variables.clone();
        }
        Process::start(&self.host, request)
    }

    /// Hands output over from a piece on, until the process ends or the call must.
    async fn attend(
        &mut self,
        process: &Arc<Process>,
        observer: &mut dyn Observer,
        control: &Control,
        deadline: Instant,
    ) -> Result<i64> {
        // A caller that goes away takes the process along.
        let guard = process.kill.clone().drop_guard();
        let mut output = process.output.subscribe();
        let mut cuts = self.host.cuts.subscribe();
        cuts.mark_unchanged();
        let mut ear = Ear { observer, flaw: self.flaw, held: None, said: 0 };
        let mut heard = 0;
        loop {
            let (new, exit) = {
                let output = output.borrow_and_update();
                (output.pieces[heard..].to_vec(), output.exit)
            };
            if !self.has(Flaw::KeepsOutputBack) || exit.is_some() {
                heard += new.len();
                for (stream, bytes) in new {
                    ear.hear(stream, bytes).await?;
                }
            }
            if let Some(exit) = exit {
                ear.end().await?;
                return Ok(exit);
            }
            if self.is_cut() {
                let error = Error::transport(Layer::Protocol, "the connection broke");
                // The process goes on, and nobody knows how far.
                guard.disarm();
                return Err(if self.has(Flaw::HidesTheUnknown) {
                    error
                } else {
                    error.with_outcome_unknown()
                });
            }
            tokio::select! {
                biased;
                () = control.cancel.cancelled(), if !self.has(Flaw::IgnoresCancel) => {
                    return Err(self.stopped(guard, &mut output, ErrorKind::Canceled).await);
                }
                () = sleep_until(deadline), if !self.has(Flaw::IgnoresTimeout) => {
                    return Err(self.stopped(guard, &mut output, ErrorKind::Timeout).await);
                }
                _ = output.changed() => {}
                _ = cuts.changed() => {}
            }
        }
    }

    async fn stopped(
        &mut self,
        guard: DropGuard,
        output: &mut watch::Receiver<super::process::Output>,
        kind: ErrorKind,
    ) -> Error {
        if self.has(Flaw::LeavesRunning) {
            guard.disarm();
        } else {
            drop(guard);
            // The sender lives in the process, which is held.
            let _ = output.wait_for(|output| output.exit.is_some()).await;
        }
        self.broken = self.has(Flaw::BreaksForGood);
        Error::new(kind, "the command was stopped")
    }

    async fn run(
        &mut self,
        request: ExecRequest,
        observer: &mut dyn Observer,
        control: &Control,
    ) -> Result<ExecOutcome> {
        let deadline = Instant::now() + control.timeout;
        if control.cancel.is_cancelled() && !self.has(Flaw::IgnoresCancel) {
            return Err(Error::new(ErrorKind::Canceled, "the command was canceled"));
        }
        let id = self.host.started.load(Ordering::SeqCst) * 1000 + rand_like();
        let mut names = std::collections::BTreeMap::from([("process".to_owned(), id.to_string())]);
        if self.has(Flaw::TellsScript) {
            names.insert("script".to_owned(), request.script.clone());
        }
        let handle = RemoteHandle(names);
        let early = self.has(Flaw::AnnouncesLate).then(|| self.start(request.clone()));
        self.announce(observer, &handle).await?;
        let mut process = early.unwrap_or_else(|| self.start(request.clone()));
        lock(&self.host.processes).insert(id, Arc::clone(&process));
        let mut ended = self.attend(&process, observer, control, deadline).await;
        if self.has(Flaw::SendsAgain) && ended.as_ref().is_err_and(Error::is_outcome_unknown) {
            self.cut = *self.host.cuts.borrow();
            process = self.start(request);
            ended = self.attend(&process, observer, control, deadline).await;
        }
        self.settle(id, ended)
    }

    fn settle(&mut self, id: u64, ended: Result<i64>) -> Result<ExecOutcome> {
        if !ended.as_ref().is_err_and(Error::is_outcome_unknown) {
            lock(&self.host.processes).remove(&id);
        }
        let code = ended?;
        match self.flaw {
            Some(Flaw::ShortExitCode) => Ok(ExecOutcome::new(code & 0xff)),
            Some(Flaw::ExitIsError) if code != 0 => {
                Err(Error::transport(Layer::Script, format!("the command ended with {code}")))
            }
            _ => Ok(ExecOutcome::new(code)),
        }
    }
}

/// Where output goes.
struct Ear<'a> {
    observer: &'a mut dyn Observer,
    flaw: Option<Flaw>,
    held: Option<(Stream, Bytes)>,
    said: usize,
}

impl Ear<'_> {
    async fn hear(&mut self, stream: Stream, bytes: Bytes) -> Result<()> {
        let before = self.said;
        self.said += bytes.len();
        match self.flaw {
            Some(Flaw::MixesStreams) => self.tell(Stream::Stdout, bytes).await,
            Some(Flaw::CutsLongOutput) if before > 4 << 20 => Ok(()),
            Some(Flaw::BreaksCharacters) => {
                let text = String::from_utf8_lossy(&bytes).into_owned();
                self.tell(stream, text.into()).await
            }
            Some(Flaw::Reorders) => match self.held.take() {
                Some((first_stream, first)) => {
                    self.tell(stream, bytes).await?;
                    self.tell(first_stream, first).await
                }
                None => {
                    self.held = Some((stream, bytes));
                    Ok(())
                }
            },
            Some(Flaw::LosesWhenSlow) => {
                let begun = Instant::now();
                if self.held.take().is_some() {
                    return Ok(());
                }
                self.tell(stream, bytes.clone()).await?;
                self.held = (begun.elapsed() > Duration::from_millis(10)).then_some((stream, bytes));
                Ok(())
            }
            _ => self.tell(stream, bytes).await,
        }
    }

    async fn end(&mut self) -> Result<()> {
        match (self.flaw, self.held.take()) {
            (Some(Flaw::Reorders), Some((stream, bytes))) => self.tell(stream, bytes).await,
            _ => Ok(()),
        }
    }

    async fn tell(&mut self, stream: Stream, bytes: Bytes) -> Result<()> {
        let told = self.observer.output(stream, bytes).await;
        if self.flaw == Some(Flaw::IgnoresObserver) { Ok(()) } else { told }
    }
}

/// A number that two commands started at once do not share.
fn rand_like() -> u64 {
    static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

#[async_trait]
impl Session for Conversation {
    async fn exec(
        &mut self,
        request: ExecRequest,
        observer: &mut dyn Observer,
        control: &Control,
    ) -> Result<ExecOutcome> {
        let host = Arc::clone(&self.host);
        let _turn = if self.has(Flaw::OneAtATime) { Some(host.turn.lock().await) } else { None };
        if self.broken {
            return Err(Error::transport(Layer::Shell, "the session has seen an error"));
        }
        let ended = self.run(request, observer, control).await;
        self.broken |= self.has(Flaw::BreaksForGood) && ended.is_err();
        ended
    }

    async fn copy(
        &mut self,
        request: CopyRequest,
        observer: &mut dyn Observer,
        control: &Control,
    ) -> Result<CopyOutcome> {
        files::copy(self, request, observer, control).await
    }

    async fn fetch(
        &mut self,
        request: FetchRequest,
        observer: &mut dyn Observer,
        control: &Control,
    ) -> Result<FetchOutcome> {
        files::fetch(self, request, observer, control).await
    }

    async fn reattach(
        &mut self,
        handle: &RemoteHandle,
        observer: &mut dyn Observer,
        control: &Control,
    ) -> Result<ExecOutcome> {
        let deadline = Instant::now() + control.timeout;
        let id = handle.0.get("process").and_then(|id| id.parse().ok()).unwrap_or(u64::MAX);
        let process = lock(&self.host.processes).get(&id).cloned();
        let Some(process) = process else {
            if self.has(Flaw::FindsEverything) || self.has(Flaw::Undeclared) {
                return Ok(ExecOutcome::new(0));
            }
            return Err(Error::new(ErrorKind::NotFound, "the host knows no such command"));
        };
        if self.has(Flaw::RestartsOnReattach) {
            process.kill.cancel();
        }
        let ended = self.attend(&process, observer, control, deadline).await;
        self.settle(id, ended)
    }

    async fn close(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}

impl Drop for Conversation {
    fn drop(&mut self) {
        // What broke was counted out when it broke.
        if *self.host.cuts.borrow() == self.cut && !self.has(Flaw::NeverCloses) {
            self.host.sessions.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

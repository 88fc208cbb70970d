//! What the hosts of a test answer, in the order in which the test says it.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;

use crate::transport::Stream;

/// The answers of all hosts. A clone is the same script.
#[derive(Clone, Default)]
pub(super) struct Script(Arc<Mutex<Lines>>);

#[derive(Default)]
struct Lines {
    answers: Vec<Scripted>,
    /// How many more connections each target refuses.
    refused: HashMap<String, u32>,
    /// The files that are there when a run begins, by target and path.
    files: BTreeMap<(String, String), Bytes>,
}

struct Scripted {
    /// The target that answers so; all, when it is not said.
    on: Option<String>,
    to: Pattern,
    reply: Reply,
    /// How many more times; always, when it is not said.
    left: Option<u32>,
}

/// What is answered.
enum Pattern {
    Command(String),
    CommandContaining(String),
    AnyCommand,
    Request { method: String, path: String },
}

/// What a host receives, as far as an answer depends on it.
#[derive(Clone, Copy)]
pub(super) enum Received<'a> {
    Command(&'a str),
    Request { method: &'a str, path: &'a str },
}

/// An answer.
#[derive(Clone)]
pub(super) struct Reply {
    pub(super) output: Vec<(Stream, String)>,
    pub(super) headers: Vec<(String, String)>,
    pub(super) takes: Duration,
    pub(super) end: End,
}

/// How an answer ends.
#[derive(Clone, Copy)]
pub(super) enum End {
    /// With an exit code, or with a status.
    Code(i64),
    /// The connection is lost, and nobody knows what became of it.
    Lost,
    /// It does not, until it is stopped.
    Never,
}

impl Pattern {
    fn fits(&self, received: Received<'_>) -> bool {
        match (self, received) {
            (Self::Command(exact), Received::Command(command)) => exact == command,
            (Self::CommandContaining(part), Received::Command(command)) => command.contains(part.as_str()),
            (Self::AnyCommand, Received::Command(_)) => true,
            (Self::Request { method, path }, Received::Request { method: given, path: at }) => {
                method.eq_ignore_ascii_case(given) && path == at
            }
            _ => false,
        }
    }
}

impl Script {
    /// The first answer that fits and is not used up; the error says whether one fitted that is.
    pub(super) fn take(&self, target: &str, received: Received<'_>) -> Result<Reply, bool> {
        let mut lines = self.lock();
        let here = |one: &Scripted| one.on.as_deref().is_none_or(|on| on == target) && one.to.fits(received);
        let mut fitting = lines.answers.iter_mut().filter(|one| here(one)).peekable();
        let any = fitting.peek().is_some();
        let found = fitting.find(|one| one.left != Some(0)).ok_or(any)?;
        found.left = found.left.map(|left| left - 1);
        Ok(found.reply.clone())
    }

    /// Whether a target refuses this connection.
    pub(super) fn refuses(&self, target: &str) -> bool {
        match self.lock().refused.get_mut(target) {
            None | Some(0) => false,
            Some(left) => {
                *left -= u32::from(*left != u32::MAX);
                true
            }
        }
    }

    pub(super) fn files(&self) -> BTreeMap<(String, String), Bytes> {
        self.lock().files.clone()
    }

    fn add(&self, on: Option<&str>, to: Pattern, code: i64) -> usize {
        let reply =
            Reply { output: Vec::new(), headers: Vec::new(), takes: Duration::ZERO, end: End::Code(code) };
        let mut lines = self.lock();
        lines.answers.push(Scripted { on: on.map(str::to_owned), to, reply, left: None });
        lines.answers.len() - 1
    }

    fn change(&self, at: usize, change: impl FnOnce(&mut Scripted)) {
        if let Some(scripted) = self.lock().answers.get_mut(at) {
            change(scripted);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Lines> {
        // The lines are whole after every statement, so a panic elsewhere does not spoil them.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A target of a test, to say what it answers: [`JobKit::on`](super::JobKit::on). Of several answers that fit, the first
/// that is not used up is given.
pub struct On {
    pub(super) script: Script,
    pub(super) target: Option<String>,
}

impl On {
    /// What is answered to the command `text`, exactly as it is sent. Until more is said: nothing, with exit code 0.
    pub fn command(&self, text: impl Into<String>) -> CommandAnswer {
        self.answer(Pattern::Command(text.into()))
    }

    /// What is answered to every command that contains `part`.
    pub fn command_containing(&self, part: impl Into<String>) -> CommandAnswer {
        self.answer(Pattern::CommandContaining(part.into()))
    }

    /// What is answered to every command.
    pub fn any_command(&self) -> CommandAnswer {
        self.answer(Pattern::AnyCommand)
    }

    /// What is answered to a request with this method and this path, the query included, as they are sent. Until more is said:
    /// status 200 without a body.
    pub fn request(&self, method: impl Into<String>, path: impl Into<String>) -> RequestAnswer {
        let to = Pattern::Request { method: method.into(), path: path.into() };
        RequestAnswer { at: self.script.add(self.target.as_deref(), to, 200), script: self.script.clone() }
    }

    /// A file is there when a run begins.
    ///
    /// # Panics
    ///
    /// When it is said of every target.
    pub fn has_file(&self, path: impl Into<String>, content: impl Into<Bytes>) -> &Self {
        let target = self.one("has_file");
        self.script.lock().files.insert((target, path.into()), content.into());
        self
    }

    /// The host refuses every connection.
    ///
    /// # Panics
    ///
    /// When it is said of every target.
    pub fn is_away(&self) -> &Self {
        self.refuses_connections(u32::MAX)
    }

    /// The host refuses so many connections, then no more.
    ///
    /// # Panics
    ///
    /// When it is said of every target.
    pub fn refuses_connections(&self, times: u32) -> &Self {
        let target = self.one("refuses_connections");
        self.script.lock().refused.insert(target, times);
        self
    }

    fn one(&self, what: &str) -> String {
        match &self.target {
            Some(target) => target.clone(),
            None => panic!("`{what}` is said of one target: begin with `kit.on(\"its name\")`"),
        }
    }

    fn answer(&self, to: Pattern) -> CommandAnswer {
        CommandAnswer { at: self.script.add(self.target.as_deref(), to, 0), script: self.script.clone() }
    }
}

impl fmt::Debug for On {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("On").field("target", &self.target).finish_non_exhaustive()
    }
}

/// The members that answers to commands and to requests have alike.
macro_rules! answer {
    ($name:ident) => {
        impl $name {
            /// It takes so long, by the clock of the run.
            pub fn takes(self, time: Duration) -> Self {
                self.change(|scripted| scripted.reply.takes = time)
            }

            /// It does not end until it is stopped.
            pub fn never_ends(self) -> Self {
                self.change(|scripted| scripted.reply.end = End::Never)
            }

            /// The connection is lost, and nobody knows what became of it.
            pub fn loses_connection(self) -> Self {
                self.change(|scripted| scripted.reply.end = End::Lost)
            }

            /// This answer is given so often; then the next one that fits.
            pub fn times(self, times: u32) -> Self {
                self.change(|scripted| scripted.left = Some(times))
            }

            fn change(self, change: impl FnOnce(&mut Scripted)) -> Self {
                self.script.change(self.at, change);
                self
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        }
    };
}

/// What is answered to a command. It is in force at once, and each call says more of it.
pub struct CommandAnswer {
    script: Script,
    at: usize,
}

answer!(CommandAnswer);

impl CommandAnswer {
    /// It writes `text` to standard output.
    pub fn prints(self, text: impl Into<String>) -> Self {
        self.change(|scripted| scripted.reply.output.push((Stream::Stdout, text.into())))
    }

    /// It writes `text` to standard error.
    pub fn prints_error(self, text: impl Into<String>) -> Self {
        self.change(|scripted| scripted.reply.output.push((Stream::Stderr, text.into())))
    }

    /// It ends with this exit code.
    pub fn exits(self, code: i64) -> Self {
        self.change(|scripted| scripted.reply.end = End::Code(code))
    }
}

/// What is answered to a request. It is in force at once, and each call says more of it.
pub struct RequestAnswer {
    script: Script,
    at: usize,
}

answer!(RequestAnswer);

impl RequestAnswer {
    /// The status.
    pub fn status(self, status: u16) -> Self {
        self.change(|scripted| scripted.reply.end = End::Code(status.into()))
    }

    /// One more header.
    pub fn header(self, name: impl Into<String>, value: impl Into<String>) -> Self {
        let header = (name.into().to_ascii_lowercase(), value.into());
        self.change(|scripted| scripted.reply.headers.push(header))
    }

    /// The body, or more of it.
    pub fn body(self, text: impl Into<String>) -> Self {
        self.change(|scripted| scripted.reply.output.push((Stream::Stdout, text.into())))
    }
}

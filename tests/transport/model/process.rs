//! A process of the machine.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use bytes::Bytes;
use opsconductor_core::transport::{ExecRequest, Stream};
use tokio::{sync::watch, time::sleep};
use tokio_util::sync::CancellationToken;

use super::host::{Host, lock};

/// Output comes in pieces of this length, wherever that falls.
const PIECE: usize = 4097;

/// What a process has said so far, and how it ended.
#[derive(Default)]
pub(super) struct Output {
    pub(super) pieces: Vec<(Stream, Bytes)>,
    pub(super) exit: Option<i64>,
}

pub(super) struct Process {
    pub(super) output: watch::Sender<Output>,
    pub(super) kill: CancellationToken,
}

impl Process {
    /// Starts what a request says.
    pub(super) fn start(host: &Arc<Host>, request: ExecRequest) -> Arc<Self> {
        host.started.fetch_add(1, Ordering::SeqCst);
        host.running.fetch_add(1, Ordering::SeqCst);
        let process =
            Arc::new(Self { output: watch::Sender::new(Output::default()), kill: CancellationToken::new() });
        let (machine, own) = (Arc::clone(host), Arc::clone(&process));
        host.runtime.spawn(async move {
            let exit = tokio::select! {
                exit = own.obey(&machine, request) => exit,
                () = own.kill.cancelled() => -1,
            };
            machine.running.fetch_sub(1, Ordering::SeqCst);
            own.output.send_modify(|output| output.exit = Some(exit));
        });
        process
    }

    async fn obey(&self, host: &Host, request: ExecRequest) -> i64 {
        for line in request.script.lines() {
            let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
            match word {
                "print" => self.say(Stream::Stdout, &format!("{rest}\n")),
                "error" => self.say(Stream::Stderr, &format!("{rest}\n")),
                "lines" => {
                    let (count, text) = rest.split_once(' ').unwrap();
                    let lines: Vec<_> =
                        (1..=count.parse().unwrap()).map(|n: usize| format!("{n} {text}\n")).collect();
                    self.say(Stream::Stdout, &lines.concat());
                }
                "exit" => return rest.parse().unwrap(),
                "wait" => sleep(Duration::from_millis(rest.parse().unwrap())).await,
                "wait-for" => {
                    while !lock(&host.files).contains_key(rest) {
                        sleep(Duration::from_millis(5)).await;
                    }
                }
                "append" => {
                    let (path, text) = rest.split_once(' ').unwrap();
                    let mut files = lock(&host.files);
                    files.entry(path.to_owned()).or_default().extend(format!("{text}\n").bytes());
                }
                "show" => {
                    let content = lock(&host.files).get(rest).cloned().unwrap_or_default();
                    self.say(Stream::Stdout, &String::from_utf8(content).unwrap());
                }
                "variable" => {
                    let value = request.env.get(rest).map(String::as_str).unwrap_or_default();
                    self.say(Stream::Stdout, &format!("[{value}]\n"));
                }
                "input" => {
                    let input = request.stdin.clone().unwrap_or_default();
                    self.say(Stream::Stdout, std::str::from_utf8(&input).unwrap());
                }
                "directory" => {
                    let directory = request.working_directory.as_deref().unwrap_or("/home");
                    self.say(Stream::Stdout, &format!("{directory}\n"));
                }
                _ => return 127,
            }
        }
        0
    }

    fn say(&self, stream: Stream, text: &str) {
        self.output.send_modify(|output| {
            let pieces = text.as_bytes().chunks(PIECE).map(|piece| (stream, Bytes::copy_from_slice(piece)));
            output.pieces.extend(pieces);
        });
    }
}

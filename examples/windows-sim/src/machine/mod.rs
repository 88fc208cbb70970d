//! The machine behind the endpoint, for now with a handful of commands: `echo`, `exit`, `more`, `timeout`.

mod process;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot, watch};

pub use process::{
    CONTROL_C_EXIT, Process, ProcessControl, STDIN_PIECE_BYTES, STDIN_PIECES, SpawnRequest, StreamName,
};

/// One simulated Windows machine.
#[derive(Debug)]
pub struct Machine {
    name: String,
}

impl Machine {
    /// A machine with this host name.
    pub fn new(name: &str) -> Arc<Self> {
        Arc::new(Self { name: name.to_owned() })
    }

    /// The host name.
    pub fn name(&self) -> &str {
        &self.name
    }

    fn start(
        &self,
        request: SpawnRequest,
        stdin: mpsc::Receiver<Bytes>,
        output: mpsc::Sender<(StreamName, Bytes)>,
        exit: oneshot::Sender<i32>,
        mut stopped: watch::Receiver<Option<i32>>,
    ) {
        let mut line = request.command;
        for argument in request.arguments {
            line.push(' ');
            line.push_str(&argument);
        }
        tokio::spawn(async move {
            let stop = async {
                match stopped.wait_for(Option::is_some).await {
                    Ok(code) => (*code).unwrap_or(1),
                    Err(_) => 1,
                }
            };
            let code = tokio::select! {
                code = run(&line, stdin, &output) => code,
                code = stop => code,
            };
            drop(output);
            let _ = exit.send(code);
        });
    }
}

async fn run(
    line: &str,
    mut stdin: mpsc::Receiver<Bytes>,
    output: &mpsc::Sender<(StreamName, Bytes)>,
) -> i32 {
    let (command, rest) = line.split_once(' ').unwrap_or((line, ""));
    match command {
        "echo" => {
            let _ = output.send((StreamName::Stdout, format!("{rest}\r\n").into())).await;
            0
        }
        "exit" => rest.parse().unwrap_or(0),
        "more" => {
            while let Some(piece) = stdin.recv().await {
                let _ = output.send((StreamName::Stdout, piece)).await;
            }
            0
        }
        "timeout" => {
            tokio::time::sleep(Duration::from_secs(rest.parse().unwrap_or(0))).await;
            0
        }
        other => {
            let message = format!("'{other}' is not recognized as an internal or external command,\r\n");
            let _ = output.send((StreamName::Stderr, message.into())).await;
            1
        }
    }
}

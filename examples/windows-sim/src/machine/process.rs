//! Processes: what starts one, what is left in the hands of its parent, and how it ends.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot, watch};

use super::io::Stdin;
use super::surroundings::Surroundings;
use super::{Machine, cmd, programs};

/// What to start.
#[derive(Debug, Clone)]
pub struct SpawnRequest {
    /// The command as it came in the Command message (unescaped XML text).
    pub command: String,
    /// Its arguments, each as it came.
    pub arguments: Vec<String>,
    /// False: joined and run by `cmd.exe /c`; true (`WINRS_SKIP_CMD_SHELL`): started directly.
    pub skip_cmd_shell: bool,
    /// Variables set over those of the machine.
    pub environment: Vec<(String, String)>,
    /// The folder to start in, the user's profile when absent.
    pub working_directory: Option<String>,
    /// The shell's code page (`WINRS_CODEPAGE`), default 437 as on an English Windows.
    pub code_page: u32,
    /// The account, for `whoami` and the profile folder, as `HOST\user`.
    pub user: String,
}

/// One of the two streams a process writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StreamName {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// A running process. Dropping it, or the last clone of its [`ProcessControl`], kills it.
#[derive(Debug)]
pub struct Process {
    /// The standard input pipe, bounded: [`STDIN_PIECES`] messages. Send pieces of at most [`STDIN_PIECE_BYTES`] and
    /// the pipe holds 64 KiB in all, so that a full pipe blocks the sender. Dropping the sender is end of file.
    pub stdin: Option<mpsc::Sender<Bytes>>,
    /// What it writes, in order, bounded; closed when the process ends.
    pub output: mpsc::Receiver<(StreamName, Bytes)>,
    /// The exit code, once.
    pub exit: oneshot::Receiver<i32>,
    /// The way to stop it.
    pub control: ProcessControl,
}

/// How many messages the standard input pipe holds.
pub const STDIN_PIECES: usize = 4;
/// The largest piece to send at once, so that the pipe holds 64 KiB.
pub const STDIN_PIECE_BYTES: usize = 16 * 1024;
/// How many messages of output wait for a reader before the process blocks.
pub(crate) const OUTPUT_PIECES: usize = 16;
/// `STATUS_CONTROL_C_EXIT`, 0xC000013A as the signed number an exit code is.
pub const CONTROL_C_EXIT: i32 = 0xC000_013A_u32 as i32;

/// The way to stop a process. The process dies when the last clone is dropped.
#[derive(Debug, Clone)]
pub struct ProcessControl {
    stop: Arc<watch::Sender<Option<i32>>>,
}

impl ProcessControl {
    /// `ctrl_c` and `ctrl_break`: the process ends with [`CONTROL_C_EXIT`].
    pub fn interrupt(&self) {
        self.stop.send_replace(Some(CONTROL_C_EXIT));
    }

    /// `terminate`: the process ends with exit code 1.
    pub fn terminate(&self) {
        self.stop.send_replace(Some(1));
    }

    pub(crate) fn new() -> (Self, watch::Receiver<Option<i32>>) {
        let (stop, stopped) = watch::channel(None);
        (Self { stop: Arc::new(stop) }, stopped)
    }
}

impl Process {
    /// See [`ProcessControl::interrupt`].
    pub fn interrupt(&self) {
        self.control.interrupt();
    }

    /// See [`ProcessControl::terminate`].
    pub fn terminate(&self) {
        self.control.terminate();
    }
}

impl Machine {
    /// Starts a process. Must be called inside a tokio runtime.
    pub fn spawn(self: &Arc<Self>, request: SpawnRequest) -> Process {
        let (control, stopped) = ProcessControl::new();
        let (stdin, stdin_read) = mpsc::channel(STDIN_PIECES);
        let (output_write, output) = mpsc::channel(OUTPUT_PIECES);
        let (exit_write, exit) = oneshot::channel();
        let mut line = request.command.clone();
        for argument in &request.arguments {
            line.push(' ');
            line.push_str(argument);
        }
        self.remember(&line);
        let alive = self.processes.clone();
        let mut surroundings = Surroundings::new(self, &request, Stdin::new(stdin_read), output_write);
        tokio::spawn(async move {
            let run = async {
                if request.skip_cmd_shell {
                    programs::run_line(&mut surroundings, &line).await
                } else {
                    cmd::run_command(&mut surroundings, &line).await
                }
            };
            let code = tokio::select! {
                biased;
                code = stop_asked(stopped) => code,
                code = run => code,
            };
            // The output closes and the process is gone from the table before its exit code is known.
            drop(surroundings);
            drop(alive);
            let _reader_gone = exit_write.send(code);
        });
        Process { stdin: Some(stdin), output, exit, control }
    }
}

/// Waits until the process is to stop; the code it ends with.
async fn stop_asked(mut stopped: watch::Receiver<Option<i32>>) -> i32 {
    loop {
        if let Some(code) = *stopped.borrow_and_update() {
            return code;
        }
        if stopped.changed().await.is_err() {
            return 1;
        }
    }
}

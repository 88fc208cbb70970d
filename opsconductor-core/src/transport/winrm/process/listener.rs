//! The task that listens to a script: it receives until the script has ended.

use bytes::Bytes;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep},
};

use super::busy::Patience;
use crate::{
    Error, ErrorKind, Result,
    error::Layer,
    transport::{
        Stream,
        winrm::{clixml, connection::Connection, listen::EMPTY_PAUSE, remote::Remote, soap::Action},
    },
};

/// How much of what a script says on its error stream is kept.
const STDERR_BYTES_MAX: usize = 4096;

/// What the listener tells.
pub(super) enum Heard {
    Output(Bytes),
    Ended(Box<Ended>),
}

/// How the listening ended, and the connection it was done with.
pub(super) struct Ended {
    pub(super) result: Result<i64>,
    pub(super) stderr: Vec<u8>,
    pub(super) connection: Connection,
}

/// Takes the output of a script until it has ended, and tells of both.
pub(super) async fn listen(mut connection: Connection, remote: Remote, tell: mpsc::Sender<Heard>) {
    let mut decoder = clixml::Decoder::default();
    let mut stderr = Vec::new();
    let result = hear_all(&mut connection, &remote, &tell, &mut decoder, &mut stderr).await;
    keep(&mut stderr, &decoder.finish());
    // Whoever stopped asking does not want to know.
    let _ = tell.send(Heard::Ended(Box::new(Ended { result, stderr, connection }))).await;
}

async fn hear_all(
    connection: &mut Connection,
    remote: &Remote,
    tell: &mpsc::Sender<Heard>,
    decoder: &mut clixml::Decoder,
    stderr: &mut Vec<u8>,
) -> Result<i64> {
    let mut patience = Patience::new();
    loop {
        let asked = Instant::now();
        let output = match connection.receive(&remote.shell_id, &remote.command_id, None).await {
            Ok(output) => output,
            Err(failure) => {
                let borne = patience.bear(failure).await;
                borne.map_err(|failure| failure.into_error(&connection.host, Action::Receive))?;
                continue;
            }
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

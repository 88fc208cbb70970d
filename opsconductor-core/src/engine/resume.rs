//! Going on with a command that another worker started and that still runs on its host.

use std::{sync::Arc, time::Duration};

use super::{Inner, execute::stopped, lease::Holding, recorder::Recorder};
use crate::{
    Result,
    id::WorkerId,
    run::plan::PlannedStep,
    store::{Claimed, OutputQuery},
    transport::{Connector, Endpoint, RemoteHandle, Session},
    vault::credential::Credential,
};

/// How long a host is tried to be reached again, at least and at most: its command goes on meanwhile, and knows nothing of
/// the step's time-out.
const REACH_MIN: Duration = Duration::from_secs(30);
const REACH_MAX: Duration = Duration::from_secs(120);

/// The pauses between two tries.
const PAUSE: Duration = Duration::from_millis(500);
const PAUSE_MAX: Duration = Duration::from_secs(10);

/// How many pieces of stored output are read at a time.
const PIECES_MAX: usize = 500;

/// A command that was started by a worker that does not attend to it any more.
pub(super) struct Running {
    /// Its name on the host.
    pub(super) handle: RemoteHandle,
    /// The last piece of its output that was stored.
    pub(super) output_seq: u32,
    /// How long ago it was dispatched.
    pub(super) since_dispatch: Duration,
    /// Who started it.
    pub(super) worker: WorkerId,
}

/// A task on its way from the rescuer to the loop that starts tasks.
pub(super) struct Resumption {
    pub(super) claimed: Claimed,
    pub(super) holding: Arc<Holding>,
    pub(super) running: Running,
}

/// Whether another worker could go on with what this step starts.
pub(super) fn is_resumable(inner: &Inner, step: &PlannedStep) -> bool {
    let Some(handler) = inner.kinds.get(&step.kind) else { return false };
    let Some(Ok(connector)) = handler.protocol().map(|protocol| inner.connector(protocol)) else {
        return false;
    };
    handler.reattachable() && connector.capabilities().reattach
}

/// Reads what the attempt has stored so far: for the numbers, for the step's limit, and for the ends of both streams.
pub(super) async fn recall(
    inner: &Inner,
    claimed: &Claimed,
    running: &Running,
    recorder: &mut Recorder,
) -> Result<()> {
    let (task, mut seq) = (claimed.lease.task, 0);
    while seq < running.output_seq {
        let query = OutputQuery { task: Some(task), stream: None, after: Some((task, claimed.attempt, seq)) };
        let chunks = inner.store.output(claimed.tenant, claimed.lease.run, query, PIECES_MAX).await?;
        let Some(last) = chunks.last() else { break };
        seq = last.seq;
        chunks.iter().for_each(|chunk| recorder.recall(chunk));
    }
    Ok(())
}

/// Connects to the host again. A cancel does not end the tries, for the command has to be stopped on its host.
pub(super) async fn reach(
    inner: &Inner,
    connector: &Arc<dyn Connector>,
    endpoint: &Endpoint,
    credential: &Credential,
    holding: &Holding,
    left: Duration,
) -> Result<Box<dyn Session>> {
    let until = inner.clock.monotonic() + left.clamp(REACH_MIN, REACH_MAX);
    let mut pause = PAUSE;
    loop {
        let tried = tokio::select! {
            session = connector.connect(endpoint, credential) => session,
            () = holding.released.cancelled() => Err(stopped().with_outcome_unknown()),
        };
        match tried {
            Err(error) if error.is_retryable() && inner.clock.monotonic() + pause < until => {
                tracing::debug!(error = %error.report(), target = endpoint.target, "a host with a running command is away");
                tokio::select! {
                    () = inner.clock.sleep(pause) => {}
                    () = holding.released.cancelled() => return Err(stopped().with_outcome_unknown()),
                }
                pause = (pause * 2).min(PAUSE_MAX);
            }
            Err(error) => return Err(error.with_outcome_unknown()),
            session => return session,
        }
    }
}

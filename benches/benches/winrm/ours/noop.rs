//! Commands that do nothing, on sessions that are warm.

use std::{sync::Arc, time::Duration, time::Instant};

use opsconductor_core::transport::{Connector as _, Control, ExecRequest, Session, Shell};
use serde_json::{Value, json};
use tokio::{sync::Barrier, task::JoinSet};
use tokio_util::sync::CancellationToken;

use super::{Deaf, connector, credential, endpoint};
use crate::{Failure, protocol::number};

const LIMIT: Duration = Duration::from_secs(30);

/// Milliseconds of one command after the other.
pub(super) async fn latency(task: &Value) -> Result<Value, Failure> {
    let connector = connector();
    let mut session = connector.connect(&endpoint(task)?, &credential(task)?).await?;
    for _ in 0..number(task, "warm")? {
        noop(session.as_mut()).await?;
    }
    let mut times = Vec::new();
    for _ in 0..number(task, "commands")? {
        let started = Instant::now();
        noop(session.as_mut()).await?;
        times.push(started.elapsed().as_secs_f64() * 1e3);
    }
    session.close().await?;
    connector.shutdown().await;
    Ok(json!({"ms": times}))
}

/// Seconds for all commands, several at once.
pub(super) async fn rate(task: &Value) -> Result<Value, Failure> {
    let connector = Arc::new(connector());
    let (endpoint, credential) = (endpoint(task)?, Arc::new(credential(task)?));
    let at_once = number(task, "at_once")?;
    let (warm, each) = (number(task, "warm")? / at_once, number(task, "commands")? / at_once);
    let ready = Arc::new(Barrier::new(at_once as usize + 1));
    let mut lanes = JoinSet::new();
    for _ in 0..at_once {
        let (connector, endpoint, credential, ready) =
            (Arc::clone(&connector), endpoint.clone(), Arc::clone(&credential), Arc::clone(&ready));
        lanes.spawn(async move {
            let mut session = connector.connect(&endpoint, &credential).await?;
            for _ in 0..warm {
                noop(session.as_mut()).await?;
            }
            ready.wait().await;
            for _ in 0..each {
                noop(session.as_mut()).await?;
            }
            Ok::<_, Failure>(session)
        });
    }
    // A lane that fails before the start would be waited for without end.
    tokio::time::timeout(LIMIT, ready.wait()).await?;
    let started = Instant::now();
    let mut sessions = Vec::new();
    while let Some(lane) = lanes.join_next().await {
        sessions.push(lane??);
    }
    let seconds = started.elapsed().as_secs_f64();
    for session in sessions {
        session.close().await?;
    }
    connector.shutdown().await;
    Ok(json!({"seconds": seconds}))
}

async fn noop(session: &mut dyn Session) -> Result<(), Failure> {
    let control = Control { timeout: LIMIT, cancel: CancellationToken::new() };
    let outcome = session.exec(ExecRequest::new(Shell::Cmd, "exit 0"), &mut Deaf, &control).await?;
    if outcome.exit_code == 0 { Ok(()) } else { Err("a command that does nothing failed".into()) }
}

//! One file, verified and atomic, as a step of the engine copies it.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use opsconductor_benches::role;
use opsconductor_core::{
    Result as CoreResult,
    transport::{Connector as _, Control, CopyRequest, Endpoint, Observer, RemoteHandle, Stream},
};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::{address, connector, credential};
use crate::Failure;

const LIMIT: Duration = Duration::from_secs(100);

/// Wants no output.
struct Deaf;

#[async_trait]
impl Observer for Deaf {
    async fn dispatching(&mut self, _: &RemoteHandle) -> CoreResult<()> {
        Ok(())
    }

    async fn output(&mut self, _: Stream, _: Bytes) -> CoreResult<()> {
        Ok(())
    }
}

/// Seconds from the call to the outcome, on a session that is logged on.
pub(super) async fn run(task: &Value) -> Result<Value, Failure> {
    let host = &task["hosts"][0];
    let (name, port) = address(host)?;
    let mut endpoint = Endpoint::new("bench", name, port);
    endpoint.metadata.insert("ssh_host_key_sha256".to_owned(), host["pin"].clone());
    let connector = connector()?;
    let mut session = connector.connect(&endpoint, &credential(task)?).await?;
    let request = CopyRequest::path(role::text(task, "destination")?, role::text(task, "file")?);
    let control = Control { timeout: LIMIT, cancel: CancellationToken::new() };
    let started = Instant::now();
    session.copy(request, &mut Deaf, &control).await?;
    let seconds = started.elapsed().as_secs_f64();
    session.close().await?;
    connector.shutdown().await;
    Ok(json!({"seconds": seconds}))
}

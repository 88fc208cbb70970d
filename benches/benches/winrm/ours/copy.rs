//! One file, verified and atomic, as a step of the engine copies it.

use std::time::{Duration, Instant};

use opsconductor_core::transport::{Connector as _, Control, CopyRequest};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::{Deaf, connector, credential, endpoint};
use crate::{Failure, protocol};

/// Seconds from the call to the outcome, on a session that is logged on.
pub(super) async fn run(task: &Value) -> Result<Value, Failure> {
    let connector = connector();
    let mut session = connector.connect(&endpoint(task)?, &credential(task)?).await?;
    let request = CopyRequest::path(protocol::text(task, "destination")?, protocol::text(task, "file")?);
    let control = Control { timeout: Duration::from_secs(150), cancel: CancellationToken::new() };
    let started = Instant::now();
    session.copy(request, &mut Deaf, &control).await?;
    let seconds = started.elapsed().as_secs_f64();
    session.close().await?;
    connector.shutdown().await;
    Ok(json!({"seconds": seconds}))
}

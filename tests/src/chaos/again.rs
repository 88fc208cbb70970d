//! [`again`]: calls on a store that is away now and then.

use std::time::{Duration, Instant};

use opsconductor_core::Result;

/// How long a store may be away.
const LIMIT: Duration = Duration::from_secs(60);

/// Between two calls.
const PAUSE: Duration = Duration::from_millis(50);

/// What `call` answers when the store is there.
pub(super) async fn again<T, F: Future<Output = Result<T>>>(mut call: impl FnMut() -> F) -> Result<T> {
    let until = Instant::now() + LIMIT;
    loop {
        match call().await {
            Err(error) if error.is_retryable() && Instant::now() < until => tokio::time::sleep(PAUSE).await,
            answer => return answer,
        }
    }
}

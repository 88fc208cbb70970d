//! The step kinds of this library, written with the same seam as a host's own.

mod copy;
mod exec;
mod fetch;
mod http;
mod ssh;
mod wait;

use std::sync::Arc;

pub use copy::WinrmCopy;
pub use exec::WinrmExec;
pub use fetch::WinrmFetch;
pub use http::HttpRequest;
pub use ssh::{SshCopy, SshExec, SshFetch};
pub use wait::{Approval, Sleep};

use super::step::StepHandler;
use crate::{Error, ErrorKind, Result};

/// A command as a template, before and after it is rendered.
const COMMAND_BYTES_MAX: usize = 64 * 1024;

/// All of them.
pub(super) fn built_in() -> Vec<Arc<dyn StepHandler>> {
    vec![
        Arc::new(SshExec),
        Arc::new(SshCopy),
        Arc::new(SshFetch),
        Arc::new(WinrmExec),
        Arc::new(WinrmCopy),
        Arc::new(WinrmFetch),
        Arc::new(HttpRequest),
        Arc::new(Sleep),
        Arc::new(Approval),
    ]
}

/// Why the template at `pointer` may read no secret, if it makes a path.
fn in_a_path(pointer: &str) -> Option<&'static str> {
    ["/destPath", "/src", "/srcPath", "/dest", "/workingDirectory"]
        .contains(&pointer)
        .then_some("paths stand in records and in the lists of folders: put it into what the file holds")
}

/// Does what waits for a disk where it holds up nobody.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| {
        Err(Error::new(ErrorKind::Internal, "a task on a file did not end well").with_source(error))
    })
}

#[cfg(test)]
mod tests;

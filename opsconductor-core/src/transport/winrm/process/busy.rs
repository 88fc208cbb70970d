//! Patience with a host that is busy.

use std::{slice, time::Duration};

use tokio::time::sleep;

use crate::transport::winrm::{failure::Failure, soap::fault::code};

/// How long a host that is busy is left alone before it is asked again.
const PAUSES: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(5)];

/// The pauses that are left for one request.
pub(super) struct Patience(slice::Iter<'static, Duration>);

impl Patience {
    pub(super) fn new() -> Self {
        Self(PAUSES.iter())
    }

    /// Waits when the host said that it is busy; gives the failure back when it is another one, or has come too often.
    pub(super) async fn bear(&mut self, failure: Failure) -> Result<(), Failure> {
        let busy = matches!(&failure, Failure::Fault(fault) if fault.is(code::BUSY));
        match self.0.next().filter(|_| busy) {
            Some(pause) => {
                sleep(*pause).await;
                Ok(())
            }
            None => Err(failure),
        }
    }
}

//! `opsconductor run`: runs canceled, answered, read and done again.

mod cancel;
mod decide;
mod logs;
mod retry;

use opsconductor_core::Error;

pub(crate) use self::{cancel::CancelOptions, decide::DecideOptions, logs::LogsOptions, retry::RetryOptions};
use crate::{cli::RunCommand, exit::Ended};

/// Does what was asked.
pub(crate) fn obey(command: RunCommand) -> Result<Ended, Error> {
    match command {
        RunCommand::Cancel(options) => cancel::cancel(&options),
        RunCommand::Decide(options) => decide::decide(options),
        RunCommand::Logs(options) => logs::show(options),
        RunCommand::Retry(options) => retry::retry(&options),
    }
}

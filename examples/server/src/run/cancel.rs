//! `opsconductor run cancel`.

use clap::Args;
use opsconductor_core::{Error, id::RunId};
use serde_json::json;

use crate::{
    exit::{Ended, answer, say},
    job::engine,
    runtime,
    store::StoreOptions,
};

/// What `run cancel` can be told.
#[derive(Debug, Args)]
pub(crate) struct CancelOptions {
    /// The run.
    id: RunId,
    #[command(flatten)]
    store: StoreOptions,
    /// Print the result as one JSON object on standard output.
    #[arg(long)]
    json: bool,
}

/// Cancels a run. One that has ended stays as it is.
pub(super) fn cancel(options: &CancelOptions) -> Result<Ended, Error> {
    let id = options.id;
    let run = runtime::run(async { engine(&options.store).await?.local().runs().cancel(id).await })?;
    match (options.json, run.status.is_final()) {
        (true, _) => {
            let said = json!({"run": id, "status": run.status, "cancel_requested": run.cancel_requested});
            answer(&said.to_string())?;
        }
        (false, true) => say(&format!("run {id} is over: {}", run.status)),
        (false, false) => say(&format!("run {id} is {} and stops", run.status)),
    }
    Ok(Ended::Well)
}

//! `opsconductor run retry`.

use clap::Args;
use opsconductor_core::{Error, engine::RerunTargets, id::RunId};
use serde_json::json;

use crate::{
    exit::{Ended, answer, say},
    interrupt::Interrupt,
    job::{engine, follow},
    runtime,
    store::StoreOptions,
};

/// What `run retry` can be told.
#[derive(Debug, Args)]
#[command(after_help = "What succeeded is not done again, and what steps read of it they read as it was.\n\
    A step that was lost may have been done: it is sent again, because you say so. Look first.")]
pub(crate) struct RetryOptions {
    /// The run; it must be over.
    id: RunId,
    #[command(flatten)]
    store: StoreOptions,
    /// Do the step with this id again and all that follows it, however they ended.
    #[arg(long, value_name = "STEP")]
    from: Option<String>,
    /// Do so only for the targets on which something failed.
    #[arg(long, requires = "from")]
    failed: bool,
    /// Show the output as it arrives and end with the new run. Ctrl-C stops following; the run goes on.
    #[arg(long)]
    follow: bool,
    /// Print the result as one JSON object on standard output.
    #[arg(long)]
    json: bool,
}

/// Enqueues a run of what is to be done again.
pub(super) fn retry(options: &RetryOptions) -> Result<Ended, Error> {
    runtime::run(async {
        let mut interrupt = Interrupt::listen()?;
        let engine = engine(&options.store).await?;
        let ops = engine.local();
        let first = ops.runs().get(options.id).await?;
        let run = match &options.from {
            None => first.retry().await?,
            Some(step) => {
                let targets = if options.failed { RerunTargets::Failed } else { RerunTargets::All };
                first.rerun_from(step, targets).await?
            }
        };
        if !options.follow {
            match options.json {
                true => answer(&json!({"run": run.id(), "parent": options.id}).to_string())?,
                false => answer(&run.id().to_string())?,
            }
            return Ok(Ended::Well);
        }
        let plan = engine.store().run_plan(ops.scope().tenant, options.id).await?;
        tokio::select! {
            ended = follow(&plan.job_name, &run, options.json) => ended,
            () = interrupt.received() => {
                say(&format!("run {} goes on", run.id()));
                Ok(Ended::RunFailed)
            }
        }
    })
}

//! `opsconductor run decide`.

use clap::Args;
use opsconductor_core::{Error, engine::Answer, id::RunId};
use serde_json::json;

use crate::{
    exit::{Ended, answer, say},
    job::engine,
    runtime,
    store::StoreOptions,
};

/// What `run decide` can be told.
#[derive(Debug, Args)]
pub(crate) struct DecideOptions {
    /// The run.
    id: RunId,
    /// The id of the step that waits.
    step: String,
    #[command(flatten)]
    verdict: Verdict,
    /// The target, for a step on several.
    #[arg(long, value_name = "NAME")]
    target: Option<String>,
    /// Why, for whoever looks. No secrets.
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
    #[command(flatten)]
    store: StoreOptions,
    /// Print the result as one JSON object on standard output.
    #[arg(long)]
    json: bool,
}

/// Yes or no.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Verdict {
    /// Yes: let the run go on, or send a step again whose outcome is unknown.
    #[arg(long)]
    approve: bool,
    /// No: the step fails, or stays lost.
    #[arg(long)]
    reject: bool,
}

/// Answers a step.
pub(super) fn decide(options: DecideOptions) -> Result<Ended, Error> {
    let DecideOptions { id, step, verdict, target, note, store, json } = options;
    runtime::run(async {
        let run = engine(&store).await?.local().runs().get(id).await?;
        run.decide(&step, target.as_deref(), Answer { approve: verdict.approve, note }).await
    })?;
    let said = if verdict.approve { "approved" } else { "rejected" };
    match json {
        true => answer(
            &json!({"run": id, "step": step, "target": target, "approved": verdict.approve}).to_string(),
        )?,
        false => say(&format!("step {step} of run {id} is {said}")),
    }
    Ok(Ended::Well)
}

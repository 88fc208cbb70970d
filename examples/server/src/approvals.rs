//! `opsconductor approvals`: what waits for a person.

use clap::Args;
use opsconductor_core::{Error, engine::OpenApproval, store::Page};
use serde_json::json;

use crate::{
    exit::{Ended, answer, say},
    job::engine,
    runtime,
    show::columns,
    store::StoreOptions,
};

/// What `approvals` can be told.
#[derive(Debug, Args)]
pub(crate) struct ApprovalsOptions {
    #[command(flatten)]
    store: StoreOptions,
    /// How many of the newest to leave out.
    #[arg(long, value_name = "N", default_value_t = 0)]
    skip: u64,
    /// How many to list.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: u32,
    /// Print the list as one JSON object on standard output.
    #[arg(long)]
    json: bool,
}

/// Lists what waits for an answer, newest first.
pub(crate) fn list(options: &ApprovalsOptions) -> Result<Ended, Error> {
    let page = Page { skip: options.skip, limit: options.limit };
    let list = runtime::run(async { engine(&options.store).await?.local().approvals().list(page).await })?;
    if options.json {
        answer(&json!({"approvals": list.items, "total": list.total}).to_string())?;
        return Ok(Ended::Well);
    }
    if list.items.is_empty() {
        say("nothing waits for an answer");
        return Ok(Ended::Well);
    }
    answer(&table(&list.items))?;
    let shown = list.items.len() as u64;
    if shown < list.total {
        say(&format!("{shown} of {}; --skip and --limit show others", list.total));
    }
    Ok(Ended::Well)
}

fn table(open: &[OpenApproval]) -> String {
    let head = ["RUN", "JOB", "STEP", "TARGET", "SINCE", "UNTIL", "MESSAGE"].map(str::to_owned);
    let mut rows = vec![head];
    for approval in open {
        let at = |time: opsconductor_core::clock::Timestamp| time.format("%Y-%m-%d %H:%M:%SZ").to_string();
        rows.push([
            approval.run.to_string(),
            approval.job.clone(),
            approval.step.clone(),
            approval.target.clone().unwrap_or_else(|| "-".to_owned()),
            at(approval.since),
            at(approval.until),
            // A message may have several lines, and a table has one for each.
            approval.message.split_whitespace().collect::<Vec<_>>().join(" "),
        ]);
    }
    columns(&rows)
}

//! `opsconductor job plan`.

use std::path::PathBuf;

use clap::Args;
use opsconductor_core::{Error, engine::Preview};
use serde_json::json;

use super::{parameters::ParameterOptions, parse, refused, run::engine};
use crate::{
    exit::{Ended, answer},
    runtime,
    store::StoreOptions,
};

/// What `job plan` can be told.
#[derive(Debug, Args)]
pub(crate) struct PlanOptions {
    /// The file with the definition, or `-` for standard input.
    file: PathBuf,
    #[command(flatten)]
    store: StoreOptions,
    #[command(flatten)]
    parameters: ParameterOptions,
    /// Print the plan as one JSON object on standard output.
    #[arg(long)]
    json: bool,
}

/// Shows what a run of a definition would do.
pub(super) fn plan(options: &PlanOptions) -> Result<Ended, Error> {
    let planned = runtime::run(async {
        let spec = parse(&options.file)?;
        options.parameters.check(spec.as_value())?;
        let parameters = options.parameters.read()?;
        let engine = engine(&options.store).await?;
        engine.local().jobs().plan_of(&spec, parameters).await
    });
    match planned {
        Ok(preview) => {
            if options.json {
                answer(&json!(preview).to_string())?;
            } else {
                show(&preview)?;
            }
            Ok(Ended::Well)
        }
        Err(error) => refused(error, options.json),
    }
}

fn show(preview: &Preview) -> Result<(), Error> {
    let mut step = "";
    for task in &preview.tasks {
        if task.step != step {
            step = &task.step;
            answer(&format!("{step} ({})", task.kind))?;
            if let Some(when) = &task.when {
                answer(&format!("  when {when}"))?;
            }
        }
        let target = task.target.as_deref().unwrap_or("-");
        let mut lines = task.command.lines();
        answer(&format!("  {target}: {}", lines.next().unwrap_or_default()))?;
        for line in lines {
            answer(&format!("  {:width$}  {line}", "", width = target.chars().count()))?;
        }
    }
    answer(&format!("digest {}", preview.digest))
}

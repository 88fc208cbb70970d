//! `opsconductor job apply` and `opsconductor job run`.

use std::{path::PathBuf, time::Duration};

use clap::Args;
use opsconductor_core::{
    Engine, Error, ErrorKind,
    engine::{self, Run},
    run::RunStatus,
    vault::{KeyProvider, Keyring},
};
use serde_json::json;

use super::{parameters::ParameterOptions, parse, refused};
use crate::{
    exit::{Ended, answer, say},
    interrupt::Interrupt,
    key::KeysWhenNeeded,
    runtime, show,
    store::StoreOptions,
};

/// How long the result of a run that is over may take to be read.
const RESULT_LIMIT: Duration = Duration::from_secs(30);

/// What `job apply` can be told.
#[derive(Debug, Args)]
pub(crate) struct ApplyOptions {
    /// The file with the definition, or `-` for standard input.
    file: PathBuf,
    #[command(flatten)]
    store: StoreOptions,
    /// Print the result as one JSON object on standard output.
    #[arg(long)]
    json: bool,
}

/// What `job run` can be told.
#[derive(Debug, Args)]
pub(crate) struct RunOptions {
    /// The job's name.
    name: String,
    #[command(flatten)]
    store: StoreOptions,
    #[command(flatten)]
    parameters: ParameterOptions,
    /// The file with the key that seals secret parameters; without it the environment variable OPSCONDUCTOR_KEY holds the key. A job
    /// without such parameters needs none.
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Show the output as it arrives and end with the run. Ctrl-C stops following; the run goes on.
    #[arg(long)]
    follow: bool,
    /// Start only what `job plan` has shown with this digest.
    #[arg(long, value_name = "SHA-256")]
    plan_digest: Option<String>,
    /// A repeat with the same key and the same parameters is the first run.
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
    /// What you call the run, to find it in other systems' records.
    #[arg(long, value_name = "ID")]
    correlation_id: Option<String>,
    /// Print the result as one JSON object on standard output.
    #[arg(long)]
    json: bool,
}

/// An engine on a store, for commands that neither seal nor open anything: any key will do.
pub(crate) async fn engine(store: &StoreOptions) -> Result<Engine, Error> {
    engine_with(store, Keyring::generate()?).await
}

async fn engine_with(store: &StoreOptions, keys: impl KeyProvider + 'static) -> Result<Engine, Error> {
    Engine::builder().shared_store(store.open(false).await?).keys(keys).build()
}

/// Saves a definition.
pub(super) fn apply(options: &ApplyOptions) -> Result<Ended, Error> {
    let saved = runtime::run(async {
        let spec = parse(&options.file)?;
        let ops = engine(&options.store).await?.local();
        match ops.jobs().create(&spec).await {
            Err(error) if error.kind() == ErrorKind::Conflict => {
                let name = spec.as_value()["name"].as_str().unwrap_or_default();
                ops.jobs().update(name, &spec).await
            }
            created => created,
        }
    });
    match saved {
        Ok(job) => {
            match options.json {
                true => answer(&json!({"name": job.name, "version": job.version}).to_string())?,
                false => say(&format!("{} is saved as version {}", job.name, job.version)),
            }
            Ok(Ended::Well)
        }
        Err(error) => refused(error, options.json),
    }
}

/// Enqueues a run.
pub(super) fn run(options: RunOptions) -> Result<Ended, Error> {
    let json = options.json;
    match runtime::run(enqueue(options)) {
        Err(error) => refused(error, json),
        ended => ended,
    }
}

async fn enqueue(options: RunOptions) -> Result<Ended, Error> {
    let mut interrupt = Interrupt::listen()?;
    let parameters = options.parameters.read()?;
    let ops = engine_with(&options.store, KeysWhenNeeded::new(options.key)).await?.local();
    if options.parameters.are_in_arguments() {
        options.parameters.check(&ops.jobs().get(&options.name).await?.definition)?;
    }
    let with = engine::RunOptions {
        idempotency_key: options.idempotency_key,
        correlation_id: options.correlation_id,
        plan_digest: options.plan_digest,
        ..engine::RunOptions::default()
    };
    let run = ops.jobs().run(&options.name, parameters, with).await?;
    if !options.follow {
        match options.json {
            true => answer(&json!({"job": options.name, "run": run.id()}).to_string())?,
            false => answer(&run.id().to_string())?,
        }
        return Ok(Ended::Well);
    }
    tokio::select! {
        ended = follow(&options.name, &run, options.json) => ended,
        () = interrupt.received() => {
            say(&format!("run {} goes on", run.id()));
            Ok(Ended::RunFailed)
        }
    }
}

/// Follows a run to its end and shows how it went.
pub(crate) async fn follow(name: &str, run: &Run, as_json: bool) -> Result<Ended, Error> {
    show::follow(name, run).await?;
    let results = [(name.to_owned(), run.wait(RESULT_LIMIT).await?)];
    match as_json {
        true => show::as_json(&results)?,
        false => show::as_table(&results)?,
    }
    Ok(if results[0].1.status == RunStatus::Succeeded { Ended::Well } else { Ended::RunFailed })
}

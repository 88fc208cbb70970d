//! `opsconductor worker`, and `opsconductor workers`, which lists them.

use std::{path::PathBuf, time::Duration};

use clap::Args;
use opsconductor_core::{
    Engine, Error,
    engine::{Worker, WorkerSettings},
    notify::EmailNotifier,
    store::{Page, WorkerRecord},
    transport::{
        http::{HttpConnector, HttpSettings, Network, WebhookNotifier},
        ssh::SshConnector,
        winrm::WinrmConnector,
    },
    vault::Keyring,
};
use serde_json::json;

use crate::{
    exit::{Ended, answer, say},
    interrupt::Interrupt,
    runtime,
    store::StoreOptions,
};

/// What `worker` can be told.
#[derive(Debug, Args)]
#[command(after_help = "Signals:\n  \
    SIGTERM or Ctrl-C  take no more tasks, let those that run end within --drain, and exit with 0\n  \
    a second one       exit at once with 1; other workers take over what was left when its lease runs out")]
pub(crate) struct WorkerOptions {
    #[command(flatten)]
    store: StoreOptions,
    /// The file with the key that opens credentials; without it the environment variable OPSCONDUCTOR_KEY holds the key.
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// How many tasks to run at once.
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..))]
    concurrency: u16,
    /// How many seconds running tasks have to end when the worker is told to stop; then they are stopped.
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    drain: u64,
    /// The folder that steps copy files from and to.
    #[arg(long, value_name = "DIR")]
    files: Option<PathBuf>,
    /// A network that HTTP requests may go to although it is refused otherwise, such as 127.0.0.0/8; may be given again.
    #[arg(long, value_name = "NETWORK")]
    http_allow: Vec<Network>,
    /// A network that HTTP requests and webhooks may not go to, whatever else is said; may be given again.
    #[arg(long, value_name = "NETWORK")]
    http_deny: Vec<Network>,
    /// A network that webhooks may go to although it is not public, such as 10.1.0.0/16; may be given again.
    #[arg(long, value_name = "NETWORK")]
    webhook_allow: Vec<Network>,
    /// Say every so many seconds on standard error how much is running and queued.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    report: Option<u64>,
    /// Refuse a store of an older version instead of bringing it to this program's.
    #[arg(long)]
    no_migrate: bool,
}

/// What `workers` can be told.
#[derive(Debug, Args)]
pub(crate) struct WorkersOptions {
    #[command(flatten)]
    store: StoreOptions,
    /// Print the list as one JSON array on standard output.
    #[arg(long)]
    json: bool,
}

/// The most workers that are listed.
const LISTED_MAX: u32 = 10_000;

/// Takes tasks until it is told to stop.
pub(crate) fn work(options: WorkerOptions) -> Result<Ended, Error> {
    runtime::run(async move {
        // Before anything is begun, so that no signal cuts it off in the middle.
        let mut interrupt = Interrupt::listen()?;
        let engine = tokio::select! {
            engine = engine(&options) => engine?,
            () = interrupt.received() => return Ok(Ended::Well),
        };
        let settings = WorkerSettings::default()
            .with_concurrency(options.concurrency.into())
            .with_drain(Duration::from_secs(options.drain));
        let worker = engine.worker(settings)?;
        say(&format!("worker {} takes tasks, at most {} at once", worker.id(), options.concurrency));
        tokio::select! {
            () = interrupt.received() => {}
            () = report(&engine, options.report) => {}
        }
        say(&format!("stopping; what runs has {} s to end, a second signal ends at once", options.drain));
        tokio::select! {
            // Work that was ended in order counts, also when the signal comes with it.
            biased;
            () = stop(&engine, worker) => Ok(Ended::Well),
            () = interrupt.received() => {
                say("ended at once; other workers take over what was left");
                Ok(Ended::RunFailed)
            }
        }
    })
}

async fn engine(options: &WorkerOptions) -> Result<Engine, Error> {
    // The key first: without it no store need be made.
    let keys = match &options.key {
        Some(file) => Keyring::from_file(file)?,
        None => Keyring::from_environment()?,
    };
    let store = options.store.open(!options.no_migrate).await?;
    let reach = HttpSettings { allow: options.http_allow.clone(), deny: options.http_deny.clone() };
    let hooks = HttpSettings { allow: options.webhook_allow.clone(), deny: options.http_deny.clone() };
    let mut builder = Engine::builder()
        .shared_store(store)
        .keys(keys)
        .connector(WinrmConnector::new())
        .connector(SshConnector::new()?)
        .connector(HttpConnector::builder().with_settings(reach).build()?)
        .notifier(WebhookNotifier::new(hooks))
        .notifier(EmailNotifier::new());
    if let Some(folder) = &options.files {
        builder = builder.files(folder);
    }
    builder.build()
}

async fn stop(engine: &Engine, worker: Worker) {
    worker.shutdown().await;
    engine.close().await;
}

/// Says how much there is to do, for as long as it is awaited.
async fn report(engine: &Engine, every: Option<u64>) {
    let Some(every) = every else { return std::future::pending().await };
    let mut ticks = tokio::time::interval(Duration::from_secs(every));
    loop {
        ticks.tick().await;
        match engine.store().queue_depth().await {
            Ok((queued, running)) => say(&format!("{running} tasks are running, {queued} are queued")),
            Err(error) => say(&format!("the queue cannot be seen: {}", error.report())),
        }
    }
}

/// Lists the workers on a store.
pub(crate) fn list(options: &WorkersOptions) -> Result<Ended, Error> {
    runtime::run(async move {
        let store = options.store.open(false).await?;
        // Nothing sealed is opened, so any key will do.
        let engine = Engine::builder().shared_store(store).keys(Keyring::generate()?).build()?;
        let workers = engine.local().workers().list(Page { skip: 0, limit: LISTED_MAX }).await?.items;
        if options.json {
            answer(&json!(workers).to_string())?;
        } else {
            answer(&table(&workers))?;
        }
        Ok(Ended::Well)
    })
}

fn table(workers: &[WorkerRecord]) -> String {
    if workers.is_empty() {
        return "no worker has been heard of".to_owned();
    }
    let wide = workers.iter().map(|worker| worker.host.chars().count()).max().unwrap_or_default().max(4);
    let mut lines = vec![format!(
        "{:36}  {:wide$}  {:>7}  {:8}  {:>9}  {:9}  {}",
        "WORKER", "HOST", "PROCESS", "STATE", "LOAD", "VERSION", "LAST SEEN"
    )];
    for worker in workers {
        lines.push(format!(
            "{:36}  {:wide$}  {:>7}  {:8}  {:>9}  {:9}  {}",
            worker.id.to_string(),
            worker.host,
            worker.process,
            worker.state.as_str(),
            format!("{}/{}", worker.running, worker.concurrency),
            worker.version,
            worker.seen_at.format("%Y-%m-%d %H:%M:%SZ"),
        ));
    }
    lines.join("\n")
}

/// Brings a store to this program's version.
pub(crate) fn migrate(options: &MigrateOptions) -> Result<Ended, Error> {
    let store = runtime::run(async move { options.store.migrate().await })?;
    match options.json {
        true => answer(&json!({"store": store, "version": env!("CARGO_PKG_VERSION")}).to_string())?,
        false => say("the store is of this program's version"),
    }
    Ok(Ended::Well)
}

/// What `migrate` can be told.
#[derive(Debug, Args)]
pub(crate) struct MigrateOptions {
    #[command(flatten)]
    store: StoreOptions,
    /// Print the result as one JSON object on standard output.
    #[arg(long)]
    json: bool,
}

//! `opsconductor key status`, `rewrap`, `reseal` and `retire`: what is sealed under which key.

use std::path::PathBuf;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use opsconductor_core::{
    Engine, Error,
    engine::{KeyProgress, KeyStatus, Moved},
    vault::{self, Keyring},
};
use serde_json::json;

use crate::{
    exit::{Ended, answer, say},
    runtime,
    store::StoreOptions,
};

/// Which store, and which keys.
#[derive(Debug, Args)]
pub(crate) struct KeyOptions {
    #[command(flatten)]
    store: StoreOptions,
    /// The file with the keys, the current one first; without it the environment variable OPSCONDUCTOR_KEY or OPSCONDUCTOR_KEYS
    /// holds them.
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Print the result as one JSON object on standard output.
    #[arg(long)]
    json: bool,
}

impl KeyOptions {
    async fn engine(&self) -> Result<Engine, Error> {
        let keys = match &self.key {
            Some(file) => Keyring::from_file(file)?,
            None => Keyring::from_environment()?,
        };
        Engine::builder().shared_store(self.store.open(false).await?).keys(keys).build()
    }
}

/// Shows the keys, and how many records are sealed under each.
pub(crate) fn status(options: &KeyOptions) -> Result<Ended, Error> {
    let status = runtime::run(async { options.engine().await?.local().keys().status().await })?;
    match options.json {
        true => answer(&json!(status).to_string())?,
        false => answer(&table(&status))?,
    }
    Ok(Ended::Well)
}

fn table(status: &KeyStatus) -> String {
    // A record may name anything: escaped, so that it cannot forge a line.
    let named = |id: &str| id.escape_debug().to_string();
    let wide = status.keys.iter().map(|key| named(&key.id).chars().count()).max().unwrap_or_default().max(3);
    let mut lines = vec![format!("{:wide$}  {:10}  {:>10}", "KEY", "STATE", "RECORDS")];
    for key in &status.keys {
        let state = match (key.current, key.loaded) {
            (true, _) => "current",
            (false, true) => "former",
            (false, false) => "not loaded",
        };
        lines.push(format!("{:wide$}  {state:10}  {:>10}", named(&key.id), key.total()));
    }
    if status.malformed > 0 {
        lines.push(format!("rows that hold no sealed record: {}", status.malformed));
    }
    lines.join("\n")
}

/// Moves every record under the current key.
pub(crate) fn rewrap(options: &KeyOptions) -> Result<Ended, Error> {
    let moved = runtime::run(async {
        let (engine, bar) = (options.engine().await?, Bar::new("rewrap"));
        engine.local().keys().rewrap(|progress| bar.show(progress)).await
    })?;
    tell(options, &moved, "rewrapped")
}

/// Seals every record anew.
pub(crate) fn reseal(options: &KeyOptions) -> Result<Ended, Error> {
    let moved = runtime::run(async {
        let (engine, bar) = (options.engine().await?, Bar::new("reseal"));
        engine.local().keys().reseal(|progress| bar.show(progress)).await
    })?;
    tell(options, &moved, "resealed")
}

fn tell(options: &KeyOptions, moved: &Moved, done: &str) -> Result<Ended, Error> {
    if options.json {
        answer(&json!(moved).to_string())?;
    } else {
        say(&format!("{} of {} records were {done}", moved.progress.moved, moved.progress.looked_at));
        for record in &moved.not_moved {
            say(&format!("{} {} of tenant {}: {}", record.kind, record.id, record.tenant, record.reason));
        }
        if moved.left > 0 {
            say(&format!("{} records are under another key than the current one", moved.left));
        }
    }
    let whole = moved.left == 0 && moved.progress.failed == 0;
    Ok(if whole { Ended::Well } else { Ended::RunFailed })
}

/// Drops a key that nothing is sealed under any more.
pub(crate) fn retire(id: &str, options: &KeyOptions) -> Result<Ended, Error> {
    runtime::run(async { options.engine().await?.local().keys().retire(id).await })?;
    if let Some(file) = &options.key {
        vault::remove_from_key_file(file, id)?;
    }
    match (options.json, &options.key) {
        (true, file) => answer(&json!({"key": id, "removed": file.is_some()}).to_string())?,
        (false, Some(file)) => say(&format!("the key {id} is no longer in {}", file.display())),
        (false, None) => {
            say(&format!("nothing is sealed under the key {id}: take it out of OPSCONDUCTOR_KEYS"))
        }
    }
    Ok(Ended::Well)
}

/// How far it is, on standard error, so that standard output holds the result alone. Without a terminal nothing is drawn.
struct Bar(ProgressBar);

impl Bar {
    fn new(what: &'static str) -> Self {
        let bar = ProgressBar::new(0);
        if let Ok(style) = ProgressStyle::with_template("{prefix:.bold} [{bar:30}] {pos}/{len} {elapsed}") {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.set_prefix(what);
        Self(bar)
    }

    fn show(&self, progress: KeyProgress) {
        self.0.set_length(progress.total.max(progress.looked_at));
        self.0.set_position(progress.looked_at);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

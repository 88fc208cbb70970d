//! `opsconductor audit`: the record of what was done, checked, exported and signed.

use std::{fs, path::PathBuf};

use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use opsconductor_core::{Engine, Error, ErrorKind};
use serde_json::json;

use crate::{
    exit::{Ended, answer, pour, say},
    key::KeysWhenNeeded,
    runtime,
    store::StoreOptions,
};

#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// Read the whole record and say whether anything in it was changed, removed, added or moved: exit code 0 when not, 1 when so.
    Verify(VerifyOptions),
    /// Write the record to standard output: one JSON object a line, with a signed checkpoint at the end.
    Export(AuditOptions),
    /// Sign the record as it stands, and print the note. Keep it elsewhere.
    Checkpoint(AuditOptions),
    /// Print the key that checkpoints are checked with.
    PublicKey(AuditOptions),
}

/// What each of them can be told.
#[derive(Debug, Args)]
pub(crate) struct AuditOptions {
    #[command(flatten)]
    store: StoreOptions,
    /// The file with the key that seals credentials, and the audit key with them. Without it the environment is asked, as by `worker`.
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Print the result as one JSON object on standard output; an export is JSON in any case.
    #[arg(long)]
    json: bool,
}

/// What `audit verify` can be told.
#[derive(Debug, Args)]
pub(crate) struct VerifyOptions {
    #[command(flatten)]
    all: AuditOptions,
    /// A file with a checkpoint that was kept elsewhere; as often as there are some. Only against one of those is a cut tail found
    /// that someone has hidden who can write to the store.
    #[arg(long, value_name = "FILE")]
    checkpoint: Vec<PathBuf>,
}

/// Does what was asked.
pub(crate) fn obey(command: AuditCommand) -> Result<Ended, Error> {
    match command {
        AuditCommand::Verify(options) => verify(&options),
        AuditCommand::Export(options) => export(&options),
        AuditCommand::Checkpoint(options) => checkpoint(&options),
        AuditCommand::PublicKey(options) => public_key(&options),
    }
}

async fn engine(options: &AuditOptions) -> Result<Engine, Error> {
    let keys = KeysWhenNeeded::new(options.key.clone());
    Engine::builder().shared_store(options.store.open(false).await?).keys(keys).build()
}

fn verify(options: &VerifyOptions) -> Result<Ended, Error> {
    let kept = options.checkpoint.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    let kept: Vec<&str> = kept.iter().map(String::as_str).collect();
    let report = runtime::run(async {
        let ops = engine(&options.all).await?.local();
        let bar = bar("verify");
        let report = ops.audit().verify_with(&kept, |read, all| show(&bar, read, all)).await;
        bar.finish_and_clear();
        report
    })?;
    if options.all.json {
        let findings: Vec<_> = report
            .findings
            .iter()
            .map(|one| json!({"fault": one.fault.as_str(), "seq": one.seq, "message": one.message}))
            .collect();
        let head = json!({"size": report.head.size, "hash": report.head.hash.to_string()});
        let result = json!({
            "ok": report.is_ok(), "records": report.records, "head": head, "faults": report.faults, "problems": findings,
        });
        answer(&result.to_string())?;
    } else {
        report.findings.iter().for_each(|finding| say(&finding.to_string()));
        say(&match report.faults {
            0 => format!("{} records hold; the last is number {}", report.records, report.head.size),
            faults => format!("the record was tampered with: {faults} faults in {} records", report.records),
        });
    }
    Ok(if report.is_ok() { Ended::Well } else { Ended::RunFailed })
}

fn export(options: &AuditOptions) -> Result<Ended, Error> {
    runtime::run(async {
        let ops = engine(options).await?.local();
        let mut export = ops.audit().export().await?;
        let (bar, all) = (bar("export"), export.total());
        let mut written = 0;
        while let Some((lines, records)) = export.next().await? {
            // A reader that has gone away wants no more of it.
            if !pour(&lines)? {
                break;
            }
            written += records;
            show(&bar, written, all);
        }
        bar.finish_and_clear();
        Ok(Ended::Well)
    })
}

fn checkpoint(options: &AuditOptions) -> Result<Ended, Error> {
    let kept = runtime::run(async { engine(options).await?.local().audit().checkpoint().await })?;
    match options.json {
        true => {
            let hash = kept.head.hash.to_string();
            answer(&json!({"size": kept.head.size, "hash": hash, "note": kept.note}).to_string())?;
        }
        false => drop(pour(&kept.note)?),
    }
    Ok(Ended::Well)
}

fn public_key(options: &AuditOptions) -> Result<Ended, Error> {
    let key = runtime::run(async { engine(options).await?.local().audit().public_key().await })?;
    match options.json {
        true => answer(&json!({"key": key.to_string()}).to_string())?,
        false => answer(&key.to_string())?,
    }
    Ok(Ended::Well)
}

fn read(file: &PathBuf) -> Result<String, Error> {
    fs::read_to_string(file).map_err(|source| {
        let message = "the file with the checkpoint cannot be read";
        Error::new(ErrorKind::InvalidInput, message).with("file", file.display()).with_source(source)
    })
}

fn bar(what: &'static str) -> ProgressBar {
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template("{prefix:.bold} [{bar:30}] {pos}/{len} {elapsed}") {
        bar.set_style(style.progress_chars("=> "));
    }
    bar.set_prefix(what);
    bar
}

fn show(bar: &ProgressBar, done: u64, all: u64) {
    bar.set_length(all);
    bar.set_position(done);
}

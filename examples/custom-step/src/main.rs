//! Registers a step kind, shows that jobs are checked against it, and runs one.
#![forbid(unsafe_code)]

use std::{fs, time::Duration};

use opsconductor_core::{
    Engine, Error, ErrorKind, JobSpec, Result, engine::WorkerSettings, store::memory::MemoryStore,
    vault::Keyring,
};
use opsconductor_custom_step::AppendLine;

#[tokio::main]
async fn main() -> Result<()> {
    let folder = tempfile::tempdir().map_err(|error| {
        Error::new(ErrorKind::InvalidInput, "there is no place for a folder").with_source(error)
    })?;
    let engine = Engine::builder()
        .store(MemoryStore::default())
        .keys(Keyring::generate()?)
        .step_kind(AppendLine::new(folder.path()))
        .build()?;
    let ops = engine.local();

    // The kind is in the job schema, for editors and forms: write it to `job-schema.json`.
    let schema = engine.step_kinds().job_schema();
    println!("{}", schema["$defs"]["book.append"]["properties"]["line"]);

    // A definition is checked against it, like any other.
    let faulty = JobSpec::parse(
        r#"{"name": "Log", "version": 1, "steps": [
            {"type": "book.append", "book": "My Book", "line": "hi", "colour": "red"}]}"#,
    )?;
    if let Err(error) = ops.jobs().create(&faulty).await {
        error.problems().iter().for_each(|problem| println!("{problem}"));
    }

    // And it runs.
    let job = JobSpec::parse(
        r#"{"name": "Log", "version": 1, "steps": [
            {"type": "book.append", "book": "releases", "line": "Released {{ what }}"}]}"#,
    )?;
    ops.jobs().create(&job).await?;
    let worker = engine.worker(WorkerSettings::default())?;
    let parameters = [("what".to_owned(), "1.4.2".into())].into_iter().collect();
    let run = ops.jobs().run("Log", parameters, Default::default()).await?;
    let result = run.wait(Duration::from_secs(60)).await?;
    println!(
        "{}: {}",
        result.status,
        fs::read_to_string(folder.path().join("releases.txt")).unwrap_or_default()
    );
    worker.shutdown().await;
    engine.close().await;
    Ok(())
}

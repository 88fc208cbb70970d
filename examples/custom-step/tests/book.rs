//! The kind as jobs see it, and the program.
#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![allow(clippy::needless_pass_by_value, reason = "literals are handed over")]

use std::{fs, path::Path, process::Command, time::Duration};

use opsconductor_core::{
    Engine, JobSpec, Result,
    engine::{RunOptions, RunResult, WorkerSettings},
    run::{RunStatus, TaskStatus},
    store::memory::MemoryStore,
    vault::Keyring,
};
use opsconductor_custom_step::AppendLine;
use serde_json::{Map, Value, json};

fn engine(folder: &Path) -> Engine {
    Engine::builder()
        .store(MemoryStore::default())
        .keys(Keyring::generate().unwrap())
        .step_kind(AppendLine::new(folder))
        .build()
        .unwrap()
}

fn job(step: Value) -> JobSpec {
    JobSpec::from_value(json!({"name": "log", "version": 1, "steps": [step]}))
}

async fn run(engine: &Engine, step: Value, parameters: Value) -> Result<RunResult> {
    let ops = engine.local();
    ops.jobs().create(&job(step)).await?;
    let Value::Object(parameters) = parameters else { return Err(no_object()) };
    let worker = engine.worker(WorkerSettings::default())?;
    let run = ops.jobs().run("log", parameters, RunOptions::default()).await?;
    let result = run.wait(Duration::from_secs(30)).await;
    worker.shutdown().await;
    result
}

fn no_object() -> opsconductor_core::Error {
    opsconductor_core::Error::new(opsconductor_core::ErrorKind::InvalidInput, "no object")
}

#[tokio::test]
async fn a_line_is_written_with_what_the_run_was_given() {
    let folder = tempfile::tempdir().unwrap();
    let step = json!({"type": "book.append", "book": "b", "line": "{{ who }} did it"});
    let result = run(&engine(folder.path()), step, json!({"who": "O'Brien"})).await.unwrap();
    assert_eq!((result.status, result.steps[0].stdout.as_str()), (RunStatus::Succeeded, "O'Brien did it"));
    assert_eq!(fs::read_to_string(folder.path().join("b.txt")).unwrap(), "O'Brien did it\n");
}

#[tokio::test]
async fn a_value_that_would_make_two_lines_fails_the_step_before_it_acts() {
    let folder = tempfile::tempdir().unwrap();
    let step = json!({"type": "book.append", "book": "b", "line": "{{ who }}"});
    let result = run(&engine(folder.path()), step, json!({"who": "a\nb"})).await.unwrap();
    assert_eq!(result.steps[0].status, TaskStatus::Failed);
    assert!(result.steps[0].error.as_deref().unwrap().contains("line break"));
    assert!(fs::read_dir(folder.path()).unwrap().next().is_none());
}

#[test]
fn a_definition_is_checked_against_the_kinds_schema_and_its_own_check() {
    let engine = engine(Path::new("."));
    let problems = |step: Value| {
        let error = job(step).validate(engine.step_kinds()).unwrap_err();
        error.problems().iter().map(|problem| problem.pointer.clone()).collect::<Vec<_>>()
    };
    assert_eq!(problems(json!({"type": "book.append", "book": "B!", "line": "x"})), ["/steps/0/book"]);
    assert_eq!(problems(json!({"type": "book.append", "book": "b", "line": "x\ny"})), ["/steps/0/line"]);
    assert_eq!(
        problems(json!({"type": "book.append", "book": "b", "line": "x", "target": "web-1"})),
        ["/steps/0/target"],
        "it acts on no target"
    );
    assert_eq!(problems(json!({"type": "book.append", "book": "b", "line": "{{ x"})), ["/steps/0/line"]);
}

#[test]
fn the_job_schema_has_the_kind_beside_the_built_in_ones() {
    let schema = engine(Path::new(".")).step_kinds().job_schema();
    let kinds = schema["properties"]["steps"]["items"]["properties"]["type"]["enum"].as_array().unwrap();
    assert!(kinds.contains(&json!("book.append")) && kinds.contains(&json!("http.request")));
    let own: &Map<String, Value> = schema["$defs"]["book.append"]["properties"].as_object().unwrap();
    assert!(own.contains_key("line") && own.contains_key("timeoutSec") && !own.contains_key("target"));
}

#[test]
fn the_program_does_what_it_says() {
    let ended = Command::new(env!("CARGO_BIN_EXE_opsconductor-custom-step")).output().unwrap();
    let said = String::from_utf8(ended.stdout).unwrap();
    assert!(ended.status.success(), "{said}");
    for part in ["the line, a template", "/steps/0/colour", "/steps/0/book", "succeeded: Released 1.4.2"] {
        assert!(said.contains(part), "{said}");
    }
}

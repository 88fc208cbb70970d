//! Step kinds of a host that misbehave, and what the engine makes of them.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use opsconductor_core::{
    Engine, Error, ErrorKind, JobSpec, Result,
    engine::{RunOptions, WorkerSettings},
    job::step::{StepContext, StepHandler, StepOutcome, TemplateField},
    run::{RunStatus, TaskStatus},
    store::memory::MemoryStore,
    transport::Protocol,
    vault::Keyring,
};
use opsconductor_tests::flaky::Flaky;
use serde_json::{Map, Value, json};
use tokio::sync::Notify;

use crate::LIMIT;

struct Act;

#[async_trait]
impl StepHandler for Act {
    fn kind(&self) -> &str {
        "test.act"
    }

    fn schema(&self) -> Value {
        json!({"required": ["how"], "properties": {"how": {"type": "string"}}})
    }

    fn protocol(&self) -> Option<Protocol> {
        None
    }

    fn templates(&self, _: &Map<String, Value>) -> Vec<TemplateField> {
        Vec::new()
    }

    async fn run(&self, context: &mut StepContext<'_>) -> Result<StepOutcome> {
        context.dispatch().await?;
        match context.text("how") {
            "timeout" => {
                Err(Error::new(ErrorKind::Timeout, "the command could not be stopped").with_outcome_unknown())
            }
            "panic" => panic!("a host's handler panics"),
            _ => Ok(StepOutcome::succeeded()),
        }
    }
}

fn engine() -> Engine {
    Engine::builder()
        .store(MemoryStore::default())
        .keys(Keyring::generate().unwrap())
        .step_kind(Act)
        .build()
        .unwrap()
}

async fn job(engine: &Engine, name: &str, how: &str) {
    let text =
        json!({"name": name, "version": 1, "parameters": {"a": 0, "b": 0}, "steps": [{"type": "test.act", "how": how}]}).to_string();
    engine.local().jobs().create(&JobSpec::parse(&text).unwrap()).await.unwrap();
}

#[tokio::test]
async fn a_time_out_whose_command_could_not_be_stopped_is_lost() {
    let engine = engine();
    job(&engine, "t", "timeout").await;
    let worker = engine.worker(WorkerSettings::default()).unwrap();
    let run = engine.local().jobs().run("t", Map::new(), RunOptions::default()).await.unwrap();
    let result = run.wait(LIMIT).await.unwrap();
    assert_eq!(result.steps[0].status, TaskStatus::Lost, "{:?}", result.steps[0].error);
    worker.shutdown().await;
}

#[tokio::test]
async fn a_handler_that_panics_ends_its_task_and_the_worker_goes_on() {
    let engine = engine();
    job(&engine, "p", "panic").await;
    job(&engine, "n", "fine").await;
    let settings = WorkerSettings {
        heartbeat: Duration::from_millis(100),
        lease_ttl: Duration::from_millis(300),
        rescue: Duration::from_millis(100),
        ..WorkerSettings::default().with_concurrency(1)
    };
    let worker = engine.worker(settings).unwrap();
    let first = engine.local().jobs().run("p", Map::new(), RunOptions::default()).await.unwrap();
    let second = engine.local().jobs().run("n", Map::new(), RunOptions::default()).await.unwrap();
    let after = second.wait(LIMIT).await.map(|result| result.status);
    let before = first.wait(LIMIT).await.map(|result| result.status);
    assert!(after.is_ok() && before.is_ok(), "next: {after:?}; panicked: {before:?}");
    worker.shutdown().await;
}

#[tokio::test]
async fn the_order_of_parameters_does_not_matter_to_an_idempotency_key() {
    let engine = engine();
    job(&engine, "n", "fine").await;
    let jobs = |parameters: &str| {
        let engine = engine.clone();
        let parameters = serde_json::from_str::<Map<String, Value>>(parameters).unwrap();
        async move {
            let options = RunOptions { idempotency_key: Some("k".into()), ..RunOptions::default() };
            engine.local().jobs().run("n", parameters, options).await.map(|run| run.id())
        }
    };
    let first = jobs(r#"{"a": 1, "b": 2}"#).await;
    let second = jobs(r#"{"b": 2, "a": 1}"#).await;
    assert!(second.is_ok(), "{first:?} {second:?}");
}

/// Acts only once it is told to, and tells when it could.
struct Late {
    ready: Arc<Notify>,
    told: Arc<Notify>,
}

#[async_trait]
impl StepHandler for Late {
    fn kind(&self) -> &str {
        "test.late"
    }

    fn schema(&self) -> Value {
        json!({"required": [], "properties": {}})
    }

    fn protocol(&self) -> Option<Protocol> {
        None
    }

    fn templates(&self, _: &Map<String, Value>) -> Vec<TemplateField> {
        Vec::new()
    }

    async fn run(&self, context: &mut StepContext<'_>) -> Result<StepOutcome> {
        self.ready.notify_one();
        self.told.notified().await;
        context.dispatch().await?;
        Ok(StepOutcome::succeeded())
    }
}

#[tokio::test]
async fn a_cancel_that_the_store_alone_knows_of_aborts_the_task() {
    let (ready, told) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let engine = Engine::builder()
        .shared_store(Flaky::mute(Arc::new(MemoryStore::default())))
        .keys(Keyring::generate().unwrap())
        .step_kind(Late { ready: Arc::clone(&ready), told: Arc::clone(&told) })
        .build()
        .unwrap();
    let text = json!({"name": "l", "version": 1, "steps": [{"type": "test.late"}]}).to_string();
    engine.local().jobs().create(&JobSpec::parse(&text).unwrap()).await.unwrap();
    let worker = engine.worker(WorkerSettings::default()).unwrap();
    let run = engine.local().jobs().run("l", Map::new(), RunOptions::default()).await.unwrap();
    ready.notified().await;
    run.cancel().await.unwrap();
    told.notify_one();
    let result = run.wait(LIMIT).await.unwrap();
    let step = &result.steps[0];
    assert_eq!((result.status, step.status), (RunStatus::Canceled, TaskStatus::Aborted), "{:?}", step.error);
    worker.shutdown().await;
}

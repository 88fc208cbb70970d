//! What the engine does while its store does not answer, and what it lets out of the secrets it was given.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use opsconductor_core::{
    Engine, Error, ErrorKind, JobSpec, Result,
    clock::{Clock as _, SystemClock},
    engine::{RunOptions, WorkerSettings},
    job::step::{StepContext, StepHandler, StepOutcome, TemplateField},
    run::{EventKind, RunStatus, TaskStatus},
    store::{NewJob, memory::MemoryStore},
    target::TargetSpec,
    tenant::DEFAULT_TENANT,
    testing::ManualClock,
    transport::{ExecRequest, Protocol, Shell},
    vault::{Keyring, credential::Credential},
};
use opsconductor_tests::{
    flaky::Flaky,
    fleet::{Fleet, PASSWORD, object, steps},
    scripted::Scripted,
};
use serde_json::{Map, Value, json};

use crate::{LIMIT, moment, passing};

async fn flaky() -> (Fleet, Arc<Flaky>) {
    let clock = Arc::new(SystemClock::new());
    let store = Flaky::new(Arc::new(MemoryStore::new(clock.clone())));
    (Fleet::on(store.clone(), clock, None).await.unwrap(), store)
}

async fn eventually(what: &str, done: impl Fn() -> bool) {
    let wait = async {
        while !done() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(tokio::time::timeout(LIMIT, wait).await.is_ok(), "{what}");
}

#[tokio::test]
async fn a_task_is_stopped_before_its_lease_ends_when_the_store_stops_answering() {
    let clock = Arc::new(ManualClock::new());
    let store = Flaky::new(Arc::new(MemoryStore::new(clock.clone())));
    let fleet = Fleet::on(store.clone(), clock.clone(), None).await.unwrap();
    let settings = WorkerSettings::default();
    let ttl = settings.lease_ttl;
    let worker = fleet.engine.worker(settings).unwrap();
    let run = fleet.run(&steps("fenced", &[("web-1", "hold")]), json!({})).await.unwrap();
    passing(&clock, fleet.hosts.holding(1)).await;
    for call in ["renew", "take_expired", "complete"] {
        store.away(call, usize::MAX);
    }
    // Whatever was renewed was renewed before this.
    let since = clock.monotonic();
    while fleet.hosts.stopped() == 0 {
        let gone = clock.monotonic() - since;
        assert!(gone < ttl, "another worker could have it after {gone:?}");
        moment(&clock).await;
    }
    for call in ["renew", "take_expired", "complete"] {
        store.away(call, 0);
    }
    let result = passing(&clock, run.wait(LIMIT)).await.unwrap();
    assert_eq!(result.steps[0].status, TaskStatus::Lost, "what lost its lease writes no result: {result:?}");
    passing(&clock, worker.shutdown()).await;
}

#[tokio::test]
async fn output_and_results_wait_for_the_store() {
    let (fleet, store) = flaky().await;
    let worker = fleet.engine.worker(WorkerSettings::default()).unwrap();
    for (index, call) in ["append_output", "complete", "append_output"].into_iter().enumerate() {
        store.away(call, 3);
        let run =
            fleet.run(&steps(&format!("w{index}"), &[("web-1", "print a;b")]), json!({})).await.unwrap();
        let result = run.wait(LIMIT).await.unwrap();
        assert_eq!(store.failed(call), 3, "{call}");
        assert_eq!(
            (result.status, result.steps[0].stdout.as_str()),
            (RunStatus::Succeeded, "a\nb\n"),
            "{call}"
        );
        let mut events = run.events();
        let mut text = String::new();
        while let Some(event) = events.next().await.unwrap() {
            if let EventKind::StepOutput { text: piece, .. } = event.kind {
                text.push_str(&piece);
            }
        }
        assert_eq!(text, "a\nb\n", "{call}: once and in order");
        assert_eq!(fleet.hosts.received().len(), index + 1, "{call}: nothing is sent again");
    }
    worker.shutdown().await;
}

#[tokio::test]
async fn results_that_are_refused_together_are_recorded_one_by_one() {
    let (fleet, store) = flaky().await;
    let worker = fleet.engine.worker(WorkerSettings::default()).unwrap();
    store.refuse_batches("complete");
    store.close();
    let mut runs = Vec::new();
    for n in 0..4 {
        runs.push(fleet.run(&steps(&format!("b{n}"), &[("web-1", "print x")]), json!({})).await.unwrap());
    }
    eventually("all have run", || fleet.hosts.received().len() == 4).await;
    // On one thread and without anything to wait for, the results are handed in by then.
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
    store.open();
    for run in runs {
        assert_eq!(run.wait(LIMIT).await.unwrap().status, RunStatus::Succeeded);
    }
    assert!(store.failed("complete") > 0, "some were handed in together");
    worker.shutdown().await;
}

#[tokio::test]
async fn steps_go_on_while_results_wait_for_the_store_but_not_without_end() {
    let (fleet, store) = flaky().await;
    let worker = fleet.engine.worker(WorkerSettings::default().with_concurrency(1)).unwrap();
    store.close();
    let mut runs = Vec::new();
    for n in 0..6 {
        runs.push(fleet.run(&steps(&format!("s{n}"), &[("web-1", "print x")]), json!({})).await.unwrap());
    }
    // Two results wait; the third step is over and keeps the only slot.
    eventually("three have run", || fleet.hosts.received().len() == 3).await;
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
    assert_eq!(fleet.hosts.received().len(), 3, "what waits has a bound");
    store.open();
    for run in runs {
        assert_eq!(run.wait(LIMIT).await.unwrap().status, RunStatus::Succeeded);
    }
    assert_eq!(fleet.hosts.received().len(), 6);
    worker.shutdown().await;
}

#[tokio::test]
async fn an_event_outlives_an_error_while_it_is_read() {
    let (fleet, store) = flaky().await;
    let worker = fleet.engine.worker(WorkerSettings::default()).unwrap();
    let run = fleet.run(&steps("read", &[("web-1", "print a")]), json!({})).await.unwrap();
    run.wait(LIMIT).await.unwrap();
    for call in ["run_plan", "events"] {
        store.away(call, 2);
        let (mut events, mut seen, mut errors) = (run.events(), Vec::new(), 0);
        loop {
            match events.next().await {
                Ok(Some(event)) => seen.push(event.seq),
                Ok(None) => break,
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::StoreUnavailable);
                    errors += 1;
                }
            }
        }
        assert_eq!((errors, seen), (2, vec![1, 2, 3, 4, 5, 6]), "{call}");
    }
    worker.shutdown().await;
}

#[tokio::test]
async fn a_shutdown_gives_steps_back_that_may_be_sent_again_and_loses_those_in_doubt() {
    let (fleet, _) = flaky().await;
    let step = |command: &str, idempotent: bool| {
        let on_lost = if idempotent { "retry" } else { "fail" };
        json!({"type": "winrm.exec", "shell": "cmd", "target": "web-1", "command": command,
               "idempotent": idempotent, "onLost": on_lost})
    };
    let mut runs = Vec::new();
    let worker = fleet.engine.worker(WorkerSettings::default().with_drain(Duration::ZERO)).unwrap();
    for (name, command, idempotent) in [
        ("back", "hold", true),
        ("stopped", "hold", false),
        ("back too", "cling", true),
        ("lost", "cling", false),
    ] {
        let job = json!({"name": name, "version": 1, "steps": [step(command, idempotent)]}).to_string();
        runs.push(fleet.run(&job, json!({})).await.unwrap());
    }
    fleet.hosts.holding(4).await;
    worker.shutdown().await;
    let mut statuses = Vec::new();
    for run in &runs {
        statuses.push(run.steps().await.unwrap()[0].status);
    }
    use TaskStatus::{Aborted, Lost, Queued};
    assert_eq!(statuses, [Queued, Aborted, Queued, Lost]);
}

#[tokio::test]
async fn a_repeat_is_answered_though_the_job_has_been_deactivated() {
    let (fleet, store) = flaky().await;
    let job = fleet
        .ops
        .jobs()
        .create(&JobSpec::parse(&steps("once", &[("web-2", "print x")])).unwrap())
        .await
        .unwrap();
    let enqueue = async |key: &str| {
        let options = RunOptions { idempotency_key: Some(key.into()), ..RunOptions::default() };
        fleet.ops.jobs().run(&job.name, Map::new(), options).await.map(|run| run.id())
    };
    let first = enqueue("k").await.unwrap();
    let new = NewJob {
        name: job.name.clone(),
        version: job.version + 1,
        definition: job.definition.clone(),
        targets: Vec::new(),
        created_by: None,
        is_active: false,
        expected_version: None,
    };
    use opsconductor_core::store::Catalog as _;
    store.update_job(DEFAULT_TENANT, job.id, new).await.unwrap();
    assert_eq!(enqueue("k").await.unwrap(), first);
    assert_eq!(enqueue("another").await.unwrap_err().kind(), ErrorKind::InvalidInput);
}

/// Tells the password in everything a handler can say.
struct Telltale;

#[async_trait]
impl StepHandler for Telltale {
    fn kind(&self) -> &str {
        "test.telltale"
    }

    fn schema(&self) -> Value {
        json!({"required": ["how"], "properties": {"how": {"type": "string"}}})
    }

    fn protocol(&self) -> Option<Protocol> {
        Some(Protocol::Winrm)
    }

    fn templates(&self, _: &Map<String, Value>) -> Vec<TemplateField> {
        Vec::new()
    }

    async fn run(&self, context: &mut StepContext<'_>) -> Result<StepOutcome> {
        context.exec(ExecRequest::new(Shell::Cmd, "print x")).await?;
        match context.text("how") {
            "requeue" => {
                Err(Error::new(ErrorKind::Transport, format!("it said {PASSWORD}")).with_outcome_unknown())
            }
            _ => Ok(StepOutcome::succeeded()
                .with_metric("plain", PASSWORD)
                .with_metric("deep", json!([{"at": format!("<{PASSWORD}>")}]))),
        }
    }
}

#[tokio::test]
async fn a_password_is_in_no_measurement_and_in_no_reason_to_try_again() {
    let hosts = Scripted::default();
    let engine = Engine::builder()
        .store(MemoryStore::default())
        .keys(Keyring::generate().unwrap())
        .connector(hosts)
        .step_kind(Telltale)
        .build()
        .unwrap();
    let ops = engine.local();
    let credential =
        ops.credentials().create("admin", &Credential::winrm("ada", PASSWORD.into())).await.unwrap();
    ops.targets().create(TargetSpec::winrm("web-1", "host", credential.id)).await.unwrap();
    let worker = engine.worker(WorkerSettings::default()).unwrap();
    for how in ["measure", "requeue"] {
        let job = json!({"name": how, "version": 1, "steps": [{
            "type": "test.telltale", "how": how, "target": "web-1", "idempotent": true, "onLost": "retry"
        }]});
        ops.jobs().create(&JobSpec::parse(&job.to_string()).unwrap()).await.unwrap();
        let run = ops.jobs().run(how, object(json!({})), RunOptions::default()).await.unwrap();
        run.wait(LIMIT).await.unwrap();
        let tasks = engine.store().tasks(DEFAULT_TENANT, run.id(), Default::default()).await.unwrap().items;
        let mut all = format!("{tasks:?}");
        for attempt in engine.store().attempts(DEFAULT_TENANT, run.id(), tasks[0].id).await.unwrap() {
            all.push_str(&format!("{attempt:?}"));
        }
        let mut events = run.events();
        while let Some(event) = events.next().await.unwrap() {
            all.push_str(&format!("{event:?}"));
        }
        let told = if how == "measure" { "<[redacted]>" } else { "it said [redacted]" };
        assert!(all.contains(told), "{all}");
        assert!(!all.contains(PASSWORD), "{how}");
    }
    worker.shutdown().await;
}

//! A worker process dies while a command of its runs on a Windows host. The host lives in this process, and so does the
//! worker that goes on.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use opsconductor_core::{
    Engine, JobSpec,
    clock::{Clock, SystemClock, Timestamp},
    engine::{Run, RunResult, WorkerSettings},
    run::{EventKind, RunStatus, TaskStatus},
    store::RunFilter,
    vault,
};
use opsconductor_store_sqlite::{SqliteOptions, SqliteStore};
use opsconductor_tests::windows::{PASSWORD, USER, engine, populate, store};
use serde_json::{Map, Value, json};
use tempfile::TempDir;
use windows_sim::{Action, Fault, WindowsHost};

const LIMIT: Duration = Duration::from_secs(120);

const HOUR: Duration = Duration::from_secs(3600);

/// Says a word, waits for a file, says the password, and ends.
const SCRIPT: &str = "Add-Content C:\\temp\\ran.txt x; 'one'; while(-not (Test-Path C:\\temp\\go.txt)){Start-Sleep -Milliseconds 20}; \
                      \"two $env:SAYS\"; Write-Error 'three'; exit 3";

struct Scene {
    host: WindowsHost,
    folder: TempDir,
}

impl Scene {
    async fn new() -> Self {
        let host =
            WindowsHost::builder("WIN-1").user(USER, PASSWORD).http("127.0.0.1:0").start().await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        vault::create_key_file(folder.path().join("key")).unwrap();
        Self { host, folder }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn address(&self) -> String {
        self.host.http_addr().unwrap().to_string()
    }

    /// Starts a worker process with this job.
    fn worker(&self, job: &Value) -> Child {
        let file = self.path().join("job.json");
        std::fs::write(&file, job.to_string()).unwrap();
        Command::new(env!("CARGO_BIN_EXE_crash-worker"))
            .arg(self.path())
            .args(["windows", &self.address()])
            .arg(file)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// Starts a worker process, and kills it (SIGKILL) after the first output was stored.
    fn kill_after_output(&self, job: &Value) {
        let mut worker = self.worker(job);
        let mut said = String::new();
        BufReader::new(worker.stdout.take().unwrap()).read_line(&mut said).unwrap();
        worker.kill().unwrap();
        worker.wait().unwrap();
        assert_eq!(said, "holding\n");
    }

    /// Starts a worker process, and kills it while the host has a message of this action before it.
    async fn kill_at(&self, action: Action, job: &Value) {
        self.host.faults().on_next(action, Fault::Delay(Duration::from_secs(3)));
        let mut worker = self.worker(job);
        eventually("the message has come", || self.host.faults().remaining() == 0).await;
        worker.kill().unwrap();
        worker.wait().unwrap();
    }

    fn engine(&self) -> Engine {
        engine(store(self.path()).unwrap(), self.path()).unwrap()
    }

    fn go(&self) {
        self.host.machine().write_file("C:\\temp\\go.txt", Vec::new());
    }

    fn ran(&self) -> usize {
        let file = self.host.machine().read_file("C:\\temp\\ran.txt");
        file.map_or(0, |bytes| bytes.iter().filter(|byte| **byte == b'x').count())
    }
}

/// The machine's clock, and an hour later once it is told so.
#[derive(Debug, Default)]
struct Jumping {
    clock: SystemClock,
    jumped: AtomicBool,
}

impl Jumping {
    fn jump(&self) {
        self.jumped.store(true, Ordering::SeqCst);
    }

    fn ahead(&self) -> Duration {
        if self.jumped.load(Ordering::SeqCst) { HOUR } else { Duration::ZERO }
    }
}

#[async_trait]
impl Clock for Jumping {
    fn now(&self) -> Timestamp {
        self.clock.now() + self.ahead()
    }

    fn monotonic(&self) -> Duration {
        self.clock.monotonic() + self.ahead()
    }

    async fn sleep(&self, duration: Duration) {
        self.clock.sleep(duration).await;
    }
}

fn job(shell: &str, command: &str) -> Value {
    json!({"name": "interrupted", "version": 1, "steps": [{
        "type": "winrm.exec", "shell": shell, "target": "win-1", "script": command, "timeoutSec": 50
    }]})
}

async fn eventually(what: &str, done: impl Fn() -> bool) {
    let wait = async {
        while !done() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    assert!(tokio::time::timeout(LIMIT, wait).await.is_ok(), "{what}");
}

async fn the_run(engine: &Engine) -> Run {
    let list = engine.local().runs().list(RunFilter::default(), Default::default()).await.unwrap();
    assert_eq!(list.total, 1);
    engine.local().runs().get(list.items[0].id).await.unwrap()
}

async fn see_through(engine: &Engine) -> (Run, RunResult) {
    let run = the_run(engine).await;
    let worker = engine.worker(WorkerSettings::default()).unwrap();
    let result = run.wait(LIMIT).await.unwrap();
    worker.shutdown().await;
    (run, result)
}

async fn kinds(run: &Run) -> Vec<&'static str> {
    let (mut events, mut kinds) = (run.events(), Vec::new());
    while let Some(event) = events.next().await.unwrap() {
        kinds.push(event.kind.as_str());
    }
    kinds
}

async fn text(run: &Run) -> String {
    let (mut events, mut all) = (run.events(), String::new());
    while let Some(event) = events.next().await.unwrap() {
        if let EventKind::StepOutput { text, .. } = event.kind {
            all.push_str(&text);
        }
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_worker_goes_on_with_the_command() {
    let scene = Scene::new().await;
    let mut job = job("powershell", SCRIPT);
    job["steps"][0]["env"] = json!({"SAYS": PASSWORD});
    scene.kill_after_output(&job);
    scene.go();
    let engine = scene.engine();
    let (run, result) = see_through(&engine).await;
    let step = &result.steps[0];
    assert_eq!((step.status, step.exit_code), (TaskStatus::Failed, Some(3)), "{step:?}");
    let (before, after) = step.stdout.split_once("[opsconductor: output may be missing here:").unwrap();
    assert_eq!(before.trim_end(), "one", "what was stored stays");
    assert!(after.contains("two [redacted]") && !after.contains(PASSWORD), "{after}");
    assert!(step.stderr.contains("three"), "{}", step.stderr);
    assert_eq!(scene.ran(), 1, "the command ran once");
    let all = text(&run).await;
    let lines = |wanted: &str| all.lines().filter(|line| line.trim_end() == wanted).count();
    assert_eq!((lines("one"), lines("two [redacted]")), (1, 1), "{all}");
    assert!(!kinds(&run).await.contains(&"step.waiting"), "it is the same attempt");
    engine.close().await;
    assert_eq!(scene.host.counters().shells_open, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_script_that_was_not_sent_is_queued_again_and_runs_once() {
    let scene = Scene::new().await;
    scene.go();
    scene.kill_at(Action::Send, &job("powershell", SCRIPT)).await;
    assert_eq!(scene.ran(), 0);
    let engine = scene.engine();
    let (run, result) = see_through(&engine).await;
    assert_eq!(result.steps[0].exit_code, Some(3), "{result:?}");
    assert_eq!(scene.ran(), 1);
    assert_eq!(kinds(&run).await.iter().filter(|kind| **kind == "step.waiting").count(), 1);
    assert!(!text(&run).await.contains("missing"), "nothing ran, so nothing is missing");
    engine.close().await;
    assert_eq!(scene.host.counters().shells_open, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cmd_command_without_a_name_is_lost_and_its_shell_deleted() {
    let scene = Scene::new().await;
    scene.kill_at(Action::Command, &job("cmd", "echo x>>C:\\temp\\ran.txt& ping -n 300 127.0.0.1")).await;
    assert_eq!(scene.host.counters().shells_open, 1);
    let engine = scene.engine();
    let (_, result) = see_through(&engine).await;
    assert_eq!((result.status, result.steps[0].status), (RunStatus::Failed, TaskStatus::Lost), "{result:?}");
    assert!(result.steps[0].error.as_ref().unwrap().contains("outcome is unknown"), "{result:?}");
    eventually("the shell is deleted", || scene.host.counters().shells_open == 0).await;
    eventually("nothing runs", || scene.host.machine().running_processes() == 0).await;
    assert!(scene.ran() <= 1);
    engine.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancel_reaches_a_command_whose_worker_is_gone() {
    let scene = Scene::new().await;
    scene.kill_after_output(&job("powershell", SCRIPT));
    let engine = scene.engine();
    the_run(&engine).await.cancel().await.unwrap();
    let (_, result) = see_through(&engine).await;
    assert_eq!(
        (result.status, result.steps[0].status),
        (RunStatus::Canceled, TaskStatus::Aborted),
        "{result:?}"
    );
    eventually("nothing runs", || scene.host.machine().running_processes() == 0).await;
    assert_eq!(scene.host.counters().shells_open, 0);
    engine.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_time_limit_counts_from_the_dispatch() {
    let scene = Scene::new().await;
    let mut job = job("powershell", SCRIPT);
    job["steps"][0]["timeoutSec"] = json!(3602);
    scene.kill_after_output(&job);
    // An hour later two seconds are left of it; from now on it would take another hour.
    let clock = Arc::new(Jumping::default());
    let options = SqliteOptions::default().with_clock(clock.clone());
    let store = SqliteStore::open(scene.path().join("ops.db"), options).unwrap();
    clock.jump();
    let engine = engine(Arc::new(store), scene.path()).unwrap();
    let (_, result) = see_through(&engine).await;
    let step = &result.steps[0];
    assert_eq!(step.status, TaskStatus::Failed, "{step:?}");
    assert!(step.error.as_ref().unwrap().contains("timeoutSec of 3602 s"), "{step:?}");
    eventually("nothing runs", || scene.host.machine().running_processes() == 0).await;
    assert_eq!(scene.host.counters().shells_open, 0);
    engine.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_that_the_host_has_forgotten_is_lost() {
    let scene = Scene::new().await;
    scene.kill_after_output(&job("powershell", SCRIPT));
    scene.host.reboot();
    let engine = scene.engine();
    let (_, result) = see_through(&engine).await;
    let step = &result.steps[0];
    assert_eq!(step.status, TaskStatus::Lost, "{step:?}");
    assert!(step.error.as_ref().unwrap().contains("restarted"), "{step:?}");
    assert_eq!(step.stdout.trim_end(), "one", "what was stored stays: {step:?}");
    engine.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_is_shut_down_hands_its_command_over() {
    let scene = Scene::new().await;
    let shared = store(scene.path()).unwrap();
    let first = engine(Arc::clone(&shared), scene.path()).unwrap();
    populate(&first, &scene.address()).await.unwrap();
    let ops = first.local();
    ops.jobs().create(&JobSpec::parse(&job("powershell", SCRIPT).to_string()).unwrap()).await.unwrap();
    // Whoever waited for the lease to end would wait longer than this test does.
    let settings = WorkerSettings {
        lease_ttl: 5 * LIMIT,
        rescue: Duration::from_millis(50),
        ..WorkerSettings::default()
    };
    let worker = first.worker(settings.clone().with_drain(Duration::ZERO)).unwrap();
    let run = ops.jobs().run("interrupted", Map::new(), Default::default()).await.unwrap();
    let mut events = run.events();
    while let Some(event) = events.next().await.unwrap() {
        if matches!(event.kind, EventKind::StepOutput { .. }) {
            break;
        }
    }
    worker.shutdown().await;
    first.close().await;
    assert_eq!(run.steps().await.unwrap()[0].status, TaskStatus::Running);
    let second = engine(shared, scene.path()).unwrap();
    let worker = second.worker(settings).unwrap();
    scene.go();
    let result = run.wait(LIMIT).await.unwrap();
    assert_eq!(result.steps[0].exit_code, Some(3), "{result:?}");
    assert!(result.steps[0].stdout.contains("two"), "{result:?}");
    assert_eq!(scene.ran(), 1);
    worker.shutdown().await;
    second.close().await;
    assert_eq!(scene.host.counters().shells_open, 0);
}

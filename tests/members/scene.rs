//! Hosts of both kinds, an engine on a SQLite file, and a worker.

use std::{
    fs,
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use opsconductor_core::{
    Engine, JobSpec,
    engine::{Run, RunEvent, RunResult, Scoped, Worker, WorkerSettings},
    run::{EventKind, RunStatus, TaskStatus},
    target::TargetSpec,
    testing::transport::{Powershell, Sh},
    transport::{
        http::{HttpConnector, HttpSettings},
        ssh::SshConnector,
        winrm::WinrmConnector,
    },
    vault::{Keyring, credential::Credential},
};
use opsconductor_tests::{
    fleet::object,
    openssh::OpenSsh,
    relay::Relay,
    windows::{PASSWORD, USER, store},
};
use serde_json::Value;
use tempfile::TempDir;
use windows_sim::WindowsHost;

use crate::side::{Files, Side};

/// Far longer than anything here takes; a test that waits so long has failed.
pub(crate) const LIMIT: Duration = Duration::from_secs(120);

/// A port on which nobody listens.
const NOBODY: u16 = 1;

/// A simulated Windows host and a real SSH server, each with three names, and an engine that reaches them.
pub(crate) struct Scene {
    pub(crate) engine: Engine,
    pub(crate) ops: Scoped,
    pub(crate) windows: WindowsHost,
    /// The way to the SSH server.
    pub(crate) relay: Relay,
    /// Windows first.
    pub(crate) sides: [Side; 2],
    /// The database, and the worker's folder for files in it.
    pub(crate) folder: TempDir,
    worker: Option<Worker>,
    unix: Arc<OpenSsh>,
}

/// Does the same on Windows and on Unix, side by side.
pub(crate) async fn on_both(test: impl AsyncFn(&Scene, &Side)) {
    let scene = Scene::start().await;
    let [windows, unix] = &scene.sides;
    tokio::join!(test(&scene, windows), test(&scene, unix));
    scene.end().await;
}

/// Settings of a worker that soon notices what has run too long.
pub(crate) fn settings() -> WorkerSettings {
    WorkerSettings { rescue: Duration::from_millis(100), ..WorkerSettings::default() }
}

impl Scene {
    /// With a worker.
    pub(crate) async fn start() -> Self {
        let mut scene = Self::idle().await;
        scene.work(settings());
        scene
    }

    /// Without one yet.
    pub(crate) async fn idle() -> Self {
        let windows = WindowsHost::builder("WIN-1").user(USER, PASSWORD).http("127.0.0.1:0");
        let windows = windows.start().await.unwrap();
        let unix = server();
        let relay = Relay::start(unix.port()).await;
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("files")).unwrap();
        let http = HttpSettings { allow: vec!["127.0.0.0/8".parse().unwrap()], ..HttpSettings::default() };
        let engine = Engine::builder()
            .shared_store(store(folder.path()).unwrap())
            .keys(Keyring::generate().unwrap())
            .connector(WinrmConnector::new())
            .connector(SshConnector::new().unwrap())
            .connector(HttpConnector::builder().with_settings(http).build().unwrap())
            .files(folder.path().join("files"))
            .build()
            .unwrap();
        let machine = Files::Windows(Arc::clone(windows.machine()));
        let directory = own_folder(&unix);
        let sh = Sh { directory: directory.display().to_string() };
        let sides = [
            Side::new("winrm", "win", Box::new(Powershell), machine),
            Side::new("ssh", "unix", Box::new(sh), Files::Unix(directory)),
        ];
        let scene = Self { ops: engine.local(), engine, windows, relay, sides, folder, worker: None, unix };
        scene.populate().await;
        scene
    }

    /// Starts the worker.
    pub(crate) fn work(&mut self, settings: WorkerSettings) {
        self.worker = Some(self.engine.worker(settings).unwrap());
    }

    /// Writes down the targets: of each side three that lead to its host, of which two carry `role:web`, the first of them
    /// `env:test` too, and the third `role:db`, and one whose host is away.
    async fn populate(&self) {
        let credentials = self.ops.credentials();
        let password = Credential::winrm(USER, PASSWORD.into());
        let windows = credentials.create("windows", &password).await.unwrap().id;
        let key = credentials.create("unix", &self.unix.credential()).await.unwrap().id;
        let port = self.windows.http_addr().unwrap().port();
        let pin = self.unix.endpoint().metadata["ssh_host_key_sha256"].clone();
        for (index, tags) in [&["role:web", "env:test"][..], &["role:web"], &["role:db"]].iter().enumerate() {
            let [win, unix] = [0, 1].map(|side: usize| self.sides[side].hosts[index].clone());
            let win = TargetSpec::winrm(win, "127.0.0.1", windows).with_port(port);
            let unix = TargetSpec::ssh(unix, "127.0.0.1", key).with_port(self.relay.port());
            let unix = unix.with_metadata("ssh_host_key_sha256", pin.clone());
            for target in [win, unix] {
                let target = tags.iter().fold(target, |target, tag| target.with_tag(*tag));
                self.ops.targets().create(target).await.unwrap();
            }
        }
        let win = TargetSpec::winrm(&self.sides[0].gone, "127.0.0.1", windows);
        let unix = TargetSpec::ssh(&self.sides[1].gone, "127.0.0.1", key);
        for target in [win, unix.with_metadata("ssh_host_key_sha256", pin)] {
            self.ops.targets().create(target.with_port(NOBODY).with_tag("role:gone")).await.unwrap();
        }
    }

    /// Saves the job and starts a run of it.
    pub(crate) async fn begin(&self, job: Value, parameters: Value) -> Run {
        let name = job["name"].as_str().unwrap().to_owned();
        let saved = self.ops.jobs().create(&JobSpec::from_value(job)).await;
        saved.unwrap_or_else(|error| panic!("{name}: {error}: {:?}", error.problems()));
        self.again(&name, parameters).await
    }

    /// Starts another run of a job.
    pub(crate) async fn again(&self, name: &str, parameters: Value) -> Run {
        self.ops.jobs().run(name, object(parameters), Default::default()).await.unwrap()
    }

    /// Saves the job, runs it, and waits for the end.
    pub(crate) async fn run(&self, job: Value, parameters: Value) -> RunResult {
        self.begin(job, parameters).await.wait(LIMIT).await.unwrap()
    }

    /// The same for a run that must succeed.
    pub(crate) async fn good(&self, job: Value, parameters: Value) -> RunResult {
        let result = self.run(job, parameters).await;
        assert_eq!(result.status, RunStatus::Succeeded, "{:?}", result.steps);
        result
    }

    /// Ends the worker, and what is kept open to the hosts.
    pub(crate) async fn end(mut self) {
        if let Some(worker) = self.worker.take() {
            worker.shutdown().await;
        }
        self.engine.close().await;
    }
}

/// Returns when something has happened to the run.
pub(crate) async fn until(run: &Run, what: &str, found: impl Fn(&RunEvent) -> bool) {
    let mut events = run.events();
    let look = async {
        while let Some(event) = events.next().await.unwrap() {
            if found(&event) {
                return true;
            }
        }
        false
    };
    let seen = tokio::time::timeout(LIMIT, look).await;
    assert_eq!(seen, Ok(true), "{what}: {:?}", run.steps().await);
}

/// Returns when a step has said something on the target of that name.
pub(crate) async fn said(run: &Run, step: &str, target: &str) {
    until(run, &format!("{step} says nothing on {target}"), |event| {
        matches!(event.kind, EventKind::StepOutput { .. })
            && event.step.as_deref() == Some(step)
            && event.target.as_deref() == Some(target)
    })
    .await;
}

/// Returns when a step has ended on the target of that name.
pub(crate) async fn ended(run: &Run, step: &str, target: &str) {
    until(run, &format!("{step} does not end on {target}"), |event| {
        matches!(event.kind, EventKind::StepFinished { .. })
            && event.step.as_deref() == Some(step)
            && event.target.as_deref() == Some(target)
    })
    .await;
}

/// Returns when a step waits, with what it says.
pub(crate) async fn waits(run: &Run) -> String {
    let mut events = run.events();
    let look = async {
        while let Some(event) = events.next().await.unwrap() {
            if let EventKind::StepRequeued { reason } = event.kind {
                return Some(reason);
            }
        }
        None
    };
    tokio::time::timeout(LIMIT, look).await.unwrap().unwrap()
}

/// How each task of a step stands, in the order of targets.
pub(crate) async fn stand(run: &Run, step: &str) -> Vec<TaskStatus> {
    let steps = run.steps().await.unwrap();
    steps.iter().filter(|task| task.step == step).map(|task| task.status).collect()
}

/// How each task ended.
pub(crate) fn statuses(result: &RunResult) -> Vec<TaskStatus> {
    result.steps.iter().map(|task| task.status).collect()
}

/// The server that the tests share: the last of them that uses it ends it.
fn server() -> Arc<OpenSsh> {
    static SHARED: Mutex<Weak<OpenSsh>> = Mutex::new(Weak::new());
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(server) = shared.upgrade() {
        return server;
    }
    let server = Arc::new(OpenSsh::start(&["LogLevel INFO", "MaxSessions 64"]));
    *shared = Arc::downgrade(&server);
    server
}

/// A folder of the server for one test.
fn own_folder(server: &OpenSsh) -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let folder = server.folder().join("files").join(number.to_string());
    fs::create_dir(&folder).unwrap();
    folder
}

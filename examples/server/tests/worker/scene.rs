//! A simulated host, a store, and worker processes on it.

use std::{
    path::PathBuf,
    process::{Command, ExitStatus, Stdio},
    sync::Arc,
    time::Duration,
};

use opsconductor_core::{
    Engine, JobSpec,
    engine::Run,
    id::RunId,
    store::Store,
    target::TargetSpec,
    transport::winrm::WinrmConnector,
    vault::{Credential, Keyring, create_key_file},
};
use opsconductor_store_sqlite::{SqliteOptions, SqliteStore};
use serde_json::{Map, Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::ChildStderr,
};
use windows_sim::WindowsHost;

/// Far beyond what a debug build needs on a busy machine; what is to be caught here waits forever.
pub(crate) const LIMIT: Duration = Duration::from_secs(120);

const USER: &str = "Administrator";
const PASSWORD: &str = "correct horse battery";

/// Leaves a mark, and waits until it may end.
const SCRIPT: &str =
    "Add-Content C:\\temp\\ran.txt x; while(-not (Test-Path C:\\temp\\go.txt)){Start-Sleep -Milliseconds 20}";

pub(crate) struct Scene {
    folder: TempDir,
    url: String,
    /// Beside the URL: the schema in PostgreSQL.
    more: Vec<String>,
    engine: Engine,
    host: WindowsHost,
    #[cfg(feature = "postgres")]
    _place: Option<opsconductor_store_pg::testing::Place>,
}

impl Scene {
    /// On a SQLite file.
    pub(crate) async fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ops.db");
        let store = SqliteStore::open(&path, SqliteOptions::default()).unwrap();
        Self::new(folder, format!("sqlite:{}", path.display()), Vec::new(), Arc::new(store)).await
    }

    /// On a throwaway server.
    #[cfg(feature = "postgres")]
    pub(crate) async fn postgres() -> Self {
        use opsconductor_store_pg::{PgOptions, PgStore, testing::Server};
        let place = Server::shared().place();
        let options = PgOptions::default().with_schema(place.schema());
        let store = PgStore::connect(place.url(), options).await.unwrap();
        let more = vec!["--schema".to_owned(), place.schema().to_owned()];
        let folder = tempfile::tempdir().unwrap();
        let mut scene = Self::new(folder, place.url().to_owned(), more, Arc::new(store)).await;
        scene._place = Some(place);
        scene
    }

    async fn new(folder: TempDir, url: String, more: Vec<String>, store: Arc<dyn Store>) -> Self {
        let key = folder.path().join("key");
        create_key_file(&key).unwrap();
        let engine = Engine::builder()
            .shared_store(store)
            .keys(Keyring::from_file(&key).unwrap())
            .connector(WinrmConnector::new())
            .build()
            .unwrap();
        let host =
            WindowsHost::builder("WIN-1").user(USER, PASSWORD).http("127.0.0.1:0").start().await.unwrap();
        Self {
            folder,
            url,
            more,
            engine,
            host,
            #[cfg(feature = "postgres")]
            _place: None,
        }
    }

    /// So many targets `win-0`, `win-1` … with the tag `all`, which all are the one host.
    pub(crate) async fn targets(&self, targets: usize) {
        let ops = self.engine.local();
        let credential = Credential::winrm(USER, PASSWORD.into());
        let credential = ops.credentials().create("windows", &credential).await.unwrap().id;
        let address = self.host.http_addr().unwrap();
        for index in 0..targets {
            let target = TargetSpec::winrm(format!("win-{index}"), address.ip().to_string(), credential)
                .with_port(address.port())
                .with_tag("all");
            ops.targets().create(target).await.unwrap();
        }
    }

    /// A run of one command on so many targets. Each waits until it is released.
    pub(crate) async fn run_waiting_commands(&self, targets: usize) -> Run {
        self.targets(targets).await;
        let ops = self.engine.local();
        let job = json!({"name": "wait", "version": 1, "steps": [{
            "type": "winrm.exec", "shell": "powershell", "targets": {"tags": ["all"]}, "script": SCRIPT, "timeoutSec": 100
        }]});
        ops.jobs().create(&JobSpec::parse(&job.to_string()).unwrap()).await.unwrap();
        ops.jobs().run("wait", Map::new(), Default::default()).await.unwrap()
    }

    /// Lets the commands end.
    pub(crate) fn release(&self) {
        self.host.machine().write_file("C:\\temp\\go.txt", Vec::new());
    }

    /// How many commands have begun.
    pub(crate) fn ran(&self) -> usize {
        let file = self.host.machine().read_file("C:\\temp\\ran.txt");
        file.map_or(0, |bytes| bytes.iter().filter(|byte| **byte == b'x').count())
    }

    /// Waits until so many commands have begun.
    pub(crate) async fn running(&self, commands: usize) {
        eventually("the commands run", async || self.ran() == commands).await;
    }

    /// The program on this store.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = command(arguments);
        command.args(&self.more).env("OPSCONDUCTOR_STORE", &self.url);
        command
    }

    /// A run of one request to a service on this machine.
    pub(crate) async fn run_request(&self, port: u16) -> Run {
        let ops = self.engine.local();
        if ops.targets().get("api").await.is_err() {
            ops.targets().create(TargetSpec::http("api", "127.0.0.1").with_port(port)).await.unwrap();
            let job =
                r#"{"name": "ask", "version": 1, "steps": [{"type": "http.request", "target": "api"}]}"#;
            ops.jobs().create(&JobSpec::parse(job).unwrap()).await.unwrap();
        }
        ops.jobs().run("ask", Map::new(), Default::default()).await.unwrap()
    }

    /// A run of a job.
    pub(crate) async fn run(&self, definition: Value) -> Run {
        let ops = self.engine.local();
        let job = ops.jobs().create(&JobSpec::from_value(definition)).await.unwrap();
        ops.jobs().run(&job.name, Map::new(), Default::default()).await.unwrap()
    }

    /// The run with this id.
    pub(crate) async fn known(&self, id: i64) -> Run {
        self.engine.local().runs().get(RunId::new(id)).await.unwrap()
    }

    /// The file with the key, beside the store's.
    pub(crate) fn key(&self) -> PathBuf {
        self.folder.path().join("key")
    }

    /// A worker that takes tasks.
    pub(crate) fn worker(&self, concurrency: usize) -> Child {
        self.worker_with(&["--concurrency", &concurrency.to_string()])
    }

    /// The same, told more.
    pub(crate) fn worker_with(&self, arguments: &[&str]) -> Child {
        let mut command = self.command(&["worker"]);
        command.args(arguments);
        command.arg("--key").arg(self.key()).stdin(Stdio::null()).stderr(Stdio::piped());
        let mut command = tokio::process::Command::from(command);
        let mut child = command.kill_on_drop(true).spawn().unwrap();
        let said = BufReader::new(child.stderr.take().unwrap()).lines();
        Child { id: child.id().unwrap(), child, said }
    }

    /// What `workers --json` says once it lists so many.
    pub(crate) async fn listed(&self, workers: usize) -> Vec<Value> {
        let list = || -> Vec<Value> {
            let said = self.command(&["workers", "--json"]).output().unwrap();
            assert!(said.status.success(), "{}", text(&said.stderr));
            serde_json::from_slice(&said.stdout).unwrap()
        };
        eventually("the workers are listed", async || list().len() == workers).await;
        list()
    }
}

/// A worker process.
pub(crate) struct Child {
    id: u32,
    child: tokio::process::Child,
    said: Lines<BufReader<ChildStderr>>,
}

impl Child {
    pub(crate) fn id(&self) -> u32 {
        self.id
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        self.child.start_kill().unwrap();
    }

    pub(crate) fn signal(self, signal: &str) -> Self {
        let sent =
            Command::new("sh").args(["-c", &format!("kill -s {signal} {}", self.id)]).status().unwrap();
        assert!(sent.success());
        self
    }

    /// Waits until it says `awaited`.
    pub(crate) async fn says(&mut self, awaited: &str) {
        let said = async {
            while let Some(line) = self.said.next_line().await.unwrap() {
                if line.contains(awaited) {
                    return;
                }
            }
            panic!("it ended before it said {awaited:?}");
        };
        tokio::time::timeout(LIMIT, said).await.unwrap();
    }

    /// Waits for its end.
    pub(crate) async fn ended(mut self) -> ExitStatus {
        tokio::time::timeout(LIMIT, self.child.wait()).await.unwrap().unwrap()
    }

    pub(crate) async fn told_to_stop(self, signal: &str) -> ExitStatus {
        self.signal(signal).ended().await
    }
}

/// The program, told of no store but by its arguments.
pub(crate) fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_opsconductor"));
    command.args(arguments).env_remove("OPSCONDUCTOR_STORE").env_remove("OPSCONDUCTOR_KEY");
    command
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Looks again and again: what is waited for happens in other processes, which give no signal of it.
pub(crate) async fn eventually(what: &str, done: impl AsyncFn() -> bool) {
    let wait = async {
        while !done().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    assert!(tokio::time::timeout(LIMIT, wait).await.is_ok(), "{what}");
}

//! A job over SSH from end to end: a worker, a SQLite file, a real server.

use std::{fs, sync::Arc, time::Duration};

use opsconductor_core::{
    Engine, JobSpec,
    engine::{Scoped, WorkerSettings},
    run::{RunStatus, TaskStatus},
    target::TargetSpec,
    transport::ssh::SshConnector,
    vault::{Keyring, credential::Credential},
};
use opsconductor_store_sqlite::{SqliteOptions, SqliteStore};
use opsconductor_tests::{
    openssh::{OpenSsh, me},
    relay::Relay,
};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Far longer than anything here takes.
const LIMIT: Duration = Duration::from_secs(120);

struct Scene {
    server: OpenSsh,
    relay: Relay,
    engine: Engine,
    ops: Scoped,
    folder: TempDir,
}

impl Scene {
    async fn start() -> Self {
        let server = OpenSsh::start(&[]);
        let relay = Relay::start(server.port()).await;
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(folder.path().join("ops.db"), SqliteOptions::default()).unwrap();
        let files = folder.path().join("worker");
        fs::create_dir(&files).unwrap();
        let engine = Engine::builder()
            .shared_store(Arc::new(store))
            .keys(Keyring::generate().unwrap())
            .connector(SshConnector::new().unwrap())
            .files(files)
            .build()
            .unwrap();
        let scene = Self { ops: engine.local(), engine, server, relay, folder };
        let pin = scene.server.endpoint().metadata["ssh_host_key_sha256"].clone();
        scene.target("unix-1", &scene.server.credential(), pin).await;
        scene
    }

    async fn target(&self, name: &str, credential: &Credential, pin: Value) {
        let credential = self.ops.credentials().create(name, credential).await.unwrap().id;
        let target = TargetSpec::ssh(name, "127.0.0.1", credential)
            .with_port(self.relay.port())
            .with_metadata("ssh_host_key_sha256", pin);
        self.ops.targets().create(target).await.unwrap();
    }

    async fn run(&self, steps: Value, parameters: Value) -> opsconductor_core::engine::Run {
        let job = json!({"name": "job", "version": 1, "steps": steps});
        self.ops.jobs().create(&JobSpec::parse(&job.to_string()).unwrap()).await.unwrap();
        let Value::Object(parameters) = parameters else { panic!("an object") };
        self.ops.jobs().run("job", parameters, Default::default()).await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_and_files_go_through() {
    let scene = Scene::start().await;
    let worker = scene.engine.worker(WorkerSettings::default()).unwrap();
    let dest = scene.server.folder().join("files").join("note").display().to_string();
    let hostile = "it's; $(id) `id` \"x\" \\ \u{e9}";
    let steps = json!([
        {"type": "ssh.exec", "target": "unix-1", "command": "printf '%s|%s' {{ word | quote }} \"$WORD\"; cat",
         "env": {"WORD": "{{ word }}"}, "stdin": "|{{ word }}", "workingDirectory": "/"},
        {"type": "ssh.copy", "target": "unix-1", "destPath": dest, "content": "{{ word }}", "mode": "600"},
        {"type": "ssh.fetch", "target": "unix-1", "srcPath": dest, "dest": "back/note"},
        {"type": "ssh.exec", "target": "unix-1", "script": "exit 3"},
    ]);
    let result = scene.run(steps, json!({"word": hostile})).await.wait(LIMIT).await.unwrap();
    assert_eq!(result.steps[0].stdout, format!("{hostile}|{hostile}|{hostile}"), "{:?}", result.steps[0]);
    assert_eq!(result.steps[1].status, TaskStatus::Succeeded, "{:?}", result.steps[1]);
    assert_eq!(result.steps[2].status, TaskStatus::Succeeded, "{:?}", result.steps[2]);
    let brought = fs::read_to_string(scene.folder.path().join("worker/unix-1/back/note")).unwrap();
    assert_eq!(brought, hostile);
    assert_eq!((result.status, result.steps[3].exit_code), (RunStatus::Failed, Some(3)));
    assert_eq!(scene.server.count("Accepted publickey"), 1, "one connection for all steps");
    worker.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancel_and_a_time_out_reach_the_command() {
    let scene = Scene::start().await;
    let worker = scene.engine.worker(WorkerSettings::default()).unwrap();
    // The first step connects, so that the time of the second is its own.
    let steps = json!([
        {"type": "ssh.exec", "target": "unix-1", "script": "true"},
        {"type": "ssh.exec", "target": "unix-1", "script": "echo up; sleep 300", "timeoutSec": 2},
    ]);
    let result = scene.run(steps, json!({})).await.wait(LIMIT).await.unwrap();
    assert_eq!((result.status, result.steps[1].status), (RunStatus::Failed, TaskStatus::Failed));
    assert_eq!(result.steps[1].stdout, "up\n");
    assert_eq!(scene.server.processes(), 0, "it goes on");
    worker.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_lost_in_the_middle_leaves_the_step_lost() {
    let scene = Scene::start().await;
    let worker = scene.engine.worker(WorkerSettings::default()).unwrap();
    let mark = scene.server.folder().join("files").join("mark");
    let script = format!("echo x >> {}; sleep 60", mark.display());
    let steps = json!([{"type": "ssh.exec", "target": "unix-1", "script": script}]);
    let run = scene.run(steps, json!({})).await;
    let begun = async {
        while !mark.exists() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(LIMIT, begun).await.unwrap();
    scene.relay.cut();
    let result = run.wait(LIMIT).await.unwrap();
    assert_eq!((result.status, result.steps[0].status), (RunStatus::Failed, TaskStatus::Lost));
    assert_eq!(fs::read_to_string(&mark).unwrap(), "x\n", "it was sent once");
    worker.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_key_and_an_unknown_host_are_told_by_their_layer() {
    let scene = Scene::start().await;
    let worker = scene.engine.worker(WorkerSettings::default()).unwrap();
    let pin = scene.server.endpoint().metadata["ssh_host_key_sha256"].clone();
    scene.target("unix-2", &scene.server.credential_of("other", None), pin).await;
    let other = opsconductor_tests::openssh::fingerprint(&scene.server.folder().join("other.pub"));
    scene.target("unix-3", &scene.server.credential(), json!(other)).await;
    let steps = json!([{"type": "ssh.exec", "targets": ["unix-2", "unix-3"], "script": "echo ran"}]);
    let result = scene.run(steps, json!({})).await.wait(LIMIT).await.unwrap();
    assert_eq!(result.status, RunStatus::Failed);
    let reason = |index: usize| result.steps[index].error.clone().unwrap_or_default();
    assert!(reason(0).contains(&me()) && reason(0).contains("refused"), "{}", reason(0));
    assert!(reason(1).contains("pinned"), "{}", reason(1));
    assert_eq!(scene.server.failed_logons(), 1);
    worker.shutdown().await;
}

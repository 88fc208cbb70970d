//! An engine with a worker and an HTTP connector that may reach this machine.

use std::{collections::HashMap, io, net::IpAddr, time::Duration};

use async_trait::async_trait;
use opsconductor_core::{
    Engine, JobSpec, Secret,
    engine::{RunOptions, Scoped, Worker, WorkerSettings},
    run::TaskStatus,
    store::{OutputQuery, Page, TaskRecord, memory::MemoryStore},
    target::TargetSpec,
    tenant::DEFAULT_TENANT,
    transport::http::{HttpConnector, HttpConnectorBuilder, HttpSettings, Resolve},
    vault::{Keyring, credential::Credential},
};
use opsconductor_tests::fleet::object;
use serde_json::{Value, json};

use super::service::Service;

/// Far longer than anything here takes; a test that waits so long has failed.
pub(crate) const LIMIT: Duration = Duration::from_secs(120);

/// The key of every service: what must be found nowhere.
pub(crate) const KEY: &str = "c4nary-k3y-7f3a9b";

/// Names of these tests: `*.test` is this machine, `inner.test` a private network, `meta.test` a cloud's metadata service,
/// and `two.test` this machine and the metadata service.
#[derive(Debug)]
pub(crate) struct Names;

#[async_trait]
impl Resolve for Names {
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        let fixed: HashMap<&str, &[&str]> = HashMap::from([
            ("inner.test", &["10.255.255.1"][..]),
            ("meta.test", &["169.254.169.254"][..]),
            ("two.test", &["127.0.0.1", "169.254.169.254"][..]),
            ("empty.test", &[][..]),
        ]);
        let found = match (fixed.get(name), name.ends_with(".test") || name == "localhost") {
            (Some(found), _) => found,
            (None, true) => &["127.0.0.1"][..],
            (None, false) => std::slice::from_ref(&name),
        };
        found.iter().map(|address| address.parse().map_err(io::Error::other)).collect()
    }
}

/// A connector for which this machine is a host like any other.
pub(crate) fn local() -> HttpConnectorBuilder {
    let settings = HttpSettings { allow: vec!["127.0.0.0/8".parse().unwrap()], ..HttpSettings::default() };
    HttpConnector::builder().with_settings(settings).with_resolver(Names)
}

pub(crate) struct Scene {
    pub(crate) engine: Engine,
    pub(crate) ops: Scoped,
    worker: Worker,
}

/// How a step ended.
pub(crate) struct Ended {
    pub(crate) task: TaskRecord,
    /// The whole output.
    pub(crate) output: String,
    /// Everything that anyone may see of the run, as text.
    pub(crate) everything: String,
}

impl Ended {
    #[track_caller]
    pub(crate) fn succeeded(self) -> Self {
        assert_eq!(self.task.status, TaskStatus::Succeeded, "{:?}", self.task.reason);
        assert_eq!(self.task.exit_code, Some(0));
        self
    }

    /// The reason of a step that failed for good.
    #[track_caller]
    pub(crate) fn failed(&self) -> &str {
        assert_eq!(self.task.status, TaskStatus::Failed, "{:?}", self.task.reason);
        self.task.reason.as_deref().unwrap()
    }

    /// The reason of a step of which nobody knows how it ended.
    #[track_caller]
    pub(crate) fn lost(&self) -> &str {
        assert_eq!(self.task.status, TaskStatus::Lost, "{:?}", self.task.reason);
        self.task.reason.as_deref().unwrap()
    }
}

impl Scene {
    pub(crate) fn new() -> Self {
        Self::with(local())
    }

    pub(crate) fn with(connector: HttpConnectorBuilder) -> Self {
        let engine = Engine::builder()
            .store(MemoryStore::default())
            .keys(Keyring::generate().unwrap())
            .connector(connector.build().unwrap())
            .build()
            .unwrap();
        let worker = engine.worker(WorkerSettings::default()).unwrap();
        Self { ops: engine.local(), engine, worker }
    }

    /// A target `api` at `service`, under the name `api.test`, without a credential.
    pub(crate) async fn api(&self, service: &Service) {
        self.target(TargetSpec::http("api", "api.test").with_port(service.port())).await;
    }

    pub(crate) async fn target(&self, spec: TargetSpec) {
        self.ops.targets().create(spec).await.unwrap();
    }

    /// The same with a credential.
    pub(crate) async fn locked(&self, spec: TargetSpec, header: Option<&str>) {
        let key = Credential::ApiKey { api_key: Secret::from(KEY), header: header.map(str::to_owned) };
        let credential = self.ops.credentials().create("key", &key).await.unwrap();
        self.target(spec.with_credential(credential.id)).await;
    }

    /// Runs one step on the target `api`, with what `members` say.
    pub(crate) async fn request(&self, members: Value) -> Ended {
        self.request_with(members, json!({})).await
    }

    pub(crate) async fn request_with(&self, members: Value, parameters: Value) -> Ended {
        let run = self.start(members, parameters).await;
        run.wait(LIMIT).await.unwrap();
        self.ended(&run).await
    }

    pub(crate) async fn start(&self, members: Value, parameters: Value) -> opsconductor_core::engine::Run {
        let mut step = object(json!({"type": "http.request", "target": "api", "timeoutSec": 20}));
        step.extend(object(members));
        let job = json!({"name": "ask", "version": 1, "steps": [step]});
        let spec = JobSpec::from_value(job);
        match self.ops.jobs().create(&spec).await {
            Ok(_) => {}
            Err(_) => drop(self.ops.jobs().update("ask", &spec).await.unwrap()),
        }
        self.ops.jobs().run("ask", object(parameters), RunOptions::default()).await.unwrap()
    }

    pub(crate) async fn ended(&self, run: &opsconductor_core::engine::Run) -> Ended {
        let store = self.engine.store();
        let task = store.tasks(DEFAULT_TENANT, run.id(), Page::default()).await.unwrap().items.remove(0);
        let query = OutputQuery { task: None, stream: None, after: None };
        let chunks = store.output(DEFAULT_TENANT, run.id(), query, 100_000).await.unwrap();
        let output: String = chunks.iter().map(|chunk| chunk.text.as_str()).collect();
        let record = run.record().await.unwrap();
        let everything = format!("{task:?} {output} {record:?}");
        Ended { task, output, everything }
    }

    pub(crate) async fn end(self) {
        self.worker.shutdown().await;
        self.engine.close().await;
    }
}

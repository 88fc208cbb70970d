//! [`JobKit`]: the targets of a test, and the runs on them.

use std::{collections::BTreeMap, fmt, path::PathBuf, sync::Arc};

use serde_json::{Map, Value};

use super::{
    hosts::Hosts,
    run::KitRun,
    script::{On, Script},
    still::Still,
};
use crate::{
    Engine, Error, ErrorKind, JobSpec, Result, Secret,
    clock::Clock,
    engine::{Preview, Scoped},
    id::{CredentialId, TargetId},
    job::{StepHandler, secret_parameters},
    run::redact::Redactor,
    store::memory::MemoryStore,
    target::TargetSpec,
    testing::ManualClock,
    transport::Protocol,
    vault::{Keyring, credential::Credential},
};

/// What every credential of a test hides.
const PASSWORD: &str = "the-password-of-no-host";

/// The targets of a test and what they answer: see [the module](super).
///
/// Each run has an engine of its own: nothing of one run is seen in the next but answers that were
/// [used up](super::CommandAnswer::times).
#[derive(Default)]
pub struct JobKit {
    targets: Vec<KitTarget>,
    handlers: Vec<Arc<dyn StepHandler>>,
    files: Option<PathBuf>,
    script: Script,
}

/// A target before it is stored.
struct KitTarget {
    spec: TargetSpec,
    /// The names of those it depends on.
    after: Vec<String>,
}

impl JobKit {
    /// A kit without targets.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a Windows host, reached by WinRM.
    #[must_use]
    pub fn windows(self, name: impl Into<String>) -> Self {
        self.target(name.into(), Protocol::Winrm)
    }

    /// Adds a Unix host, reached by SSH.
    #[must_use]
    pub fn unix(self, name: impl Into<String>) -> Self {
        self.target(name.into(), Protocol::Ssh)
    }

    /// Adds an HTTP service.
    #[must_use]
    pub fn service(self, name: impl Into<String>) -> Self {
        self.target(name.into(), Protocol::Http)
    }

    /// The target that was added last carries one more tag.
    ///
    /// # Panics
    ///
    /// When there is no target yet; so with the next three.
    #[must_use]
    pub fn tagged(self, tag: impl Into<String>) -> Self {
        self.last("tagged", |target| target.spec.tags.push(tag.into()))
    }

    /// The target that was added last has another host name than `<its name>.test`.
    #[must_use]
    pub fn hostname(self, hostname: impl Into<String>) -> Self {
        self.last("hostname", |target| target.spec.hostname = hostname.into())
    }

    /// The target that was added last has one more member of metadata.
    #[must_use]
    pub fn metadata(self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        self.last("metadata", |target| {
            target.spec.metadata.insert(key.into(), value.into());
        })
    }

    /// The target that was added last comes after another one, which was added before.
    #[must_use]
    pub fn after(self, name: impl Into<String>) -> Self {
        self.last("after", |target| target.after.push(name.into()))
    }

    /// Adds a step kind beside the built-in ones.
    #[must_use]
    pub fn step_kind(mut self, handler: impl StepHandler + 'static) -> Self {
        self.handlers.push(Arc::new(handler));
        self
    }

    /// The folder for the files of steps: [`EngineBuilder::files`](crate::engine::EngineBuilder::files).
    #[must_use]
    pub fn files(mut self, folder: impl Into<PathBuf>) -> Self {
        self.files = Some(folder.into());
        self
    }

    /// To say what the target called `name` answers.
    ///
    /// # Panics
    ///
    /// When there is no such target.
    pub fn on(&self, name: &str) -> On {
        let known = || self.targets.iter().map(|target| target.spec.name.as_str());
        assert!(
            known().any(|target| target == name),
            "the kit has no target `{name}`; it has {:?}",
            known().collect::<Vec<_>>()
        );
        On { script: self.script.clone(), target: Some(name.to_owned()) }
    }

    /// To say what every target answers. Where it is said after what single targets answer, it is for what they do not.
    pub fn on_all(&self) -> On {
        On { script: self.script.clone(), target: None }
    }

    /// Saves the definition, in YAML or JSON, and runs it, until it ends or waits for time or a person.
    ///
    /// # Errors
    ///
    /// `InvalidJob` with every problem of the definition; `InvalidParameters`; `InvalidInput` for parameters that are no object,
    /// and when something is sent that the test does not answer.
    pub fn run(&self, definition: &str, parameters: Value) -> Result<KitRun> {
        let (spec, parameters) = read(definition, parameters)?;
        let clock = Arc::new(ManualClock::new());
        let redactor = Redactor::new(&secrets(spec.as_value(), &parameters))?;
        let hosts = Hosts::new(self.script.clone(), Arc::clone(&clock), redactor);
        let engine = self.engine(&hosts, &clock)?;
        let ops = engine.local();
        KitRun::start(engine, clock, hosts, async {
            self.store(&ops).await?;
            let job = ops.jobs().create(&spec).await?;
            ops.jobs().run(&job.name, parameters, Default::default()).await
        })
    }

    /// The tasks that a run would have, with the commands as they would be sent: nothing is.
    ///
    /// # Errors
    ///
    /// As [`JobKit::run`]; `Template` when a value may not go where it stands.
    pub fn plan(&self, definition: &str, parameters: Value) -> Result<Preview> {
        let (spec, parameters) = read(definition, parameters)?;
        let clock = Arc::new(ManualClock::new());
        let hosts = Hosts::new(self.script.clone(), Arc::clone(&clock), Redactor::none());
        let ops = self.engine(&hosts, &clock)?.local();
        Still::new(clock)?.within(async {
            self.store(&ops).await?;
            ops.jobs().plan_of(&spec, parameters).await
        })
    }

    fn engine(&self, hosts: &Hosts, clock: &Arc<ManualClock>) -> Result<Engine> {
        let clock: Arc<dyn Clock> = clock.clone();
        let mut builder = Engine::builder()
            .store(MemoryStore::new(Arc::clone(&clock)))
            .keys(Keyring::generate()?)
            .clock(clock);
        for protocol in Protocol::ALL {
            builder = builder.connector(hosts.connector(protocol));
        }
        for handler in &self.handlers {
            builder = builder.shared_step_kind(Arc::clone(handler));
        }
        if let Some(folder) = &self.files {
            builder = builder.files(folder);
        }
        builder.build()
    }

    /// Stores the targets, each with a credential that its protocol takes.
    async fn store(&self, ops: &Scoped) -> Result<()> {
        let mut credentials: BTreeMap<&str, CredentialId> = BTreeMap::new();
        for protocol in Protocol::ALL {
            let stored = ops.credentials().create(protocol.as_str(), &credential(protocol)).await?;
            credentials.insert(protocol.as_str(), stored.id);
        }
        let mut stored: BTreeMap<&str, TargetId> = BTreeMap::new();
        for target in &self.targets {
            let mut spec = target.spec.clone();
            spec.credential_ref = credentials.get(spec.protocol.as_str()).copied();
            for name in &target.after {
                let id = stored.get(name.as_str()).ok_or_else(|| {
                    let message = "a target comes after one that was not added to the kit before it";
                    Error::new(ErrorKind::InvalidInput, message)
                        .with("target", &spec.name)
                        .with("after", name)
                })?;
                spec.depends_on.push(*id);
            }
            stored.insert(&target.spec.name, ops.targets().create(spec).await?.id);
        }
        Ok(())
    }

    fn target(mut self, name: String, protocol: Protocol) -> Self {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
        let host: String = name.chars().map(|c| if plain(c) { c } else { '-' }).collect();
        let spec =
            TargetSpec { protocol, port: protocol.default_port(), ..TargetSpec::http(name, host + ".test") };
        self.targets.push(KitTarget { spec, after: Vec::new() });
        self
    }

    fn last(mut self, what: &str, change: impl FnOnce(&mut KitTarget)) -> Self {
        match self.targets.last_mut() {
            Some(target) => change(target),
            None => panic!("`{what}` is said of the target that was added last: add one first"),
        }
        self
    }
}

impl fmt::Debug for JobKit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let targets: Vec<&str> = self.targets.iter().map(|target| target.spec.name.as_str()).collect();
        f.debug_struct("JobKit").field("targets", &targets).finish_non_exhaustive()
    }
}

fn read(definition: &str, parameters: Value) -> Result<(JobSpec, Map<String, Value>)> {
    let spec = JobSpec::parse(definition)?;
    match parameters {
        Value::Object(parameters) => Ok((spec, parameters)),
        Value::Null => Ok((spec, Map::new())),
        _ => {
            let message =
                "the parameters of a run are a JSON object, such as `json!({\"version\": \"1.2\"})`";
            Err(Error::new(ErrorKind::InvalidInput, message))
        }
    }
}

fn credential(protocol: Protocol) -> Credential {
    match protocol {
        Protocol::Winrm => Credential::winrm("Administrator", Secret::from(PASSWORD)),
        Protocol::Ssh => Credential::Ssh {
            username: "admin".to_owned(),
            password: Some(Secret::from(PASSWORD)),
            private_key: None,
            passphrase: None,
            certificate: None,
        },
        Protocol::Http => Credential::ApiKey { api_key: Secret::from(PASSWORD), header: None },
    }
}

/// What is not shown of what is sent: what the credentials hide, and the parameters that the definition calls secret.
fn secrets(definition: &Value, parameters: &Map<String, Value>) -> Vec<Secret<String>> {
    let given = secret_parameters(definition).filter_map(|name| parameters.get(name)?.as_str());
    given.chain([PASSWORD]).map(Secret::from).collect()
}

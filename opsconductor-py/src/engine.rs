//! [`Native`]: an engine with its store, and the step kinds that were registered so far.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use opsconductor_core::{
    Engine, Error, ErrorKind, Result, Scope,
    engine::WorkerSettings,
    job::StepHandler,
    store::Store,
    tenant::Actor,
    transport::{
        http::{HttpConnector, HttpSettings},
        ssh::SshConnector,
        winrm::WinrmConnector,
    },
    vault::Keyring,
};
use pyo3::prelude::*;

use crate::{errors, ops::Ops, pending::Pending, records, steps::PythonStep, workers::WorkerHandle};

/// What an engine is made of, beside its store.
pub(crate) struct Parts {
    pub(crate) keys: Keyring,
    pub(crate) deployment: Option<String>,
    pub(crate) files: Option<PathBuf>,
    pub(crate) reach: HttpSettings,
}

/// What is to be done at the end.
pub(crate) enum Close {
    Nothing,
    #[cfg(feature = "postgres")]
    Postgres(Arc<opsconductor_store_pg::PgStore>),
}

/// An engine. The core's own takes its step kinds when it is built, so it is built anew when one is registered.
#[pyclass(frozen, module = "opsconductor._core")]
pub(crate) struct Native(Arc<Inner>);

pub(crate) struct Inner {
    parts: Parts,
    close: Close,
    state: Mutex<State>,
}

struct State {
    /// None once it is closed.
    engine: Option<Engine>,
    /// Those before it, which runs and scopes still hold.
    former: Vec<Engine>,
    handlers: Vec<Arc<dyn StepHandler>>,
    workers: usize,
}

impl Native {
    pub(crate) fn new(parts: Parts, store: Arc<dyn Store>, close: Close) -> Result<Self> {
        let engine = build(&parts, store, &[])?;
        let state = State { engine: Some(engine), former: Vec::new(), handlers: Vec::new(), workers: 0 };
        Ok(Self(Arc::new(Inner { parts, close, state: Mutex::new(state) })))
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        // The state is whole after every statement, so a panic elsewhere does not spoil it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The engine with all step kinds registered by now.
    pub(crate) fn engine(&self) -> PyResult<Engine> {
        let engine = self.lock().engine.clone();
        engine.ok_or_else(errors::closed)
    }

    pub(crate) fn worker_ended(&self) {
        self.lock().workers -= 1;
    }
}

fn build(parts: &Parts, store: Arc<dyn Store>, handlers: &[Arc<dyn StepHandler>]) -> Result<Engine> {
    let mut builder = Engine::builder()
        .shared_store(store)
        .keys(parts.keys.clone())
        .connector(WinrmConnector::new())
        .connector(SshConnector::new()?)
        .connector(HttpConnector::builder().with_settings(parts.reach.clone()).build()?);
    if let Some(name) = &parts.deployment {
        builder = builder.deployment(name);
    }
    if let Some(folder) = &parts.files {
        builder = builder.files(folder);
    }
    for handler in handlers {
        builder = builder.shared_step_kind(Arc::clone(handler));
    }
    builder.build()
}

#[pymethods]
impl Native {
    /// The calls as the local administrator of the default tenant.
    fn local(&self) -> Ops {
        Ops::new(Arc::clone(&self.0), Scope::local())
    }

    /// The calls as somebody else. Without a user: as the local administrator of the tenant.
    fn scope(&self, tenant: Option<String>, user: Option<String>) -> PyResult<Pending> {
        let (inner, engine) = (Arc::clone(&self.0), self.0.engine()?);
        let scoped = async move {
            let store = engine.store();
            let tenant = match tenant {
                Some(name) => store.tenant_by_name(&name).await?.id,
                None => Scope::local().tenant,
            };
            let actor = match user {
                None => Actor::Local,
                Some(name) => {
                    let user = store.user_by_name(tenant, &name).await?;
                    if !user.is_active {
                        return Err(
                            Error::new(ErrorKind::Forbidden, "the account is not active").with("user", name)
                        );
                    }
                    Actor::User { id: user.id, name: user.name, role: user.role }
                }
            };
            Ok(Ops::new(inner, Scope::new(tenant, actor)))
        };
        Ok(Pending::new(scoped, |py, ops| Ok(Bound::new(py, ops)?.into_any())))
    }

    fn tenant_create(&self, name: String) -> PyResult<Pending> {
        let engine = self.0.engine()?;
        Ok(Pending::new(async move { engine.store().create_tenant(&name).await }, |py, tenant| {
            records::tenant(py, &tenant)
        }))
    }

    /// Adds a step kind.
    fn register(&self, py: Python<'_>, step: PythonStep) -> PyResult<()> {
        let mut state = self.0.lock();
        let Some(present) = state.engine.clone() else { return Err(errors::closed()) };
        if state.workers > 0 {
            let message = "a worker of this engine runs and would not know the step kind: register it before";
            return Err(errors::of_kind("conflict", message));
        }
        let handler: Arc<dyn StepHandler> = Arc::new(step);
        let mut handlers = state.handlers.clone();
        handlers.push(handler);
        let engine = errors::raised(py, build(&self.0.parts, Arc::clone(present.store()), &handlers))?;
        state.handlers = handlers;
        state.former.push(present);
        state.engine = Some(engine);
        Ok(())
    }

    /// The JSON Schema of definitions with the step kinds registered by now.
    fn job_schema<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        crate::json::python(py, &self.0.engine()?.step_kinds().job_schema())
    }

    /// Starts a worker on this process's threads.
    fn worker(&self, concurrency: usize, drain: f64) -> PyResult<Pending> {
        let drain = crate::runs::seconds("drain", drain)?;
        let (inner, engine) = (Arc::clone(&self.0), self.0.engine()?);
        let settings = WorkerSettings::default().with_concurrency(concurrency).with_drain(drain);
        let started = async move {
            let worker = engine.worker(settings)?;
            inner.lock().workers += 1;
            Ok(WorkerHandle::new(inner, worker))
        };
        Ok(Pending::new(started, |py, worker| Ok(Bound::new(py, worker)?.into_any())))
    }

    #[getter]
    fn is_closed(&self) -> bool {
        self.0.lock().engine.is_none()
    }

    /// Ends what hosts hold open for it. Later calls are refused.
    fn close(&self) -> Pending {
        let mut state = self.0.lock();
        let mut engines = std::mem::take(&mut state.former);
        engines.extend(state.engine.take());
        let inner = Arc::clone(&self.0);
        Pending::nothing(async move {
            for engine in engines {
                engine.close().await;
            }
            match &inner.close {
                Close::Nothing => {}
                #[cfg(feature = "postgres")]
                Close::Postgres(store) => store.close().await,
            }
            Ok(())
        })
    }
}

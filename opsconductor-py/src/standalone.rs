//! The parts that stand alone: keys, the vault, templates, definitions, times to come, passwords.
#![expect(clippy::needless_pass_by_value, reason = "what Python gives arrives as an owner")]

use std::{collections::BTreeMap, sync::LazyLock};

use chrono::{DateTime, FixedOffset, Utc};
use opsconductor_core::{
    Result, Secret,
    auth::password::{Hasher, Verdict, Work, check},
    job::{JobSpec, StepKinds},
    schedule,
    template::{self, Sink, TemplateOptions},
    vault::{self, Context, Keyring},
};
use pyo3::{prelude::*, pybacked::PyBackedBytes, types::PyBytes};

use crate::{connect, errors::raised, json, pending::Pending};

/// The fewest characters of a password that is hashed here; an engine asks for more.
const PASSWORD_CHARS_MIN: usize = 1;

/// How many callers wait for their password's turn; two are served at once.
const PASSWORDS_WAITING: usize = 1024;

static KINDS: LazyLock<StepKinds> = LazyLock::new(StepKinds::built_in);
static HASHER: LazyLock<Hasher> = LazyLock::new(|| Hasher::new(Work::STANDARD, PASSWORDS_WAITING));

#[pyfunction]
pub(crate) fn generate_key(py: Python<'_>) -> PyResult<String> {
    Ok(raised(py, vault::generate_key())?.expose().clone())
}

#[pyclass(frozen, module = "opsconductor._core")]
pub(crate) struct Vault(Keyring);

#[pymethods]
impl Vault {
    #[new]
    #[pyo3(signature = (key=None, *, keys=None, current=None))]
    fn new(
        py: Python<'_>,
        key: Option<String>,
        keys: Option<BTreeMap<String, String>>,
        current: Option<String>,
    ) -> PyResult<Self> {
        Ok(Self(connect::keyring(py, key, keys, current.as_deref(), None)?))
    }

    #[pyo3(signature = (plaintext, *, context=None))]
    fn seal<'py>(
        &self,
        py: Python<'py>,
        plaintext: PyBackedBytes,
        context: Option<BTreeMap<String, String>>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let sealed = self.0.seal(&plaintext, &Context::from(context.unwrap_or_default()));
        Ok(PyBytes::new(py, &raised(py, sealed)?))
    }

    #[pyo3(signature = (sealed, *, context=None))]
    fn open<'py>(
        &self,
        py: Python<'py>,
        sealed: PyBackedBytes,
        context: Option<BTreeMap<String, String>>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let opened = self.0.open(&sealed, &Context::from(context.unwrap_or_default()));
        Ok(PyBytes::new(py, raised(py, opened)?.expose()))
    }

    #[pyo3(signature = (sealed, *, context=None))]
    fn rewrap<'py>(
        &self,
        py: Python<'py>,
        sealed: PyBackedBytes,
        context: Option<BTreeMap<String, String>>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let sealed = self.0.rewrap(&sealed, &Context::from(context.unwrap_or_default()));
        Ok(PyBytes::new(py, &raised(py, sealed)?))
    }

    /// The id of the key that seals.
    #[getter]
    fn current(&self) -> &str {
        self.0.current().id()
    }

    fn __repr__(&self) -> String {
        let ids: Vec<&str> = self.0.iter().map(|key| key.id()).collect();
        format!("<opsconductor.Vault keys={ids:?}>")
    }
}

#[pyclass(frozen, module = "opsconductor._core")]
pub(crate) struct Template(template::Template);

#[pymethods]
impl Template {
    #[new]
    #[pyo3(signature = (source, *, sink="powershell", allow_raw=false))]
    fn new(py: Python<'_>, source: &str, sink: &str, allow_raw: bool) -> PyResult<Self> {
        let compiled = compile(source, sink, allow_raw);
        raised(py, compiled).map(Self)
    }

    fn render(&self, py: Python<'_>, params: &Bound<'_, PyAny>) -> PyResult<String> {
        raised(py, self.0.render(&json::object("params", params)?))
    }

    /// What the template reads and does not itself define.
    #[getter]
    fn names(&self) -> Vec<String> {
        self.0.names().to_vec()
    }

    fn __repr__(&self) -> String {
        format!("<opsconductor.Template sink={:?} names={:?}>", self.0.sink().as_str(), self.0.names())
    }
}

fn compile(source: &str, sink: &str, allow_raw: bool) -> Result<template::Template> {
    let sink: Sink = sink.parse()?;
    template::Template::compile(source, sink, TemplateOptions::default().with_allow_raw(allow_raw))
}

#[pyfunction]
#[pyo3(signature = (template, params, sink="powershell", allow_raw=false))]
pub(crate) fn render(
    py: Python<'_>,
    template: &str,
    params: &Bound<'_, PyAny>,
    sink: &str,
    allow_raw: bool,
) -> PyResult<String> {
    let params = json::object("params", params)?;
    raised(py, compile(template, sink, allow_raw).and_then(|template| template.render(&params)))
}

/// Pairs of pointer and message, one for each fault.
#[pyfunction]
pub(crate) fn validate_job(definition: &Bound<'_, PyAny>) -> PyResult<Vec<(String, String)>> {
    let faults = spec(definition)?.and_then(|spec| spec.validate(&KINDS).map(|_| ()));
    let problems = faults.map_err(|error| error.problems().to_vec()).err().unwrap_or_default();
    Ok(problems.into_iter().map(|problem| (problem.pointer, problem.message)).collect())
}

/// The definition that a dict is, or a text in JSON or YAML holds.
pub(crate) fn spec(definition: &Bound<'_, PyAny>) -> PyResult<Result<JobSpec>> {
    if let Ok(text) = definition.extract::<&str>() {
        return Ok(JobSpec::parse(text));
    }
    json::object("definition", definition).map(|map| Ok(JobSpec::from_value(map.into())))
}

#[pyfunction]
pub(crate) fn hash_password(password: String) -> Pending {
    let password = Secret::from(password);
    let hashed = async move {
        check(&password, PASSWORD_CHARS_MIN)?;
        HASHER.place()?.hash(&password).await
    };
    Pending::new(hashed, |py, hash| Ok(hash.expose().into_pyobject(py)?.into_any()))
}

#[pyfunction]
pub(crate) fn verify_password(password: String, hash: String) -> Pending {
    let (password, hash) = (Secret::from(password), Secret::from(hash));
    let verified = async move { HASHER.place()?.verify(&password, Some(&hash)).await };
    Pending::new(verified, |py, verdict| {
        Ok((verdict != Verdict::Wrong).into_pyobject(py)?.to_owned().into_any())
    })
}

#[pyfunction]
pub(crate) fn next_fires(
    py: Python<'_>,
    cron: &str,
    timezone: &str,
    after: DateTime<Utc>,
    count: usize,
) -> PyResult<Vec<DateTime<FixedOffset>>> {
    raised(py, schedule::next_fires(cron, timezone, after, count))
}

//! Records of the core as Python dicts, which `opsconductor._records` makes into its own classes.

use opsconductor_core::{
    Result,
    audit::Report,
    engine::{CredentialInfo, RunEvent, StepResult, UserInfo},
    run::event::EventKind,
    store::{JobRecord, Listing, RunRecord},
    target::Target,
    tenant::Tenant,
    transport::ProbeReport,
};
use pyo3::{
    intern,
    prelude::*,
    types::{PyDict, PyList},
};
use serde_json::Value;

use crate::json;

type Made<'py> = PyResult<Bound<'py, PyAny>>;

macro_rules! dict {
    ($py:expr, $($key:literal: $value:expr),+ $(,)?) => {{
        let dict = PyDict::new($py);
        $(dict.set_item(intern!($py, $key), $value)?;)+
        Ok(dict.into_any())
    }};
}

/// A part of a list: the items, and how many there are in all.
pub(crate) fn page<'py, T>(
    py: Python<'py>,
    page: &Listing<T>,
    item: impl Fn(Python<'py>, &T) -> Made<'py>,
) -> Made<'py> {
    let items = PyList::empty(py);
    for record in &page.items {
        items.append(item(py, record)?)?;
    }
    Ok((items, page.total).into_pyobject(py)?.into_any())
}

pub(crate) fn tenant<'py>(py: Python<'py>, tenant: &Tenant) -> Made<'py> {
    dict!(py, "id": tenant.id.get(), "name": &tenant.name, "created_at": tenant.created_at)
}

pub(crate) fn credential<'py>(py: Python<'py>, info: &CredentialInfo) -> Made<'py> {
    dict!(py,
        "id": info.id.get(),
        "name": &info.name,
        "type": &info.credential_type,
        "description": info.description.as_deref(),
        "version": info.version,
        "created_at": info.created_at,
        "updated_at": info.updated_at,
        "expires_at": info.expires_at,
    )
}

pub(crate) fn target<'py>(py: Python<'py>, target: &Target) -> Made<'py> {
    let spec = &target.spec;
    let depends_on: Vec<i64> = spec.depends_on.iter().map(|id| id.get()).collect();
    dict!(py,
        "id": target.id.get(),
        "name": &spec.name,
        "hostname": &spec.hostname,
        "protocol": spec.protocol.as_str(),
        "port": spec.port,
        "credential_id": spec.credential_ref.map(|id| id.get()),
        "tags": &spec.tags,
        "metadata": json::dict(py, &spec.metadata)?,
        "depends_on": depends_on,
        "created_at": target.created_at,
    )
}

pub(crate) fn job<'py>(py: Python<'py>, job: &JobRecord) -> Made<'py> {
    dict!(py,
        "id": job.id.get(),
        "name": &job.name,
        "version": job.version,
        "definition": json::python(py, &job.definition)?,
        "is_active": job.is_active,
        "created_by": job.created_by.map(|id| id.get()),
        "created_at": job.created_at,
    )
}

pub(crate) fn user<'py>(py: Python<'py>, user: &UserInfo) -> Made<'py> {
    dict!(py,
        "id": user.id.get(),
        "name": &user.name,
        "email": &user.email,
        "role": user.role.as_str(),
        "is_active": user.is_active,
        "created_at": user.created_at,
    )
}

pub(crate) fn run<'py>(py: Python<'py>, run: &RunRecord) -> Made<'py> {
    let labels = PyDict::new(py);
    for (name, value) in &run.labels {
        labels.set_item(name, value)?;
    }
    dict!(py,
        "id": run.id.get(),
        "job_id": run.job.get(),
        "job_version": run.job_version,
        "status": run.status.as_str(),
        "parameters": json::dict(py, &run.parameters)?,
        "labels": labels,
        "idempotency_key": run.idempotency_key.as_deref(),
        "correlation_id": run.correlation_id.as_deref(),
        "queued_at": run.queued_at,
        "started_at": run.started_at,
        "finished_at": run.finished_at,
    )
}

pub(crate) fn result<'py>(py: Python<'py>, id: i64, status: &str, steps: &[StepResult]) -> Made<'py> {
    let list = PyList::empty(py);
    for result in steps {
        list.append(step(py, result)?)?;
    }
    dict!(py, "id": id, "status": status, "steps": list)
}

pub(crate) fn step<'py>(py: Python<'py>, step: &StepResult) -> Made<'py> {
    dict!(py,
        "step": &step.step,
        "type": &step.kind,
        "target": step.target.as_deref(),
        "status": step.status.as_str(),
        "exit_code": step.exit_code,
        "stdout": &step.stdout,
        "stderr": &step.stderr,
        "error": step.error.as_deref(),
        "attempts": step.attempts,
        "seconds": step.duration.map(|duration| duration.as_secs_f64()),
        "output_left_out": step.output_left_out,
    )
}

pub(crate) fn event<'py>(py: Python<'py>, event: &RunEvent) -> Made<'py> {
    let (mut status, mut text, mut stream, mut reason, mut attempt) = (None, None, None, None, None);
    match &event.kind {
        EventKind::RunFinished { status: ended } => status = Some(ended.as_str()),
        EventKind::StepStarted { attempt: number } => attempt = Some(*number),
        EventKind::StepOutput { stream: to, text: said } => {
            (stream, text) = (Some(to.as_str()), Some(said.as_str()));
        }
        EventKind::StepRequeued { reason: why } => reason = Some(why.as_str()),
        EventKind::StepFinished { status: ended, reason: why } => {
            (status, reason) = (Some(ended.as_str()), why.as_deref());
        }
        _ => {}
    }
    dict!(py,
        "seq": event.seq,
        "type": event.kind.as_str(),
        "at": event.at,
        "step": event.step.as_deref(),
        "target": event.target.as_deref(),
        "status": status,
        "stream": stream,
        "text": text,
        "reason": reason,
        "attempt": attempt,
    )
}

pub(crate) fn probe<'py>(py: Python<'py>, report: &ProbeReport) -> Made<'py> {
    let details = match serde_json::to_value(&report.details) {
        Ok(Value::Object(mut details)) => {
            details.retain(|_, value| !value.is_null());
            json::dict(py, &details)?
        }
        _ => PyDict::new(py),
    };
    dict!(py,
        "ok": report.ok,
        "layer": report.layer.map(|layer| layer.to_string()),
        "message": &report.message,
        "details": details,
    )
}

pub(crate) fn audit<'py>(py: Python<'py>, report: &Report) -> Made<'py> {
    let mut problems: Vec<String> = report.findings.iter().map(ToString::to_string).collect();
    let more = report.faults.saturating_sub(problems.len() as u64);
    if more > 0 {
        problems.push(format!("and {more} more"));
    }
    dict!(py, "ok": report.is_ok(), "records": report.records, "problems": problems)
}

/// Pairs of pointer and message.
pub(crate) fn problems<'py>(py: Python<'py>, problems: &[opsconductor_core::Problem]) -> Made<'py> {
    let list = PyList::empty(py);
    for problem in problems {
        list.append((&problem.pointer, &problem.message))?;
    }
    Ok(list.into_any())
}

/// What a definition's faults are, for a call that answers with them.
pub(crate) fn faults(
    result: Result<Vec<opsconductor_core::Problem>>,
) -> Result<Vec<opsconductor_core::Problem>> {
    match result {
        Err(error) if !error.problems().is_empty() => Ok(error.problems().to_vec()),
        result => result,
    }
}

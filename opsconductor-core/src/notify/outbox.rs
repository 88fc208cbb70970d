//! What is told of a run that ends: written by a store in the transaction that ends it.

use chrono::SecondsFormat;
use serde_json::{Value, json};

use super::NewNotification;
use crate::{
    clock::Timestamp,
    id::{JobId, RunId, TargetId},
    run::{
        advance::StepCounters,
        plan::RunPlan,
        state::{RunStatus, TaskStatus},
    },
};

/// How many of the tasks that went wrong are told of.
pub const TROUBLES_MAX: usize = 10;

/// Longest reason that is told of one.
const REASON_CHARS_MAX: usize = 500;

/// A run that ends in this transaction.
#[derive(Debug, Clone, PartialEq)]
pub struct EndedRun<'a> {
    /// The run.
    pub id: RunId,
    /// Its job.
    pub job: JobId,
    /// How it ended.
    pub status: RunStatus,
    /// When its first task started, if one did.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Timestamp,
    /// How its steps stand.
    pub counters: &'a [StepCounters],
    /// Tasks that failed or were lost, the lost ones first; no more than [`TROUBLES_MAX`].
    pub troubles: Vec<Trouble>,
}

/// A task that went wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// The index of its step.
    pub step: u32,
    /// Its target.
    pub target: Option<TargetId>,
    /// `Failed` or `Lost`.
    pub status: TaskStatus,
    /// Why, redacted.
    pub reason: Option<String>,
}

/// What is to be told of a run. A store asks only where the plan [has rules](RunPlan::notify).
pub fn of(plan: &RunPlan, ended: &EndedRun<'_>) -> Vec<NewNotification> {
    let lost = ended.troubles.iter().any(|trouble| trouble.status == TaskStatus::Lost);
    let mut rules = plan.notify.rules.iter().filter(|rule| rule.on.is_about(ended.status, lost)).peekable();
    if rules.peek().is_none() {
        return Vec::new();
    }
    let payload = payload(plan, ended);
    let mut told: Vec<NewNotification> = Vec::new();
    for rule in rules {
        // Two rules for one end and one place are one message.
        let same = |other: &NewNotification| {
            (other.channel, &other.dest, &other.template) == (rule.channel, &rule.dest, &rule.template)
        };
        if !told.iter().any(same) {
            told.push(NewNotification {
                run: ended.id,
                channel: rule.channel,
                dest: rule.dest.clone(),
                payload: payload.clone(),
                template: rule.template.clone(),
            });
        }
    }
    told
}

fn payload(plan: &RunPlan, ended: &EndedRun<'_>) -> Value {
    let time = |at: Timestamp| at.to_rfc3339_opts(SecondsFormat::Micros, true);
    let sum =
        |of: fn(&StepCounters) -> u32| ended.counters.iter().map(|step| u64::from(of(step))).sum::<u64>();
    let total: u64 = plan.steps.iter().map(|step| u64::from(step.task_count())).sum();
    let duration =
        ended.started_at.map(|start| (ended.finished_at - start).num_milliseconds() as f64 / 1000.0);
    let mut payload = json!({
        "job_id": ended.job,
        "job_name": plan.job_name,
        "run_id": ended.id,
        "status": ended.status.as_str(),
        "started_at": ended.started_at.map(time),
        "finished_at": time(ended.finished_at),
        "duration": duration,
        "requested_by": plan.notify.requester,
        "steps_summary": {
            "total": total,
            "succeeded": sum(|step| step.succeeded),
            "failed": sum(|step| step.failed),
        },
    });
    if !ended.troubles.is_empty() {
        payload["error_details"] = ended.troubles.iter().map(|trouble| detail(plan, trouble)).collect();
    }
    payload
}

fn detail(plan: &RunPlan, trouble: &Trouble) -> Value {
    let reason: Option<String> =
        trouble.reason.as_ref().map(|reason| reason.chars().take(REASON_CHARS_MAX).collect());
    json!({
        "step": plan.step(trouble.step).map(|step| step.id.as_str()),
        "target": trouble.target.and_then(|id| plan.target(id)).map(|target| target.name.as_str()),
        "status": trouble.status.as_str(),
        "reason": reason,
    })
}

//! Answers of people to steps that wait for one.

use serde_json::Value;

use super::{Run, noted};
use crate::{Error, ErrorKind, Result, run::plan::PlannedStep, store::Decision, tenant::Actor};

/// The longest note of an answer, in bytes.
const NOTE_BYTES_MAX: usize = 1_000;

/// An answer to a step that waits for one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    /// Yes or no.
    pub approve: bool,
    /// Why, for whoever looks. No secrets.
    pub note: Option<String>,
}

impl Run {
    /// Answers what a step waits with: an approval, or the question whether a step whose outcome is unknown is to be sent again.
    /// The event and the step's record say who answered.
    ///
    /// # Errors
    ///
    /// `Forbidden` for someone who may not run jobs or is not among the step's `approvers`; `NotFound` for a run, step or target
    /// that is not there; `Conflict` when it was answered before or has ended; `InvalidInput` when it waits for no answer,
    /// when a step on several targets is answered without saying which, and for a note of more than 1,000 bytes.
    pub async fn decide(&self, step: &str, target: Option<&str>, answer: Answer) -> Result<()> {
        let entry = self.at.permit(noted::APPROVAL_ANSWERED, "").await?;
        let entry = entry.about(self.id.get()).with("step", step).with("approve", answer.approve);
        let entry = if let Some(target) = target { entry.with("target", target) } else { entry };
        if answer.note.as_ref().is_some_and(|note| note.len() > NOTE_BYTES_MAX) {
            let fault = format!("the note of an answer has at most {NOTE_BYTES_MAX} bytes");
            return Err(Error::new(ErrorKind::InvalidInput, fault));
        }
        let plan = self.at.inner.store.run_plan(self.at.scope.tenant, self.id).await?;
        let missing = |what: &'static str, name: &str| {
            Error::new(ErrorKind::NotFound, format!("the run has no such {what}")).with(what, name)
        };
        let found = plan.steps.iter().zip(0_u32..).find(|(planned, _)| planned.id == step);
        let (planned, index) = found.ok_or_else(|| missing("step", step))?;
        if let Err(refusal) = may_answer(planned, &self.at.scope.actor) {
            return Err(self.at.refused(entry, refusal).await);
        }
        let mut ids = planned.targets.iter().filter_map(|at| plan.targets.get(*at as usize));
        let target = match (target, planned.targets.len()) {
            (Some(name), _) => {
                let named = ids.find(|target| target.name == name);
                Some(named.ok_or_else(|| missing("target", name))?.id)
            }
            (None, 0 | 1) => ids.next().map(|target| target.id),
            (None, _) => {
                let message = "the step acts on several targets; say which one the answer is about";
                return Err(Error::new(ErrorKind::InvalidInput, message).with("step", step));
            }
        };
        let by = self.at.scope.actor.name().to_owned();
        let decision = Decision { approved: answer.approve, by, note: answer.note };
        let decide = self.at.inner.store.decide(self.at.scope.tenant, self.id, index, target, decision);
        self.at.noted(entry, decide).await
    }
}

/// Refuses an answer by someone whom the step does not name.
fn may_answer(step: &PlannedStep, actor: &Actor) -> Result<()> {
    let Some(approvers) = step.fields.get("approvers").filter(|_| step.kind == "approval") else {
        return Ok(());
    };
    let names = |list: &str, name: &str| {
        let named = approvers.get(list).and_then(Value::as_array);
        named.is_some_and(|named| named.iter().any(|one| one == name))
    };
    if names("roles", actor.role().as_str()) || names("users", actor.name()) {
        return Ok(());
    }
    let message = format!("{} is not among the approvers of the step", actor.name());
    Err(Error::new(ErrorKind::Forbidden, message).with("step", &step.id))
}

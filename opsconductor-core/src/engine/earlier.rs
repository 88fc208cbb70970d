//! What a run that does a part of another one again takes along of the rest: the outputs that its steps read.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashSet},
};

use super::{Scoped, outputs::Texts, plans::Compiled, repeat::TASKS_MAX};
use crate::{
    Error, ErrorKind, Result,
    id::{RunId, TargetId},
    run::{
        earlier::{EARLIER_BYTES_MAX, EarlierOutput, EarlierStep, OutputPlace},
        plan::{RunPlan, TaskKey},
    },
    store::Page,
};

/// What the tasks of `rest`, which is a part of the plan of a run that is over, read of tasks that are not among them.
///
/// # Errors
///
/// Those of the store; `Unsupported` for a step kind that this engine does not know; `InvalidInput` for more than
/// [`EARLIER_BYTES_MAX`].
pub(super) async fn read_by(
    at: &Scoped,
    run: RunId,
    plan: &RunPlan,
    rest: &RunPlan,
) -> Result<Vec<EarlierStep>> {
    let here: Vec<TaskKey> = plan.tasks(false).map(|(key, _)| key).collect();
    let again: HashSet<TaskKey> = rest.tasks(false).map(|(key, _)| key).collect();
    let is_done_again = |id: &str, place: u64| {
        let target = here.get(place as usize).and_then(|key| key.target);
        let step = rest.steps.iter().position(|step| step.id == id);
        step.is_some_and(|step| again.contains(&TaskKey { step: step as u32, target }))
    };
    let mut earlier = Earlier { plan, steps: Vec::new(), known: HashSet::new(), bytes: 0 };
    // By their places, the tasks of this run whose output is to be had.
    let mut wanted: BTreeMap<u64, (String, Texts)> = BTreeMap::new();
    let mut compiled = Vec::with_capacity(rest.steps.len());
    for step in &rest.steps {
        compiled.push(Compiled::new(&at.inner, plan, step)?);
    }
    for (key, _) in rest.tasks(false) {
        for source in &compiled[key.step as usize].sources {
            match plan.output_of(&source.id, key.target) {
                Some(OutputPlace::Earlier(output)) => earlier.add(&source.id, Cow::Borrowed(output))?,
                Some(OutputPlace::Task(place)) if !is_done_again(&source.id, place) => {
                    let new = || (source.id.clone(), Texts::default());
                    wanted.entry(place).or_insert_with(new).1.add(source.texts);
                }
                // It is done again, or is missing as it was the first time.
                _ => {}
            }
        }
    }
    let mut next = wanted.keys().next().copied();
    while let Some(skip) = next {
        let page = Page { skip, limit: TASKS_MAX };
        let tasks = at.inner.store.tasks(at.scope.tenant, run, page).await?.items;
        let end = skip + (tasks.len() as u64).max(1);
        for (place, task) in (skip..).zip(tasks) {
            if let Some((id, texts)) = wanted.get(&place) {
                let mut output = task.into();
                texts.cut(&mut output);
                earlier.add(id, Cow::Owned(output))?;
            }
        }
        next = wanted.range(end..).next().map(|(place, _)| *place);
    }
    Ok(earlier.steps)
}

/// Outputs that are taken along, each once.
struct Earlier<'p> {
    /// The plan that they come from.
    plan: &'p RunPlan,
    steps: Vec<EarlierStep>,
    known: HashSet<(usize, Option<TargetId>)>,
    bytes: usize,
}

impl Earlier<'_> {
    fn add(&mut self, id: &str, output: Cow<'_, EarlierOutput>) -> Result<()> {
        let at = self.steps.iter().position(|step| step.id == id).unwrap_or(self.steps.len());
        if !self.known.insert((at, output.target)) {
            return Ok(());
        }
        if at == self.steps.len() {
            let step = self.without_outputs(id);
            self.steps.push(step);
        }
        self.bytes += output.stdout.len() + output.stderr.len();
        if self.bytes > EARLIER_BYTES_MAX {
            let message = format!(
                "the outputs of steps that are done, as far as they are read, are more than {EARLIER_BYTES_MAX} bytes in all; \
                 do less of the run again, or enqueue the job anew"
            );
            return Err(Error::new(ErrorKind::InvalidInput, message).with("step", id));
        }
        self.steps[at].outputs.push(output.into_owned());
        Ok(())
    }

    /// A step of the plan that they come from, be it done there or before.
    fn without_outputs(&self, id: &str) -> EarlierStep {
        let before = self.plan.earlier.iter().find(|step| step.id == id);
        let there = self.plan.steps.iter().find(|step| step.id == id);
        let register = there.map(|step| &step.register).or(before.map(|step| &step.register));
        EarlierStep {
            id: id.to_owned(),
            register: register.cloned().flatten(),
            per_target: before.is_some_and(|step| step.per_target)
                || there.is_some_and(|step| step.targets.len() > 1),
            outputs: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use serde_json::Map;

    use super::*;
    use crate::run::state::TaskStatus;

    fn output(target: i64, bytes: usize) -> Cow<'static, EarlierOutput> {
        Cow::Owned(EarlierOutput {
            target: Some(TargetId::new(target)),
            status: TaskStatus::Succeeded,
            exit_code: Some(0),
            stdout: "o".repeat(bytes),
            stderr: String::new(),
        })
    }

    #[test]
    fn outputs_are_taken_along_once_and_not_without_bound() {
        let plan = RunPlan {
            job_name: "job".to_owned(),
            job_version: 1,
            parameters: Map::new(),
            targets: Vec::new(),
            steps: Vec::new(),
            earlier: Vec::new(),
            secrets: Vec::new(),
            timeout_sec: None,
            max_parallel: None,
            notify: Default::default(),
        };
        let mut earlier = Earlier { plan: &plan, steps: Vec::new(), known: HashSet::new(), bytes: 0 };
        for _ in 0..3 {
            earlier.add("build", output(1, EARLIER_BYTES_MAX - 1)).unwrap();
        }
        earlier.add("build", output(2, 1)).unwrap();
        earlier.add("check", output(1, 0)).unwrap();
        let error = earlier.add("check", output(2, 1)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains("check"), "{error}");
        let sizes: Vec<_> = earlier.steps.iter().map(|step| (step.id.as_str(), step.outputs.len())).collect();
        assert_eq!(sizes, [("build", 2), ("check", 1)]);
    }
}

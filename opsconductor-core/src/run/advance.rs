//! What follows when tasks end: which tasks become ready, which are aborted, whether the run is over.
//!
//! The rules are here once; a store calls [`advance`] inside the transaction that records the completions and
//! carries out what it says through a [`Ledger`].

use serde::{Deserialize, Serialize};

use super::{
    plan::{Join, RunPlan, TaskKey},
    state::{RunStatus, TaskStatus},
};
use crate::{Result, id::TargetId};

/// How the tasks of one step stand. One row per (run, step), written once per batch of completions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepCounters {
    /// Tasks that have not ended.
    pub remaining: u32,
    /// Tasks that succeeded or were skipped.
    pub succeeded: u32,
    /// Tasks that failed or were lost.
    pub failed: u32,
    /// Tasks that were aborted.
    pub aborted: u32,
}

impl StepCounters {
    /// The counters of every step of `plan` before anything has ended.
    pub fn initial(plan: &RunPlan) -> Vec<Self> {
        plan.steps.iter().map(|step| Self { remaining: step.task_count(), ..Self::default() }).collect()
    }

    /// Takes note that `tasks` of them ended with `status`.
    pub fn count(&mut self, status: TaskStatus, tasks: u32) {
        self.remaining = self.remaining.saturating_sub(tasks);
        match status {
            TaskStatus::Succeeded | TaskStatus::Skipped => self.succeeded += tasks,
            TaskStatus::Failed | TaskStatus::Lost => self.failed += tasks,
            _ => self.aborted += tasks,
        }
    }
}

/// The waiting tasks of a step that something happens to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waiting {
    /// The task for one target (`None`: the task of a step without targets).
    One(Option<TargetId>),
    /// All of them.
    All,
}

/// What a store lets [`advance`] do to one run, inside its transaction.
pub trait Ledger {
    /// Takes one edge off each waiting task that is meant; a task with none left becomes queued. Tasks that are not
    /// waiting stay as they are.
    ///
    /// # Errors
    ///
    /// Whatever the store's transaction fails with.
    fn release(&mut self, step: u32, which: Waiting) -> Result<()>;

    /// Ends each waiting task that is meant as aborted, with `reason`, and says how many there were. Tasks that are not
    /// waiting stay as they are.
    ///
    /// # Errors
    ///
    /// Whatever the store's transaction fails with.
    fn abort(&mut self, step: u32, which: Waiting, reason: &str) -> Result<u32>;
}

/// Counts tasks that have just ended, releases or aborts what waited for them, and answers how the run ended if it did.
///
/// `finished` lists each task that ended in this transaction, once. A step whose tasks all ended is settled: steps
/// joined to it by a barrier are released, or aborted when one of its tasks failed and nothing says to go on.
///
/// # Errors
///
/// Whatever the ledger fails with.
pub fn advance(
    plan: &RunPlan,
    counters: &mut [StepCounters],
    finished: &[(TaskKey, TaskStatus)],
    canceled: bool,
    ledger: &mut dyn Ledger,
) -> Result<Option<RunStatus>> {
    // (step, which of its tasks, how they ended); an abort cascades by adding to it, and steps only point backwards.
    let mut ended: Vec<(u32, Waiting, TaskStatus)> = Vec::with_capacity(finished.len());
    for (key, status) in finished {
        counters[key.step as usize].count(*status, 1);
        ended.push((key.step, Waiting::One(key.target), *status));
    }
    let mut settled = vec![false; plan.steps.len()];
    let mut next = 0;
    while next < ended.len() {
        let (step, which, status) = ended[next];
        next += 1;
        let goes_on = may_go_on(plan, step, status);
        let name = &plan.steps[step as usize].id;
        for (successor, join) in successors(plan, step) {
            let (target, go) = match join {
                Join::PerTarget => (which, goes_on),
                Join::Barrier => {
                    let all = counters[step as usize];
                    if all.remaining > 0 || settled[step as usize] {
                        continue;
                    }
                    let failed = all.failed > 0 && !plan.steps[step as usize].continue_on_error;
                    (Waiting::All, !failed && all.aborted == 0)
                }
            };
            if go {
                ledger.release(successor, target)?;
            } else {
                let count = ledger.abort(successor, target, &format!("step {name} {}", because(status)))?;
                if count > 0 {
                    counters[successor as usize].count(TaskStatus::Aborted, count);
                    ended.push((successor, target, TaskStatus::Aborted));
                }
            }
        }
        if counters[step as usize].remaining == 0 {
            settled[step as usize] = true;
        }
    }
    Ok(run_status(plan, counters, canceled))
}

/// How a run with these counters ended, or `None` while a task is left.
pub fn run_status(plan: &RunPlan, counters: &[StepCounters], canceled: bool) -> Option<RunStatus> {
    if counters.iter().any(|step| step.remaining > 0) {
        return None;
    }
    let failed = plan
        .steps
        .iter()
        .zip(counters)
        .any(|(step, count)| count.aborted > 0 || (count.failed > 0 && !step.continue_on_error));
    Some(match (canceled, failed) {
        (true, true) => RunStatus::Canceled,
        (_, true) => RunStatus::Failed,
        (_, false) => RunStatus::Succeeded,
    })
}

fn may_go_on(plan: &RunPlan, step: u32, status: TaskStatus) -> bool {
    match status {
        TaskStatus::Succeeded | TaskStatus::Skipped => true,
        TaskStatus::Failed | TaskStatus::Lost => plan.steps[step as usize].continue_on_error,
        _ => false,
    }
}

fn because(status: TaskStatus) -> &'static str {
    match status {
        TaskStatus::Lost => "was lost",
        TaskStatus::Aborted => "was aborted",
        _ => "failed",
    }
}

fn successors(plan: &RunPlan, step: u32) -> impl Iterator<Item = (u32, Join)> + '_ {
    plan.steps.iter().zip(0_u32..).flat_map(move |(other, index)| {
        other.edges.iter().filter(move |e| e.step == step).map(move |e| (index, e.join))
    })
}

#[cfg(test)]
mod tests;

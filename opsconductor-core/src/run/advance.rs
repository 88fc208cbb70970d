//! What follows when tasks end: which tasks become ready, which are aborted, whether the run is over.
//!
//! The rules are here once; a store calls [`advance`] inside the transaction that records the completions and
//! carries out what it says through a [`Ledger`].

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

pub use super::phase::run_status;
use super::{
    phase::{self, Phase, Stopping},
    plan::{Join, PlannedStep, RunPlan, Runs, TaskKey},
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
    /// How the present batch stands, for a step that takes its targets in batches or gives up after so many failures. None
    /// before anything of it has ended.
    pub batch: Option<Batch>,
}

/// How the present batch of a step stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    /// How many tasks of the step have had their turn, this batch included.
    pub opened: u32,
    /// How many the batch has.
    pub size: u32,
    /// How many of these have not ended.
    pub left: u32,
    /// How many of these failed or were lost.
    pub failed: u32,
    /// How many of these were aborted.
    pub aborted: u32,
}

impl Batch {
    fn begin(step: &PlannedStep, opened: u32) -> Self {
        let size = step.batch_after(opened);
        Self { opened: opened + size, size, left: size, failed: 0, aborted: 0 }
    }

    fn count(&mut self, status: TaskStatus) {
        self.left = self.left.saturating_sub(1);
        match status {
            TaskStatus::Failed | TaskStatus::Lost => self.failed += 1,
            TaskStatus::Aborted => self.aborted += 1,
            _ => {}
        }
    }

    /// Why nothing more of the step is begun, if that is so.
    fn gives_up(&self, step: &PlannedStep) -> Option<String> {
        let name = &step.id;
        match step.max_fail_percentage {
            Some(most) if u64::from(self.failed) * 100 > u64::from(self.size) * u64::from(most) => {
                Some(format!(
                    "step {name} was given up: {} of {} failed, more than its maxFailPercentage of {most}",
                    self.failed, self.size
                ))
            }
            None if self.failed > 0 && self.left == 0 && self.failed + self.aborted == self.size => {
                (!step.batches.is_empty()).then(|| format!("step {name} was given up: a whole batch failed"))
            }
            _ => None,
        }
    }
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

    /// Ends each task that is meant, as far as no worker holds it, with `status` and `reason`, and says for which targets.
    ///
    /// # Errors
    ///
    /// Whatever the store's transaction fails with.
    fn end(
        &mut self,
        step: u32,
        which: Waiting,
        idle: Idle,
        status: TaskStatus,
        reason: &str,
    ) -> Result<Vec<Option<TargetId>>>;

    /// Those of the targets whose tasks of the step are waiting.
    ///
    /// # Errors
    ///
    /// Whatever the store's transaction fails with.
    fn waiting(&mut self, step: u32, targets: &[TargetId]) -> Result<Vec<TargetId>>;
}

/// Which of the tasks that no worker holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Idle {
    /// Those that are waiting. One that is not stays as it is.
    Waiting,
    /// Those that are ready too, as far as nobody takes them at this moment.
    Any,
}

/// Counts tasks that have just ended, releases or aborts what waited for them, and answers how the run ended if it did.
///
/// `finished` lists each task that ended in this transaction, once. A step whose tasks all ended is settled: steps
/// joined to it by a barrier are released, or aborted when one of its tasks failed and nothing says to go on. When the last
/// task of one [part](Phase) of the run has ended, the next begins.
///
/// # Errors
///
/// Whatever the ledger fails with.
pub fn advance(
    plan: &RunPlan,
    counters: &mut [StepCounters],
    finished: &[(TaskKey, TaskStatus)],
    stopping: Stopping,
    ledger: &mut dyn Ledger,
) -> Result<Option<RunStatus>> {
    let before = Phase::of(plan, counters);
    let mut ends =
        Ends { plan, counters, ended: Vec::with_capacity(finished.len()), batches: HashMap::new() };
    for (key, status) in finished {
        ends.take(key.step, key.target, *status);
    }
    loop {
        ends.follow(ledger)?;
        if !ends.open_batches(ledger)? {
            break;
        }
    }
    phase::go_on(plan, before, counters, stopping, ledger)
}

/// The ends of tasks whose consequences are not drawn yet.
struct Ends<'a> {
    plan: &'a RunPlan,
    counters: &'a mut [StepCounters],
    /// (step, which of its tasks, how they ended); what is aborted cascades by adding to it, and steps only point backwards.
    ended: Vec<(u32, Waiting, TaskStatus)>,
    /// The places of the targets of each step that goes in batches.
    batches: HashMap<u32, HashMap<TargetId, u32>>,
}

impl Ends<'_> {
    /// Takes note of a task that ended.
    fn take(&mut self, step: u32, target: Option<TargetId>, status: TaskStatus) {
        self.counters[step as usize].count(status, 1);
        self.count_in_batch(step, target, status);
        self.ended.push((step, Waiting::One(target), status));
    }

    fn count_in_batch(&mut self, index: u32, target: Option<TargetId>, status: TaskStatus) {
        let step = &self.plan.steps[index as usize];
        if step.batches.is_empty() && step.max_fail_percentage.is_none() {
            return;
        }
        let batch = self.counters[index as usize].batch.get_or_insert_with(|| Batch::begin(step, 0));
        let places = self.batches.entry(index).or_insert_with(|| match step.batches.is_empty() {
            true => HashMap::new(),
            false => self.plan.targets_of(step, 0, u32::MAX).into_iter().zip(0..).collect(),
        });
        let place = target.and_then(|target| places.get(&target).copied()).unwrap_or_default();
        if place < batch.opened && place >= batch.opened - batch.size {
            batch.count(status);
        }
    }

    /// Releases or aborts what waited for what has ended.
    fn follow(&mut self, ledger: &mut dyn Ledger) -> Result<()> {
        let plan = self.plan;
        let mut settled = vec![false; plan.steps.len()];
        let mut next = 0;
        while next < self.ended.len() {
            let (step, which, status) = self.ended[next];
            next += 1;
            let goes_on = may_go_on(plan, step, status);
            let name = &plan.steps[step as usize].id;
            for (successor, join) in successors(plan, step) {
                let (target, go) = match join {
                    Join::PerTarget | Join::SharedTargets => (which, goes_on),
                    Join::Barrier => {
                        let all = self.counters[step as usize];
                        if all.remaining > 0 || settled[step as usize] {
                            continue;
                        }
                        let failed = all.failed > 0 && !plan.steps[step as usize].continue_on_error;
                        (Waiting::All, !failed && all.aborted == 0)
                    }
                };
                let go = go || plan.steps[successor as usize].runs == Runs::Always;
                for target in met(plan, step, target, join) {
                    if go {
                        ledger.release(successor, target)?;
                    } else {
                        let reason = format!("step {name} {}", because(status));
                        self.abort(successor, target, Idle::Waiting, &reason, ledger)?;
                    }
                }
            }
            if self.counters[step as usize].remaining == 0 {
                settled[step as usize] = true;
            }
        }
        self.ended.clear();
        Ok(())
    }

    /// Ends tasks as aborted, to be followed in turn.
    fn abort(
        &mut self,
        step: u32,
        which: Waiting,
        idle: Idle,
        reason: &str,
        ledger: &mut dyn Ledger,
    ) -> Result<()> {
        let status = TaskStatus::Aborted;
        let gone = ledger.end(step, which, idle, status, reason)?;
        self.counters[step as usize].count(status, gone.len() as u32);
        for target in &gone {
            self.count_in_batch(step, *target, status);
        }
        // Of a step that goes whole, what follows goes whole too.
        if gone.len() > 1 && self.counters[step as usize].remaining == 0 && idle == Idle::Waiting {
            self.ended.push((step, which, status));
        } else {
            self.ended.extend(gone.into_iter().map(|target| (step, Waiting::One(target), status)));
        }
        Ok(())
    }

    /// Gives up steps of which too many have failed, and lets the next batches begin of the others. Whether something ended by
    /// that.
    fn open_batches(&mut self, ledger: &mut dyn Ledger) -> Result<bool> {
        let plan = self.plan;
        let mut touched: Vec<u32> = self.batches.keys().copied().collect();
        touched.sort_unstable();
        for index in touched {
            let (step, at) = (&plan.steps[index as usize], index as usize);
            while let Some(batch) = self.counters[at].batch.filter(|_| self.counters[at].remaining > 0) {
                if let Some(reason) = batch.gives_up(step) {
                    self.abort(index, Waiting::All, Idle::Any, &reason, ledger)?;
                    break;
                }
                if batch.left > 0 || batch.opened >= step.task_count() {
                    break;
                }
                let mut next = Batch::begin(step, batch.opened);
                let targets = plan.targets_of(step, batch.opened, next.size);
                let alive = ledger.waiting(index, &targets)?;
                // Whoever is not there any more was aborted before it had its turn.
                next.left = alive.len() as u32;
                next.aborted = next.size.saturating_sub(next.left);
                self.counters[at].batch = Some(next);
                for target in alive {
                    ledger.release(index, Waiting::One(Some(target)))?;
                }
            }
        }
        Ok(!self.ended.is_empty())
    }
}

/// The tasks of a successor that wait for `which` of a step: a step that shares only some targets with it is met target by target.
fn met(plan: &RunPlan, step: u32, which: Waiting, join: Join) -> impl Iterator<Item = Waiting> {
    let one_by_one = join == Join::SharedTargets && which == Waiting::All;
    let each = match plan.step(step) {
        Some(step) if one_by_one => plan.targets_of(step, 0, u32::MAX),
        _ => Vec::new(),
    };
    let each = each.into_iter().map(|target| Waiting::One(Some(target)));
    each.chain((!one_by_one).then_some(which))
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

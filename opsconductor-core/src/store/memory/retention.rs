//! Old runs go.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;

use super::{MemoryStore, State};
use crate::{
    Result,
    id::{JobId, RunId},
    store::{Keep, Retention, retention::TASKS_AT_ONCE},
};

#[async_trait]
impl Retention for MemoryStore {
    async fn remove_runs(&self, keep: &Keep, limit: usize) -> Result<u64> {
        Ok(self.with(|state| state.remove_runs(keep, limit)))
    }
}

impl State {
    fn remove_runs(&mut self, keep: &Keep, limit: usize) -> u64 {
        let (mut removed, mut tasks) = (0, 0);
        for run in self.beyond(keep).into_iter().take(limit) {
            tasks += self.runs.get(&run).map_or(0, |row| row.tasks.len() as u64);
            if removed > 0 && tasks > TASKS_AT_ONCE {
                break;
            }
            self.remove_run(run);
            removed += 1;
        }
        removed
    }

    /// The runs that are not kept, those first that ended first.
    fn beyond(&self, keep: &Keep) -> Vec<RunId> {
        let over = || self.runs.values().filter_map(|run| Some((run.record.finished_at?, &run.record)));
        let mut beyond = BTreeSet::new();
        if let Some(age) = keep.age {
            let last = chrono::TimeDelta::from_std(age).ok().and_then(|age| self.now.checked_sub_signed(age));
            let old = over().filter(|(ended, _)| last.is_some_and(|last| *ended < last));
            beyond.extend(old.map(|(ended, record)| (ended, record.id)));
        }
        if let Some(most) = keep.runs_per_job {
            let mut seen: BTreeMap<JobId, u32> = BTreeMap::new();
            for (ended, record) in over().collect::<Vec<_>>().into_iter().rev() {
                let count = seen.entry(record.job).or_default();
                if *count == most {
                    beyond.insert((ended, record.id));
                } else {
                    *count += 1;
                }
            }
        }
        beyond.into_iter().map(|(_, run)| run).collect()
    }

    fn remove_run(&mut self, id: RunId) {
        let Some(row) = self.runs.remove(&id) else { return };
        for task in row.tasks {
            self.tasks.remove(&task);
            self.output.retain(|(of, _, _), _| *of != task);
        }
        self.letters.retain(|_, (_, letter)| letter.run != id);
        self.told.forget_run(id);
        for other in self.runs.values_mut().filter(|other| other.record.parent == Some(id)) {
            other.record.parent = None;
        }
    }
}

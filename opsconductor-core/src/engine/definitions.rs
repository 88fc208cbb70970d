//! Definitions that were checked, kept at hand: a version of a job never changes, so checking it once is enough.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, PoisonError},
};

use crate::{Result, id::JobId, job::JobSpec, job::StepKinds, job::ValidJob, store::JobRecord};

/// How many definitions are kept; the oldest goes first.
const DEFINITIONS_MAX: usize = 256;

/// A bounded cache of checked definitions, by job and version.
#[derive(Default)]
pub(crate) struct Definitions {
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    by_version: HashMap<(JobId, i32), ValidJob>,
    order: VecDeque<(JobId, i32)>,
}

impl Definitions {
    /// The definition of a stored job, checked.
    ///
    /// # Errors
    ///
    /// `InvalidJob` when it does not hold with these kinds, such as after one was left out.
    pub(super) fn of(&self, record: &JobRecord, kinds: &StepKinds) -> Result<ValidJob> {
        let key = (record.id, record.version);
        if let Some(found) = self.lock().by_version.get(&key) {
            return Ok(found.clone());
        }
        let job = JobSpec::from_value(record.definition.clone()).validate(kinds)?;
        let mut kept = self.lock();
        if kept.by_version.insert(key, job.clone()).is_none() {
            kept.order.push_back(key);
        }
        while kept.order.len() > DEFINITIONS_MAX {
            if let Some(oldest) = kept.order.pop_front() {
                kept.by_version.remove(&oldest);
            }
        }
        Ok(job)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Kept> {
        // The cache is whole after every statement, so a panic elsewhere does not spoil it.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use serde_json::json;

    use super::*;

    fn record(id: i64, version: i32, name: &str) -> JobRecord {
        JobRecord {
            id: JobId::new(id),
            name: name.to_owned(),
            version,
            definition: json!({"name": name, "version": 1, "steps": [
                {"type": "winrm.exec", "shell": "cmd", "target": "a", "command": "ver"}]}),
            created_by: None,
            is_active: true,
            created_at: Default::default(),
        }
    }

    #[test]
    fn each_version_is_its_own_and_the_number_is_bounded() {
        let (definitions, kinds) = (Definitions::default(), StepKinds::built_in());
        assert_eq!(definitions.of(&record(1, 1, "one"), &kinds).unwrap().name(), "one");
        assert_eq!(definitions.of(&record(1, 2, "two"), &kinds).unwrap().name(), "two");
        assert_eq!(definitions.of(&record(1, 1, "not looked at again"), &kinds).unwrap().name(), "one");
        for id in 2..=DEFINITIONS_MAX as i64 + 2 {
            definitions.of(&record(id, 1, "more"), &kinds).unwrap();
        }
        assert_eq!(definitions.lock().by_version.len(), DEFINITIONS_MAX);
    }
}

//! Jobs at hand. A version of a job never changes, so checking its definition once is enough; and what is known of a job by
//! its name is enough to enqueue it, because the store looks whether that still holds.

use std::{
    collections::{HashMap, VecDeque},
    hash::Hash,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use crate::{
    Result,
    id::{JobId, TenantId},
    job::{JobSpec, StepKinds, ValidJob},
    store::JobRecord,
};

/// How many definitions are kept, and how many names.
const KEPT_MAX: usize = 256;

/// How long a job is taken to be as it was read. What has become of it meanwhile the store finds out, but until then a parameter
/// that has just become secret is treated as it was before.
const KNOWN_FOR: Duration = Duration::from_secs(1);

/// Bounded caches of checked definitions by job and version, and of jobs by name.
#[derive(Default)]
pub(crate) struct Definitions {
    checked: Mutex<Kept<(JobId, i32), ValidJob>>,
    known: Mutex<Kept<(TenantId, String), Known>>,
}

/// A job as it was read.
struct Known {
    record: Arc<JobRecord>,
    /// When, by the monotonic clock.
    at: Duration,
}

/// Values by key; the oldest goes first.
struct Kept<K, V> {
    values: HashMap<K, V>,
    order: VecDeque<K>,
}

impl<K, V> Default for Kept<K, V> {
    fn default() -> Self {
        Self { values: HashMap::new(), order: VecDeque::new() }
    }
}

impl<K: Clone + Eq + Hash, V> Kept<K, V> {
    fn keep(&mut self, key: K, value: V) {
        if self.values.insert(key.clone(), value).is_none() {
            self.order.push_back(key);
        }
        while self.order.len() > KEPT_MAX {
            if let Some(oldest) = self.order.pop_front() {
                self.values.remove(&oldest);
            }
        }
    }
}

impl<K: Eq + Hash, V> Kept<K, V> {
    fn remove(&mut self, key: &K) {
        if self.values.remove(key).is_some() {
            self.order.retain(|other| other != key);
        }
    }
}

impl Definitions {
    /// The job that had this name when it was last read. Whether that is so still is for the store to say.
    pub(super) fn known(&self, tenant: TenantId, name: &str, now: Duration) -> Option<Arc<JobRecord>> {
        let known = lock(&self.known);
        let found = known.values.get(&(tenant, name.to_owned()))?;
        (now.saturating_sub(found.at) < KNOWN_FOR).then(|| Arc::clone(&found.record))
    }

    /// What the job with this id was called when it was last read.
    pub(super) fn name_of(&self, tenant: TenantId, id: JobId, now: Duration) -> Option<String> {
        let known = lock(&self.known);
        let of = |((of, _), known): &(&(TenantId, String), &Known)| *of == tenant && known.record.id == id;
        let ((_, name), found) = known.values.iter().find(of)?;
        (now.saturating_sub(found.at) < KNOWN_FOR).then(|| name.clone())
    }

    /// Remembers a job by its name.
    pub(super) fn remember(&self, tenant: TenantId, record: &Arc<JobRecord>, now: Duration) {
        let known = Known { record: Arc::clone(record), at: now };
        lock(&self.known).keep((tenant, record.name.clone()), known);
    }

    /// A job is not what it was: whoever asks for it by this name reads it anew.
    pub(super) fn forget(&self, tenant: TenantId, name: &str) {
        lock(&self.known).remove(&(tenant, name.to_owned()));
    }

    /// The definition of a stored job, checked.
    ///
    /// # Errors
    ///
    /// `InvalidJob` when it does not hold with these kinds, such as after one was left out.
    pub(super) fn of(&self, record: &JobRecord, kinds: &StepKinds) -> Result<ValidJob> {
        let key = (record.id, record.version);
        if let Some(found) = lock(&self.checked).values.get(&key) {
            return Ok(found.clone());
        }
        let job = JobSpec::from_value(record.definition.clone()).validate(kinds)?;
        lock(&self.checked).keep(key, job.clone());
        Ok(job)
    }
}

fn lock<K, V>(kept: &Mutex<Kept<K, V>>) -> std::sync::MutexGuard<'_, Kept<K, V>> {
    // The cache is whole after every statement, so a panic elsewhere does not spoil it.
    kept.lock().unwrap_or_else(PoisonError::into_inner)
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
        for id in 2..=KEPT_MAX as i64 + 2 {
            definitions.of(&record(id, 1, "more"), &kinds).unwrap();
        }
        assert_eq!(lock(&definitions.checked).values.len(), KEPT_MAX);
    }

    #[test]
    fn what_is_known_of_a_job_is_soon_read_anew() {
        let definitions = Definitions::default();
        let (tenant, job) = (TenantId::new(1), Arc::new(record(1, 1, "one")));
        definitions.remember(tenant, &job, KNOWN_FOR);
        assert!(definitions.known(tenant, "one", 2 * KNOWN_FOR - Duration::from_millis(1)).is_some());
        assert!(definitions.known(tenant, "one", 2 * KNOWN_FOR).is_none());
        definitions.remember(tenant, &job, 2 * KNOWN_FOR);
        definitions.forget(TenantId::new(2), "one");
        assert!(definitions.known(tenant, "one", 2 * KNOWN_FOR).is_some());
        definitions.forget(tenant, "one");
        assert!(definitions.known(tenant, "one", 2 * KNOWN_FOR).is_none());
    }
}

//! Who is told of a run, decided when it is enqueued. What tenants and people say is at hand for a few seconds, so that
//! enqueueing does not ask the store each time.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::Scoped;
use crate::{
    ErrorKind, Result,
    id::{TenantId, UserId},
    notify::{PlanNotices, Preferences, Rule},
    store::NotificationSettings,
};

/// How long what others have said counts as said; what is said through this engine counts at once.
const FRESH_FOR: Duration = Duration::from_secs(5);

/// How many tenants and people are at hand.
const KEPT_MAX: usize = 1_024;

/// What is at hand.
#[derive(Default)]
pub(crate) struct Notices(Mutex<Known>);

#[derive(Default)]
struct Known {
    settings: HashMap<TenantId, (Duration, Arc<NotificationSettings>)>,
    people: HashMap<(TenantId, UserId), (Duration, Arc<Person>)>,
}

/// Someone who asks for runs.
struct Person {
    name: String,
    email: String,
    wants: Preferences,
}

impl Notices {
    /// What is said in a tenant is read anew.
    pub(super) fn forget(&self, tenant: TenantId) {
        let mut known = self.lock();
        known.settings.remove(&tenant);
        known.people.retain(|(owner, _), _| *owner != tenant);
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        // The maps are whole after every statement, so a panic elsewhere does not spoil them.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who is told of a run that the caller asks for: by the rules of the job, of the tenant, and as the caller wants it.
pub(super) async fn of(at: &Scoped, of_job: Vec<Rule>) -> Result<PlanNotices> {
    let settings = settings(at).await?;
    let person = match at.scope.actor.user_id() {
        Some(user) => person(at, user).await?,
        None => None,
    };
    let own = of_job.len();
    let mut rules = of_job;
    rules.extend(settings.rules.iter().cloned());
    if let Some(person) = &person {
        rules.extend(person.wants.notices(&person.email, settings.smtp.is_some()));
    }
    // Nobody is told, so it does not matter who asked.
    let requester = person.filter(|_| !rules.is_empty()).map(|person| person.name.clone());
    Ok(PlanNotices { requester, rules, own })
}

async fn settings(at: &Scoped) -> Result<Arc<NotificationSettings>> {
    let (inner, tenant) = (&at.inner, at.scope.tenant);
    let now = inner.clock.monotonic();
    if let Some((read_at, known)) = inner.notices.lock().settings.get(&tenant)
        && now.saturating_sub(*read_at) < FRESH_FOR
    {
        return Ok(Arc::clone(known));
    }
    let settings = Arc::new(inner.store.notification_settings(tenant).await?);
    let mut known = inner.notices.lock();
    if known.settings.len() >= KEPT_MAX {
        known.settings.clear();
    }
    known.settings.insert(tenant, (now, Arc::clone(&settings)));
    Ok(settings)
}

/// None for an account that is not there any more.
async fn person(at: &Scoped, user: UserId) -> Result<Option<Arc<Person>>> {
    let (inner, key) = (&at.inner, (at.scope.tenant, user));
    let now = inner.clock.monotonic();
    if let Some((read_at, known)) = inner.notices.lock().people.get(&key)
        && now.saturating_sub(*read_at) < FRESH_FOR
    {
        return Ok(Some(Arc::clone(known)));
    }
    let read = async {
        let record = inner.store.user(key.0, user).await?;
        let wants = inner.store.notification_preferences(key.0, user).await?.unwrap_or_default();
        Ok(Person { name: record.name, email: record.email, wants })
    };
    let person = match read.await {
        Ok(person) => Arc::new(person),
        Err(error) if crate::Error::kind(&error) == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut known = inner.notices.lock();
    if known.people.len() >= KEPT_MAX {
        known.people.clear();
    }
    known.people.insert(key, (now, Arc::clone(&person)));
    Ok(Some(person))
}

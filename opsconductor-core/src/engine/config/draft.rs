//! What is to be against what is.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::{Config, ConfigAction, ConfigChange, order};
use crate::{
    ErrorKind, JobSpec, Problem, Result,
    auth::policy::{Action, Resource},
    config::{self, Desired, Kind, Placed, TargetConfig},
    engine::{credentials, targets},
    id::{CredentialId, TargetId},
    job::{ValidJob, pointer},
    notify::Rule,
    store::{JobRecord, Listing, Page},
    target::{Target, TargetSpec},
    vault::credential::CredentialKind,
};

/// Every change in the order in which it can be made, and what makes it.
pub(super) struct Draft {
    pub(super) steps: Vec<(ConfigChange, Work)>,
}

/// What makes a change.
pub(super) enum Work {
    Target { spec: Box<TargetSpec>, depends_on: Vec<String>, existing: bool },
    Job { name: String, spec: JobSpec, existing: bool },
    Rules(Vec<Rule>),
    DropJob(String),
    DropTarget(String),
}

/// How many are read at once.
const PAGE: u32 = 1000;

/// A target as it is or is to be; those before it by their names, since some have no id yet.
struct Planned {
    spec: TargetSpec,
    before: BTreeSet<String>,
}

impl Config<'_> {
    pub(super) async fn draft(&self, desired: &Desired, prune: bool) -> Result<Draft> {
        self.at.authorize(Action::Read, Resource::Target)?;
        self.at.authorize(Action::Read, Resource::Job)?;
        let present = self.present().await?;
        let mut problems = Vec::new();
        let credentials = self.credentials(&desired.targets, &mut problems).await?;
        let wanted: BTreeMap<&str, Planned> = desired
            .targets
            .iter()
            .map(|placed| (placed.item.name.as_str(), planned(&placed.item, &credentials)))
            .collect();
        let pruned: HashSet<&str> = match prune {
            true => present.keys().map(String::as_str).filter(|name| !wanted.contains_key(name)).collect(),
            false => HashSet::new(),
        };
        // The targets as they will be.
        let future: BTreeMap<&str, &Planned> = present
            .iter()
            .map(|(name, planned)| (name.as_str(), planned))
            .filter(|(name, _)| !pruned.contains(name))
            .chain(wanted.iter().map(|(name, planned)| (*name, planned)))
            .collect();
        let used = future.values().filter_map(|planned| planned.spec.credential_ref).collect();
        let kinds = credentials::kinds(&self.at.inner, self.at.scope.tenant, used).await?;
        for placed in &desired.targets {
            let spec = &wanted[placed.item.name.as_str()].spec;
            let kind = spec.credential_ref.and_then(|id| kinds.get(&id));
            let faults =
                targets::problems(spec).into_iter().chain(kind.and_then(|kind| targets::unfit(spec, *kind)));
            // One that is named and not there is told of already.
            let told = |it: &Problem| {
                spec.credential_ref.is_none()
                    && placed.item.credential.is_some()
                    && it.pointer == "/credential_ref"
            };
            problems.extend(faults.filter(|it| !told(it)).map(|it| {
                Problem::new(
                    format!("{}{}", placed.place, it.pointer.replace("credential_ref", "credential")),
                    it.message,
                )
            }));
        }
        let order = order_of(desired, &future, &mut problems);
        let mut steps = Vec::new();
        for name in &order {
            if let Some(want) = wanted.get(name.as_str()) {
                steps.extend(target_step(present.get(name), want));
            }
        }
        let kept = self.jobs(desired, (&future, &kinds), &mut steps, &mut problems).await?;
        self.rules(desired, &mut steps).await?;
        if !problems.is_empty() {
            return Err(config::refuse(problems));
        }
        if prune {
            steps.extend(self.jobs_to_drop(&kept).await?);
            let going: BTreeMap<&str, BTreeSet<&str>> = present
                .iter()
                .filter(|(name, _)| pruned.contains(name.as_str()))
                .map(|(name, planned)| (name.as_str(), planned.before.iter().map(String::as_str).collect()))
                .collect();
            // Who comes after another goes first.
            steps.extend(order::sorted(&going).0.into_iter().rev().map(|name| {
                (change(ConfigAction::Delete, Kind::Target, &name, Vec::new()), Work::DropTarget(name))
            }));
        }
        Ok(Draft { steps })
    }

    /// The targets that are there.
    async fn present(&self) -> Result<BTreeMap<String, Planned>> {
        let (store, tenant) = (&self.at.inner.store, self.at.scope.tenant);
        let targets = all(|page| store.list_targets(tenant, &[], page)).await?;
        let names: HashMap<TargetId, String> =
            targets.iter().map(|target| (target.id, target.spec.name.clone())).collect();
        let planned = targets.into_iter().map(|Target { spec, .. }| {
            let before = spec.depends_on.iter().filter_map(|id| names.get(id).cloned()).collect();
            (spec.name.clone(), Planned { spec, before })
        });
        Ok(planned.collect())
    }

    /// The credentials that the targets name.
    async fn credentials<'d>(
        &self,
        targets: &'d [Placed<TargetConfig>],
        problems: &mut Vec<Problem>,
    ) -> Result<HashMap<&'d str, CredentialId>> {
        let mut found = HashMap::new();
        let mut missing = HashSet::new();
        for Placed { place, item } in targets {
            let Some(name) = item.credential.as_deref() else { continue };
            if !found.contains_key(name) && !missing.contains(name) {
                match self.at.credentials().get(name).await {
                    Ok(info) => drop(found.insert(name, info.id)),
                    Err(error) if error.kind() == ErrorKind::NotFound => drop(missing.insert(name)),
                    Err(error) => return Err(error),
                }
            }
            if missing.contains(name) {
                let message = format!(
                    "there is no credential called {name:?}; make it first, secrets are never in files"
                );
                problems.push(Problem::new(pointer(place, "credential"), message));
            }
        }
        Ok(found)
    }

    /// Adds the jobs that are to be made or changed, and answers with the names of all that are to be.
    async fn jobs<'d>(
        &self,
        desired: &'d Desired,
        (future, kinds): (&BTreeMap<&str, &Planned>, &HashMap<CredentialId, CredentialKind>),
        steps: &mut Vec<(ConfigChange, Work)>,
        problems: &mut Vec<Problem>,
    ) -> Result<HashSet<&'d str>> {
        let (store, tenant) = (&self.at.inner.store, self.at.scope.tenant);
        for Placed { place, item } in &desired.jobs {
            let faults = match item.spec.validate(&self.at.inner.kinds) {
                Ok(job) => job.check_targets_with(&meant(&job, future), kinds),
                Err(error) if error.kind() == ErrorKind::InvalidJob => error.problems().to_vec(),
                Err(error) => return Err(error),
            };
            if !faults.is_empty() {
                let placed =
                    faults.iter().map(|it| Problem::new(format!("{place}{}", it.pointer), &it.message));
                problems.extend(placed);
                continue;
            }
            let found = match store.job_by_name(tenant, &item.name).await {
                Ok(found) => Some(found),
                Err(error) if error.kind() == ErrorKind::NotFound => None,
                Err(error) => return Err(error),
            };
            steps.extend(job_step(found.as_ref(), &item.name, &item.spec));
        }
        Ok(desired.jobs.iter().map(|placed| placed.item.name.as_str()).collect())
    }

    async fn rules(&self, desired: &Desired, steps: &mut Vec<(ConfigChange, Work)>) -> Result<()> {
        let Some(Placed { item: rules, .. }) = &desired.rules else { return Ok(()) };
        if self.at.notifications().rules().await? != *rules {
            let change = change(ConfigAction::Update, Kind::Notifications, "", vec!["rules"]);
            steps.push((change, Work::Rules(rules.clone())));
        }
        Ok(())
    }

    async fn jobs_to_drop(&self, kept: &HashSet<&str>) -> Result<Vec<(ConfigChange, Work)>> {
        let (store, tenant) = (&self.at.inner.store, self.at.scope.tenant);
        let jobs = all(|page| store.list_jobs(tenant, true, page)).await?;
        let gone = jobs.into_iter().filter(|job| !kept.contains(job.name.as_str()));
        Ok(gone
            .map(|JobRecord { name, .. }| {
                (change(ConfigAction::Delete, Kind::Job, &name, Vec::new()), Work::DropJob(name))
            })
            .collect())
    }
}

/// Everything of a list.
async fn all<T, F: Future<Output = Result<Listing<T>>>>(mut part: impl FnMut(Page) -> F) -> Result<Vec<T>> {
    let mut found = Vec::new();
    loop {
        let list = part(Page { skip: found.len() as u64, limit: PAGE }).await?;
        let is_last = list.items.is_empty();
        found.extend(list.items);
        if is_last || found.len() as u64 >= list.total {
            return Ok(found);
        }
    }
}

fn planned(item: &TargetConfig, credentials: &HashMap<&str, CredentialId>) -> Planned {
    Planned {
        spec: TargetSpec {
            name: item.name.clone(),
            hostname: item.hostname.clone(),
            protocol: item.protocol,
            port: item.port.unwrap_or_else(|| item.protocol.default_port()),
            credential_ref: item.credential.as_deref().and_then(|name| credentials.get(name).copied()),
            tags: item.tags.clone(),
            metadata: item.metadata.clone(),
            depends_on: Vec::new(),
        },
        before: item.depends_on.iter().cloned().collect(),
    }
}

/// The names of all targets, each after those before it.
fn order_of(
    desired: &Desired,
    future: &BTreeMap<&str, &Planned>,
    problems: &mut Vec<Problem>,
) -> Vec<String> {
    let before =
        future.iter().map(|(name, planned)| (*name, planned.before.iter().map(String::as_str).collect()));
    let (order, circle) = order::sorted(&before.collect());
    for Placed { place, item } in &desired.targets {
        let at = || pointer(place, "depends_on");
        if let Some(missing) = item.depends_on.iter().find(|name| !future.contains_key(name.as_str())) {
            problems.push(Problem::new(at(), format!("there will be no target called {missing:?}")));
        }
        if circle.contains(&item.name) {
            let message = "it comes after itself, or after a target that does; take out what leads back";
            problems.push(Problem::new(at(), message));
        }
    }
    order
}

fn target_step(present: Option<&Planned>, want: &Planned) -> Option<(ConfigChange, Work)> {
    let (action, differs) = match present {
        None => (ConfigAction::Create, Vec::new()),
        Some(present) => (ConfigAction::Update, differences(present, want)),
    };
    if action == ConfigAction::Update && differs.is_empty() {
        return None;
    }
    let work = Work::Target {
        spec: Box::new(want.spec.clone()),
        depends_on: want.before.iter().cloned().collect(),
        existing: present.is_some(),
    };
    Some((change(action, Kind::Target, &want.spec.name, differs), work))
}

fn differences(present: &Planned, want: &Planned) -> Vec<&'static str> {
    let (is, to_be) = (&present.spec, &want.spec);
    let tags = |spec: &TargetSpec| spec.tags.iter().cloned().collect::<BTreeSet<_>>();
    let members = [
        ("hostname", is.hostname != to_be.hostname),
        ("protocol", is.protocol != to_be.protocol),
        ("port", is.port != to_be.port),
        ("credential", is.credential_ref != to_be.credential_ref),
        ("tags", tags(is) != tags(to_be)),
        ("metadata", is.metadata != to_be.metadata),
        ("depends_on", present.before != want.before),
    ];
    members.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name).collect()
}

fn job_step(found: Option<&JobRecord>, name: &str, spec: &JobSpec) -> Option<(ConfigChange, Work)> {
    let (action, differs) = match found {
        None => (ConfigAction::Create, Vec::new()),
        Some(found) => {
            let members =
                [("definition", found.definition != *spec.as_value()), ("is_active", !found.is_active)];
            let differs = members.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name).collect();
            (ConfigAction::Update, differs)
        }
    };
    if action == ConfigAction::Update && differs.is_empty() {
        return None;
    }
    let work = Work::Job { name: name.to_owned(), spec: spec.clone(), existing: found.is_some() };
    Some((change(action, Kind::Job, name, differs), work))
}

/// The targets that a job is about, as they will be.
fn meant(job: &ValidJob, future: &BTreeMap<&str, &Planned>) -> Vec<Target> {
    let named: HashSet<&str> = job.target_names().map(|(_, name)| name).collect();
    let selectors: Vec<_> = job.selectors().map(|(_, selector)| selector).collect();
    let meant = future.values().enumerate().filter(|(_, planned)| {
        named.contains(planned.spec.name.as_str()) || selectors.iter().any(|it| it.matches(&planned.spec))
    });
    let targets = meant.map(|(index, planned)| Target {
        // Only told apart by it: those that are to be made have none yet.
        id: TargetId::new(index as i64 + 1),
        spec: planned.spec.clone(),
        created_at: crate::clock::Timestamp::UNIX_EPOCH,
    });
    targets.collect()
}

fn change(action: ConfigAction, kind: Kind, name: &str, differs: Vec<&'static str>) -> ConfigChange {
    ConfigChange { action, kind: kind.as_str(), name: name.to_owned(), differs }
}

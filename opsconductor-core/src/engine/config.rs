//! Configuration as code: what is to be against what is, and the way from one to the other.

mod draft;
mod order;

use serde::Serialize;

use self::draft::{Draft, Work};
use super::Scoped;
use crate::{
    ErrorKind, Result,
    auth::policy::{Action, Resource},
    config::Desired,
};

/// Calls on the configuration of a tenant as a whole.
pub struct Config<'a> {
    pub(super) at: &'a Scoped,
}

/// What is done to a thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ConfigAction {
    /// It is made.
    Create,
    /// It is changed.
    Update,
    /// It is removed; a job that has runs is put out of use instead.
    Delete,
}

impl ConfigAction {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
        }
    }
}

/// One thing that is other than it is to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ConfigChange {
    /// What is done.
    pub action: ConfigAction,
    /// To what kind of thing: `target`, `job` or `notifications`.
    pub kind: &'static str,
    /// Its name; empty for the rules for notifications.
    pub name: String,
    /// The members that differ, when it is changed.
    pub differs: Vec<&'static str>,
}

impl Config<'_> {
    /// What has to be changed so that the tenant has what is desired; nothing when it has. What is there and not desired is left
    /// alone, or with `prune` removed: targets, active jobs, and rules where the desired ones say `notifications`.
    ///
    /// # Errors
    ///
    /// `Forbidden`; `InvalidInput` with every problem, such as a credential or a target that does not exist, or a job that does
    /// not hold.
    pub async fn plan(&self, desired: &Desired, prune: bool) -> Result<Vec<ConfigChange>> {
        Ok(self.draft(desired, prune).await?.steps.into_iter().map(|(change, _)| change).collect())
    }

    /// Makes it so, and says what was changed. Every change is checked before the first is made, and each is a transaction of
    /// its own: when one fails, those before it stay, and the next call goes on from there.
    ///
    /// # Errors
    ///
    /// As [`Config::plan`], and as the call that makes the change; it then names the change and how many were made before.
    pub async fn apply(&self, desired: &Desired, prune: bool) -> Result<Vec<ConfigChange>> {
        let Draft { steps, .. } = self.draft(desired, prune).await?;
        for (change, _) in &steps {
            self.at.authorize(right(change.action), resource(change.kind))?;
        }
        let mut made = Vec::with_capacity(steps.len());
        for (change, work) in steps {
            self.make(work).await.map_err(|error| {
                error
                    .with("change", format!("{} {} {}", change.action.as_str(), change.kind, change.name))
                    .with("made_before", made.len())
            })?;
            made.push(change);
        }
        Ok(made)
    }

    async fn make(&self, work: Work) -> Result<()> {
        match work {
            Work::Target { mut spec, depends_on, existing } => {
                // Those that come before it are there by now, and have their ids.
                let before = self.at.inner.store.targets_by_name(self.at.scope.tenant, &depends_on).await?;
                spec.depends_on = before.into_iter().map(|target| target.id).collect();
                let targets = self.at.targets();
                if existing {
                    targets.update(&spec.name.clone(), *spec).await
                } else {
                    targets.create(*spec).await
                }
                .map(drop)
            }
            Work::Job { name, spec, existing } => {
                let options = super::JobOptions { is_active: Some(true), ..Default::default() };
                let jobs = self.at.jobs();
                if existing {
                    jobs.update_with(&name, &spec, options).await
                } else {
                    jobs.create_with(&spec, options).await
                }
                .map(drop)
            }
            Work::Rules(rules) => self.at.notifications().set_rules(rules).await,
            Work::DropJob(name) => match self.at.jobs().delete(&name).await {
                Err(error) if error.kind() == ErrorKind::Conflict => {
                    self.at.jobs().set_active(&name, false).await.map(drop)
                }
                ended => ended,
            },
            Work::DropTarget(name) => self.at.targets().delete(&name).await,
        }
    }
}

fn right(action: ConfigAction) -> Action {
    match action {
        ConfigAction::Create => Action::Create,
        ConfigAction::Update => Action::Update,
        ConfigAction::Delete => Action::Delete,
    }
}

fn resource(kind: &'static str) -> Resource {
    match kind {
        "target" => Resource::Target,
        "job" => Resource::Job,
        _ => Resource::Notification,
    }
}

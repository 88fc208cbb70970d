//! The one table of roles and actions, and the one function that reads it.

use std::fmt;

use crate::{
    Error, ErrorKind, Result,
    tenant::{Role, Scope},
};

/// What is done to a [`Resource`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Action {
    /// See it or list it.
    Read,
    /// Make it.
    Create,
    /// Change it.
    Update,
    /// Remove it.
    Delete,
    /// Run it, or test the connection to it.
    Execute,
    /// Stop it.
    Cancel,
    /// See what is sealed in it.
    Decrypt,
}

/// A kind of thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Resource {
    /// Credentials.
    Credential,
    /// Targets.
    Target,
    /// Jobs.
    Job,
    /// Runs, their steps, events and logs.
    Run,
    /// What the queue may do: limits, rates and pauses.
    Queue,
    /// Tasks that ended badly for good.
    DeadLetter,
    /// Workers, which are the deployment's.
    Worker,
    /// The audit record.
    Audit,
}

/// Every action on every resource with the least role that may do it. What is not listed nobody may do.
pub const POLICY: &[(Resource, Action, Role)] = &[
    (Resource::Credential, Action::Read, Role::Operator),
    (Resource::Credential, Action::Create, Role::Operator),
    (Resource::Credential, Action::Update, Role::Operator),
    (Resource::Credential, Action::Delete, Role::Operator),
    (Resource::Credential, Action::Decrypt, Role::Admin),
    (Resource::Target, Action::Read, Role::Viewer),
    (Resource::Target, Action::Create, Role::Operator),
    (Resource::Target, Action::Update, Role::Operator),
    (Resource::Target, Action::Delete, Role::Operator),
    (Resource::Target, Action::Execute, Role::Operator),
    (Resource::Job, Action::Read, Role::Viewer),
    (Resource::Job, Action::Create, Role::Operator),
    (Resource::Job, Action::Update, Role::Operator),
    (Resource::Job, Action::Delete, Role::Operator),
    (Resource::Job, Action::Execute, Role::Operator),
    (Resource::Run, Action::Read, Role::Viewer),
    (Resource::Run, Action::Cancel, Role::Operator),
    (Resource::Queue, Action::Read, Role::Viewer),
    (Resource::Queue, Action::Update, Role::Operator),
    (Resource::DeadLetter, Action::Read, Role::Viewer),
    (Resource::DeadLetter, Action::Execute, Role::Operator),
    (Resource::DeadLetter, Action::Delete, Role::Operator),
    (Resource::Worker, Action::Read, Role::Operator),
    (Resource::Audit, Action::Read, Role::Admin),
    (Resource::Audit, Action::Create, Role::Admin),
    (Resource::Audit, Action::Delete, Role::Admin),
];

/// Lets `scope`'s actor do `action` to a `resource` of its tenant, or says why not.
///
/// # Errors
///
/// `Forbidden`, naming the role that would be enough.
pub fn authorize(scope: &Scope, action: Action, resource: Resource) -> Result<()> {
    let least = POLICY.iter().find(|(r, a, _)| *r == resource && *a == action).map(|(_, _, role)| *role);
    let role = scope.actor.role();
    match least {
        Some(least) if role >= least => Ok(()),
        Some(least) => Err(Error::new(
            ErrorKind::Forbidden,
            format!("to {action} {resource} takes the role {least}, and {} is {role}", scope.actor.name()),
        )),
        None => Err(Error::new(ErrorKind::Forbidden, format!("nobody may {action} {resource}"))),
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read => "read",
            Self::Create => "create",
            Self::Update => "change",
            Self::Delete => "delete",
            Self::Execute => "run or test",
            Self::Cancel => "cancel",
            Self::Decrypt => "decrypt",
        })
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Credential => "credentials",
            Self::Target => "targets",
            Self::Job => "jobs",
            Self::Run => "runs",
            Self::Queue => "the queue",
            Self::DeadLetter => "dead letters",
            Self::Worker => "workers",
            Self::Audit => "the audit record",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        id::UserId,
        tenant::{Actor, DEFAULT_TENANT},
    };

    fn may(role: Role, action: Action, resource: Resource) -> bool {
        let actor = Actor::User { id: UserId::new(1), name: "someone".into(), role };
        authorize(&Scope::new(DEFAULT_TENANT, actor), action, resource).is_ok()
    }

    #[test]
    fn viewers_read_all_but_credentials_workers_and_the_record_and_change_nothing() {
        for (resource, action, _) in POLICY {
            let hidden = matches!(resource, Resource::Credential | Resource::Worker | Resource::Audit);
            let expected = *action == Action::Read && !hidden;
            assert_eq!(may(Role::Viewer, *action, *resource), expected, "{action} {resource}");
        }
    }

    #[test]
    fn operators_do_all_but_decrypt_and_read_the_record() {
        for (resource, action, _) in POLICY {
            assert_eq!(
                may(Role::Operator, *action, *resource),
                *action != Action::Decrypt && *resource != Resource::Audit,
                "{action} {resource}"
            );
        }
    }

    #[test]
    fn admins_do_all_that_is_listed_and_nothing_else() {
        for (resource, action, _) in POLICY {
            assert!(may(Role::Admin, *action, *resource), "{action} {resource}");
        }
        assert!(!may(Role::Admin, Action::Decrypt, Resource::Job));
    }

    #[test]
    fn a_refusal_names_the_role_that_would_do() {
        let actor = Actor::User { id: UserId::new(7), name: "eve".into(), role: Role::Viewer };
        let error = authorize(&Scope::new(DEFAULT_TENANT, actor), Action::Execute, Resource::Job)
            .expect_err("a viewer runs nothing");
        assert_eq!(error.kind(), ErrorKind::Forbidden);
        assert_eq!(error.to_string(), "to run or test jobs takes the role operator, and eve is viewer");
    }
}

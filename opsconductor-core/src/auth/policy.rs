//! The one table of roles and actions, and the one function that reads it.

use std::{fmt, str::FromStr};

use crate::{
    Error, ErrorKind, Result,
    tenant::{Actor, Role, Scope},
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
    /// The keys that records are sealed under, which are the deployment's.
    Key,
    /// The caller's own account.
    Account,
    /// Accounts of other people.
    User,
    /// The audit record.
    Audit,
    /// Notifications, the rules for them, and whether they are delivered.
    Notification,
    /// The mail server.
    Smtp,
}

/// One action on one kind of thing, written `job:execute`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Right {
    resource: Resource,
    action: Action,
}

impl Right {
    /// The right to do `action` to a `resource`.
    pub fn new(resource: Resource, action: Action) -> Self {
        Self { resource, action }
    }

    /// Whether `role` has it.
    pub fn is_of(self, role: Role) -> bool {
        POLICY.iter().any(|(r, a, least)| (*r, *a) == (self.resource, self.action) && role >= *least)
    }
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.resource.as_str(), self.action.as_str())
    }
}

impl FromStr for Right {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let mut all = POLICY.iter().map(|(resource, action, _)| Self::new(*resource, *action));
        all.find(|right| right.to_string() == text).ok_or_else(|| {
            let message = "there is no such right; the table of who may do what lists them, as job:execute";
            Error::new(ErrorKind::InvalidInput, message).with("given", text)
        })
    }
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
    (Resource::Key, Action::Read, Role::Admin),
    (Resource::Key, Action::Update, Role::Admin),
    (Resource::Account, Action::Read, Role::Viewer),
    (Resource::Account, Action::Update, Role::Viewer),
    (Resource::User, Action::Read, Role::Admin),
    (Resource::User, Action::Create, Role::Admin),
    (Resource::User, Action::Update, Role::Admin),
    (Resource::User, Action::Delete, Role::Admin),
    (Resource::Notification, Action::Read, Role::Viewer),
    (Resource::Notification, Action::Create, Role::Operator),
    (Resource::Notification, Action::Execute, Role::Operator),
    (Resource::Notification, Action::Update, Role::Admin),
    (Resource::Notification, Action::Decrypt, Role::Admin),
    (Resource::Smtp, Action::Read, Role::Admin),
    (Resource::Smtp, Action::Update, Role::Admin),
    (Resource::Smtp, Action::Execute, Role::Admin),
    (Resource::Audit, Action::Read, Role::Admin),
    (Resource::Audit, Action::Create, Role::Admin),
    (Resource::Audit, Action::Delete, Role::Admin),
];

/// Lets `scope`'s actor do `action` to a `resource` of its tenant, or says why not.
///
/// # Errors
///
/// `Forbidden`, naming the role that would be enough, or that the caller is a token that is not made for it.
pub fn authorize(scope: &Scope, action: Action, resource: Resource) -> Result<()> {
    let least = POLICY.iter().find(|(r, a, _)| *r == resource && *a == action).map(|(_, _, role)| *role);
    let role = scope.actor.role();
    if let Actor::Token { only, .. } = &scope.actor {
        // Or whoever has a token could make more of it: another password, another role, another account that outlives it.
        let changes = matches!(action, Action::Create | Action::Update | Action::Delete);
        if changes && matches!(resource, Resource::Account | Resource::User) {
            return Err(Error::new(
                ErrorKind::Forbidden,
                format!("to {action} {resource} takes a login, not a token"),
            ));
        }
        if only.as_ref().is_some_and(|only| !only.contains(&Right::new(resource, action))) {
            let message = format!("the token is not made to {action} {resource}");
            return Err(Error::new(ErrorKind::Forbidden, message));
        }
    }
    match least {
        Some(least) if role >= least => Ok(()),
        Some(least) => Err(Error::new(
            ErrorKind::Forbidden,
            format!("to {action} {resource} takes the role {least}, and {} is {role}", scope.actor.name()),
        )),
        None => Err(Error::new(ErrorKind::Forbidden, format!("nobody may {action} {resource}"))),
    }
}

impl Action {
    /// A short name, for tables and scopes of tokens.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::Execute => "execute",
            Self::Cancel => "cancel",
            Self::Decrypt => "decrypt",
        }
    }
}

impl Resource {
    /// A short name, for tables and scopes of tokens.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Credential => "credential",
            Self::Target => "target",
            Self::Job => "job",
            Self::Run => "run",
            Self::Queue => "queue",
            Self::DeadLetter => "dead_letter",
            Self::Worker => "worker",
            Self::Key => "key",
            Self::Audit => "audit",
            Self::Notification => "notification",
            Self::Smtp => "smtp",
            Self::Account => "account",
            Self::User => "user",
        }
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
            Self::Key => "keys",
            Self::Account => "the own account",
            Self::User => "users",
            Self::Audit => "the audit record",
            Self::Notification => "notifications",
            Self::Smtp => "the mail server",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        id::{ApiTokenId, UserId},
        tenant::DEFAULT_TENANT,
    };

    fn may(role: Role, action: Action, resource: Resource) -> bool {
        let actor = Actor::User { id: UserId::new(1), name: "someone".into(), role };
        authorize(&Scope::new(DEFAULT_TENANT, actor), action, resource).is_ok()
    }

    #[test]
    fn viewers_read_what_holds_no_secret_and_change_their_own_account_alone() {
        for (resource, action, _) in POLICY {
            let hidden = !matches!(
                resource,
                Resource::Target
                    | Resource::Job
                    | Resource::Run
                    | Resource::Queue
                    | Resource::DeadLetter
                    | Resource::Account
                    | Resource::Notification
            );
            let expected = *resource == Resource::Account || *action == Action::Read && !hidden;
            assert_eq!(may(Role::Viewer, *action, *resource), expected, "{action} {resource}");
        }
    }

    #[test]
    fn operators_do_all_but_decrypt_and_look_after_keys_and_people_and_the_record() {
        for (resource, action, _) in POLICY {
            assert_eq!(
                may(Role::Operator, *action, *resource),
                *action != Action::Decrypt
                    && !matches!(resource, Resource::Key | Resource::User | Resource::Audit | Resource::Smtp)
                    && (*resource, *action) != (Resource::Notification, Action::Update),
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

    #[test]
    fn a_token_has_what_its_role_has_and_its_list_lets_through() {
        let by = |role, only: Option<&[Right]>| {
            let only = only.map(Into::into);
            let (id, user) = (ApiTokenId::new(1), UserId::new(7));
            Scope::new(DEFAULT_TENANT, Actor::Token { id, user, name: "ann".into(), role, only })
        };
        let execute = Right::new(Resource::Job, Action::Execute);
        for (resource, action, least) in POLICY {
            let changes = matches!(action, Action::Create | Action::Update | Action::Delete);
            let account = changes && matches!(resource, Resource::Account | Resource::User);
            for role in [Role::Viewer, Role::Operator, Role::Admin] {
                let may = |only: Option<&[Right]>| authorize(&by(role, only), *action, *resource).is_ok();
                assert_eq!(may(None), role >= *least && !account, "{role} {action} {resource}");
                let listed = Right::new(*resource, *action) == execute && role >= Role::Operator;
                assert_eq!(may(Some(&[execute])), listed, "{role} {action} {resource}");
                assert!(!may(Some(&[])));
            }
        }
    }

    #[test]
    fn every_right_has_a_name_of_its_own() {
        for (resource, action, least) in POLICY {
            let right = Right::new(*resource, *action);
            assert!(right.to_string().parse::<Right>().is_ok_and(|read| read == right), "{right}");
            assert!(right.is_of(*least) && right.is_of(Role::Admin));
        }
        for text in ["", "job", "job:", "job:decrypt", "Job:execute", "job:execute "] {
            assert!(text.parse::<Right>().is_err(), "{text}");
        }
    }
}

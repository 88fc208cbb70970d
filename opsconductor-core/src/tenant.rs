//! Tenants, the people in them, and the [`Scope`] through which everything is called.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{
    Error, ErrorKind, Result,
    auth::policy::Right,
    clock::Timestamp,
    id::{ApiTokenId, TenantId, UserId},
};

/// The tenant that every store has from its first migration on.
pub const DEFAULT_TENANT: TenantId = TenantId::new(1);

/// The name of [`DEFAULT_TENANT`].
pub const DEFAULT_TENANT_NAME: &str = "default";

/// A group of people and things that sees nothing of any other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tenant {
    /// Its id.
    pub id: TenantId,
    /// Its name, unique in the deployment.
    pub name: String,
    /// When it was made.
    pub created_at: Timestamp,
}

/// What a person may do, each role more than the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Role {
    /// Reads, credentials apart.
    Viewer,
    /// Also writes and runs.
    Operator,
    /// Also reads secrets and manages people.
    Admin,
}

impl Role {
    /// The name as it stands in the database and the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "viewer" => Ok(Self::Viewer),
            "operator" => Ok(Self::Operator),
            "admin" => Ok(Self::Admin),
            _ => Err(Error::new(ErrorKind::InvalidInput, "a role is viewer, operator or admin")
                .with("given", text)),
        }
    }
}

/// Who acts.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Actor {
    /// A person with an account.
    User {
        /// The account.
        id: UserId,
        /// The user name, for records.
        name: String,
        /// The role in the tenant.
        role: Role,
    },
    /// A program that calls with a token of such an account.
    Token {
        /// The token.
        id: ApiTokenId,
        /// The account.
        user: UserId,
        /// The account's name, for records.
        name: String,
        /// The role it acts with: no more than the account's.
        role: Role,
        /// All that it may do, where that is less than what the role may.
        only: Option<Arc<[Right]>>,
    },
    /// Whoever runs the process that embeds the engine: an administrator of the tenant without an account.
    Local,
}

impl Actor {
    /// The role it acts with.
    pub fn role(&self) -> Role {
        match self {
            Self::User { role, .. } | Self::Token { role, .. } => *role,
            Self::Local => Role::Admin,
        }
    }

    /// The account, if it has one.
    pub fn user_id(&self) -> Option<UserId> {
        match self {
            Self::User { id, .. } | Self::Token { user: id, .. } => Some(*id),
            Self::Local => None,
        }
    }

    /// A name for records and messages.
    pub fn name(&self) -> &str {
        match self {
            Self::User { name, .. } | Self::Token { name, .. } => name,
            Self::Local => "local",
        }
    }
}

/// Who calls, and in which tenant. Everything that is asked of the engine is asked through one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// The tenant whose things are seen.
    pub tenant: TenantId,
    /// Who calls.
    pub actor: Actor,
}

impl Scope {
    /// The local administrator in the default tenant: what a program gets that embeds the engine for itself.
    pub fn local() -> Self {
        Self { tenant: DEFAULT_TENANT, actor: Actor::Local }
    }

    /// A scope for `actor` in `tenant`.
    pub fn new(tenant: TenantId, actor: Actor) -> Self {
        Self { tenant, actor }
    }
}

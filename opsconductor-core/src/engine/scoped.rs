//! The engine as one caller may use it.

use std::sync::Arc;

use super::{
    ApiTokens, Approvals, AuditTrail, Config, Credentials, DeadLetterBox, Inner, Jobs, Keys, Notifications,
    QueueControl, Runs, Smtp, Targets, Users, Workers,
};
use crate::{
    Result,
    auth::policy::{Action, Resource, authorize},
    tenant::Scope,
};

/// The engine as one actor in one tenant may use it. Every call is authorized here, whoever makes it.
#[derive(Clone)]
pub struct Scoped {
    pub(super) inner: Arc<Inner>,
    pub(super) scope: Scope,
}

impl Scoped {
    pub(super) fn new(inner: Arc<Inner>, scope: Scope) -> Self {
        Self { inner, scope }
    }

    /// Who calls, and where.
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// Credentials of the tenant.
    pub fn credentials(&self) -> Credentials<'_> {
        Credentials { at: self }
    }

    /// Targets of the tenant.
    pub fn targets(&self) -> Targets<'_> {
        Targets { at: self }
    }

    /// Jobs of the tenant.
    pub fn jobs(&self) -> Jobs<'_> {
        Jobs { at: self }
    }

    /// What the tenant is to have, as files say it.
    pub fn config(&self) -> Config<'_> {
        Config { at: self }
    }

    /// Runs of the tenant.
    pub fn runs(&self) -> Runs<'_> {
        Runs { at: self }
    }

    /// What of the tenant waits for a person's answer.
    pub fn approvals(&self) -> Approvals<'_> {
        Approvals { at: self }
    }

    /// The queue of the tenant: limits, rates, pauses.
    pub fn queue(&self) -> QueueControl<'_> {
        QueueControl { at: self }
    }

    /// Dead letters of the tenant.
    pub fn dead_letters(&self) -> DeadLetterBox<'_> {
        DeadLetterBox { at: self }
    }

    /// The keys of the deployment, and what is sealed under them.
    pub fn keys(&self) -> Keys<'_> {
        Keys::new(self)
    }

    /// The audit record of the tenant.
    pub fn audit(&self) -> AuditTrail<'_> {
        AuditTrail { at: self }
    }

    /// Notifications of the tenant.
    pub fn notifications(&self) -> Notifications<'_> {
        Notifications { at: self }
    }

    /// The mail server of the tenant.
    pub fn smtp(&self) -> Smtp<'_> {
        Smtp { at: self }
    }

    /// Workers of the deployment.
    pub fn workers(&self) -> Workers<'_> {
        Workers { at: self }
    }

    /// Accounts of the tenant.
    pub fn users(&self) -> Users<'_> {
        Users { at: self }
    }

    /// Tokens that programs call with.
    pub fn api_tokens(&self) -> ApiTokens<'_> {
        ApiTokens { at: self }
    }

    pub(super) fn authorize(&self, action: Action, resource: Resource) -> Result<()> {
        authorize(&self.scope, action, resource)
    }
}

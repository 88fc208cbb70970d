//! [`RecordContext`]: the place of one sealed field in a store.

use super::context::Context;
use crate::id::{CredentialId, TenantId};

/// Which field of which row of which tenant a sealed record is, in which version. With the deployment's name this is
/// everything the record is bound to, so that no copying of rows or columns makes it open elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordContext<'a> {
    /// The tenant that owns the row.
    pub tenant: TenantId,
    /// What the row is: `credential`, `parameter`, `signing-key`.
    pub kind: &'a str,
    /// The row's id.
    pub id: String,
    /// The field within the row.
    pub field: &'a str,
    /// The type of what is sealed, as `winrm` for a credential.
    pub record_type: &'a str,
    /// Raised with each new content, so that an older record cannot be put back unnoticed.
    pub version: i32,
}

impl<'a> RecordContext<'a> {
    /// The place of a credential's data.
    pub fn credential(tenant: TenantId, id: CredentialId, credential_type: &'a str, version: i32) -> Self {
        Self {
            tenant,
            kind: "credential",
            id: id.to_string(),
            field: "data",
            record_type: credential_type,
            version,
        }
    }

    /// The context of this place in the deployment of that name.
    pub fn in_deployment(&self, deployment: &str) -> Context {
        Context::new()
            .with("deployment", deployment)
            .with("tenant", self.tenant.to_string())
            .with("kind", self.kind)
            .with("id", &self.id)
            .with("field", self.field)
            .with("type", self.record_type)
            .with("version", self.version.to_string())
    }
}

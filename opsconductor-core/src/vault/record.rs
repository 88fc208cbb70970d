//! [`RecordContext`]: the place of one sealed field in a store.

use super::context::{Binding, Context};
use crate::Result;
use crate::id::{CredentialId, TenantId};
use crate::tenant::DEFAULT_TENANT;

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

    /// The place of a secret parameter of a run. It is sealed before its run has an id, so `id` is one of its own.
    pub fn parameter(tenant: TenantId, id: &str, name: &'a str, version: i32) -> Self {
        Self { tenant, kind: "parameter", id: id.to_owned(), field: name, record_type: "string", version }
    }

    /// The place of a key that signs tokens. Keys are the deployment's; they are bound to the default tenant, which every store has.
    pub fn signing_key(id: &str, purpose: &'a str) -> Self {
        Self {
            tenant: DEFAULT_TENANT,
            kind: "signing-key",
            id: id.to_owned(),
            field: "key",
            record_type: purpose,
            version: 1,
        }
    }

    /// The place of the seed of the key that signs a tenant's audit checkpoints.
    pub fn audit_key(tenant: TenantId) -> Self {
        Self {
            tenant,
            kind: "audit-key",
            id: tenant.to_string(),
            field: "seed",
            record_type: "ed25519",
            version: 1,
        }
    }

    /// The place of a secret that notifications take: the password of a mail server, what webhooks are signed with. The `id` is one of
    /// its own.
    pub fn notification_secret(tenant: TenantId, id: &str, purpose: &'a str) -> Self {
        Self {
            tenant,
            kind: "notification-secret",
            id: id.to_owned(),
            field: "secret",
            record_type: purpose,
            version: 1,
        }
    }

    /// The context of this place in the deployment of that name.
    pub fn in_deployment(&self, deployment: &str) -> Context {
        self.pairs(deployment, &self.tenant.to_string(), &self.version.to_string()).into_iter().collect()
    }

    /// As the context that [`in_deployment`](Self::in_deployment) gives, made ready without being built.
    pub(crate) fn bind(&self, deployment: &str) -> Result<Binding> {
        let (tenant, version) = (self.tenant.to_string(), self.version.to_string());
        Binding::of(self.pairs(deployment, &tenant, &version).into_iter())
    }

    /// In the order of the keys, as the canonical form has them.
    fn pairs<'p>(
        &'p self,
        deployment: &'p str,
        tenant: &'p str,
        version: &'p str,
    ) -> [(&'static str, &'p str); 7] {
        [
            ("deployment", deployment),
            ("field", self.field),
            ("id", &self.id),
            ("kind", self.kind),
            ("tenant", tenant),
            ("type", self.record_type),
            ("version", version),
        ]
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    #[test]
    fn a_parameter_has_a_place_of_its_own() {
        let tenant = TenantId::new(3);
        let at = |tenant, id, name, version| {
            RecordContext::parameter(tenant, id, name, version).bind("east").unwrap().hash
        };
        let own = at(tenant, "7", "data", 1);
        for other in [
            at(TenantId::new(4), "7", "data", 1),
            at(tenant, "8", "data", 1),
            at(tenant, "7", "date", 1),
            at(tenant, "7", "data", 2),
            RecordContext::parameter(tenant, "7", "data", 1).bind("west").unwrap().hash,
            RecordContext::credential(tenant, CredentialId::new(7), "string", 1).bind("east").unwrap().hash,
        ] {
            assert_ne!(other, own);
        }
    }

    #[test]
    fn the_short_way_binds_as_the_context_does() {
        let mut place = RecordContext::credential(TenantId::new(3), CredentialId::new(7), "winrm", 12);
        for id in ["7", "", "\u{e9}/9"] {
            place.id = id.to_owned();
            let (short, long) = (place.bind("east").unwrap(), place.in_deployment("east").bind().unwrap());
            assert_eq!((short.associated, short.hash), (long.associated, long.hash));
        }
        place.id = "x".repeat(crate::vault::CONTEXT_BYTES_MAX);
        assert!(place.bind("east").is_err());
    }
}

//! Sealed records, wherever they rest.

use std::collections::BTreeMap;

use async_trait::async_trait;

use super::{MemoryStore, State};
use crate::{
    Result,
    id::{CredentialId, RunId, TenantId},
    store::{
        CredentialRecord, Custody, FormerVersion, KeyUse, NotificationSecret, SealedAt, SealedChange,
        SealedParameter, SealedRecord, SigningKeyRecord,
    },
    tenant::DEFAULT_TENANT,
    vault::envelope,
};

#[async_trait]
impl Custody for MemoryStore {
    async fn sealed_records(&self, after: Option<&SealedAt>, limit: usize) -> Result<Vec<SealedRecord>> {
        Ok(self.with(|state| {
            let rest = state.sealed().filter(|(at, _)| after.is_none_or(|after| at > after));
            rest.take(limit).map(|(at, row)| row.record(at)).collect()
        }))
    }

    async fn replace_sealed(&self, changes: Vec<SealedChange>) -> Result<Vec<bool>> {
        Ok(self.with(|state| {
            let mut replaced = Vec::with_capacity(changes.len());
            for SealedChange { at, old, new } in changes {
                let present = state.sealed_at(&at).filter(|sealed| **sealed == old);
                replaced.push(present.is_some());
                if let Some(sealed) = present {
                    *sealed = new;
                }
            }
            replaced
        }))
    }

    async fn sealed_by_key(&self) -> Result<Vec<KeyUse>> {
        Ok(self.with(|state| {
            let mut counts: BTreeMap<(&'static str, Option<&str>), u64> = BTreeMap::new();
            for (_, row) in state.sealed() {
                *counts.entry((row.kind(), envelope::named_key(row.sealed()))).or_default() += 1;
            }
            let uses = counts.into_iter();
            uses.map(|((kind, key), records)| KeyUse { kind, key: key.map(str::to_owned), records }).collect()
        }))
    }
}

const CREDENTIALS: u16 = 0;
const PARAMETERS: u16 = 1;
const VERSIONS: u16 = 2;
const SIGNING_KEYS: u16 = 3;
const AUDIT_KEYS: u16 = 4;
const NOTIFICATION_SECRETS: u16 = 5;

/// A row with a sealed record.
enum Row<'a> {
    Credential(TenantId, &'a CredentialRecord),
    Parameter(TenantId, &'a SealedParameter),
    Version(TenantId, &'a FormerVersion),
    SigningKey(&'a SigningKeyRecord),
    AuditKey(TenantId, &'a [u8]),
    NotificationSecret(TenantId, &'a NotificationSecret),
}

impl<'a> Row<'a> {
    fn kind(&self) -> &'static str {
        match self {
            Self::Credential(..) | Self::Version(..) => "credential",
            Self::Parameter(..) => "parameter",
            Self::SigningKey(..) => "signing-key",
            Self::AuditKey(..) => "audit-key",
            Self::NotificationSecret(..) => "notification-secret",
        }
    }

    fn sealed(&self) -> &'a [u8] {
        match self {
            Self::Credential(_, record) => &record.sealed,
            Self::Parameter(_, parameter) => &parameter.sealed,
            Self::Version(_, version) => &version.sealed,
            Self::SigningKey(key) => &key.sealed,
            Self::AuditKey(_, sealed) => sealed,
            Self::NotificationSecret(_, secret) => &secret.sealed,
        }
    }

    fn record(&self, at: SealedAt) -> SealedRecord {
        let (tenant, id, field, record_type, version) = match self {
            Self::Credential(tenant, record) => {
                (*tenant, record.id.to_string(), "data", record.credential_type.clone(), record.version)
            }
            Self::Parameter(tenant, parameter) => (
                *tenant,
                parameter.id.clone(),
                parameter.name.as_str(),
                "string".to_owned(),
                parameter.version,
            ),
            Self::Version(tenant, former) => (
                *tenant,
                former.credential.to_string(),
                "data",
                former.credential_type.clone(),
                former.version,
            ),
            Self::SigningKey(key) => {
                (DEFAULT_TENANT, key.id.clone(), "key", key.purpose.as_str().to_owned(), 1)
            }
            Self::AuditKey(tenant, _) => (*tenant, tenant.to_string(), "seed", "ed25519".to_owned(), 1),
            Self::NotificationSecret(tenant, secret) => {
                (*tenant, secret.id.clone(), "secret", secret.purpose.as_str().to_owned(), 1)
            }
        };
        let (kind, field, sealed) = (self.kind(), field.to_owned(), self.sealed().to_vec());
        SealedRecord { at, tenant, kind, id, field, record_type, version, sealed }
    }
}

impl State {
    /// Every sealed record, in order.
    fn sealed(&self) -> impl Iterator<Item = (SealedAt, Row<'_>)> {
        let credentials = self.credentials.iter().map(|(id, (tenant, record))| {
            let at = SealedAt { place: CREDENTIALS, number: id.get(), text: String::new() };
            (at, Row::Credential(*tenant, record))
        });
        let parameters = self.runs.iter().flat_map(|(id, run)| {
            // They are kept in the order of their names.
            run.secrets.iter().map(move |parameter| {
                let at = SealedAt { place: PARAMETERS, number: id.get(), text: parameter.name.clone() };
                (at, Row::Parameter(run.tenant, parameter))
            })
        });
        let versions = self.versions.iter().map(|((id, number), (tenant, version))| {
            let at = SealedAt { place: VERSIONS, number: id.get(), text: format!("{number:010}") };
            (at, Row::Version(*tenant, version))
        });
        let mut keys: Vec<&SigningKeyRecord> = self.signing_keys.iter().collect();
        keys.sort_by(|one, other| one.id.cmp(&other.id));
        let keys = keys.into_iter().map(|key| {
            let at = SealedAt { place: SIGNING_KEYS, number: 0, text: key.id.clone() };
            (at, Row::SigningKey(key))
        });
        let audit_keys = self.audit.keys.iter().map(|(tenant, sealed)| {
            let at = SealedAt { place: AUDIT_KEYS, number: tenant.get(), text: String::new() };
            (at, Row::AuditKey(*tenant, sealed))
        });
        let secrets = self.told.secrets.iter().map(|(id, (tenant, secret))| {
            let at = SealedAt { place: NOTIFICATION_SECRETS, number: 0, text: id.clone() };
            (at, Row::NotificationSecret(*tenant, secret))
        });
        credentials.chain(parameters).chain(versions).chain(keys).chain(audit_keys).chain(secrets)
    }

    fn sealed_at(&mut self, at: &SealedAt) -> Option<&mut Vec<u8>> {
        match at.place {
            CREDENTIALS => {
                let (_, record) = self.credentials.get_mut(&CredentialId::new(at.number))?;
                Some(&mut record.sealed)
            }
            PARAMETERS => {
                let run = self.runs.get_mut(&RunId::new(at.number))?;
                let found = run.secrets.iter_mut().find(|parameter| parameter.name == at.text)?;
                Some(&mut found.sealed)
            }
            VERSIONS => {
                let key = (CredentialId::new(at.number), at.text.parse().ok()?);
                Some(&mut self.versions.get_mut(&key)?.1.sealed)
            }
            SIGNING_KEYS => {
                let found = self.signing_keys.iter_mut().find(|key| key.id == at.text)?;
                Some(&mut found.sealed)
            }
            AUDIT_KEYS => self.audit.keys.get_mut(&TenantId::new(at.number)),
            NOTIFICATION_SECRETS => Some(&mut self.told.secrets.get_mut(&at.text)?.1.sealed),
            _ => None,
        }
    }
}

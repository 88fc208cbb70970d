//! Targets: hosts, and the test that really connects.

use std::collections::{BTreeSet, HashSet};

use super::{Scoped, credentials, execute::endpoint, noted};
use crate::{
    Error, ErrorKind, Problem, Result,
    audit::Entry,
    auth::policy::{Action, Resource},
    id::{CredentialId, TargetId},
    store::{Listing, Page},
    target::{Target, TargetSpec},
    transport::{ProbeDetails, ProbeReport, Protocol},
    vault::credential::CredentialKind,
};

/// Calls on the targets of a tenant.
pub struct Targets<'a> {
    pub(super) at: &'a Scoped,
}

impl Targets<'_> {
    /// Stores a target.
    ///
    /// # Errors
    ///
    /// `Forbidden`; `InvalidInput` with every problem of what is given, such as an empty name or a credential of a type that
    /// the protocol does not take, or for a credential that does not exist; `Conflict` when the name is taken.
    pub async fn create(&self, spec: TargetSpec) -> Result<Target> {
        let entry = self.at.permit(noted::TARGET_CREATED, &spec.name).await?;
        self.check(&spec).await?;
        let entry = described(entry, &spec);
        self.at.noted(entry, self.at.inner.store.insert_target(self.at.scope.tenant, spec)).await
    }

    /// Replaces what the target called `name` is. Runs that are under way keep the address they were enqueued with.
    ///
    /// # Errors
    ///
    /// `NotFound`; `InvalidInput` when it would come before itself; `Conflict` for another name while an active job names it
    /// by the old one; else as [`Targets::create`].
    pub async fn update(&self, name: &str, spec: TargetSpec) -> Result<Target> {
        let entry = self.at.permit(noted::TARGET_UPDATED, name).await?;
        self.check(&spec).await?;
        let found = self.by_name(name).await?;
        self.check_order(found.id, &spec).await?;
        let entry = described(entry.about(found.id.get()), &spec);
        let entry = if spec.name == name { entry } else { entry.with("new_name", spec.name.as_str()) };
        self.at.noted(entry, self.at.inner.store.update_target(self.at.scope.tenant, found.id, spec)).await
    }

    /// The target called `name`.
    ///
    /// # Errors
    ///
    /// `Forbidden`; `NotFound`.
    pub async fn get(&self, name: &str) -> Result<Target> {
        self.at.authorize(Action::Read, Resource::Target)?;
        self.by_name(name).await
    }

    /// Targets that carry every one of `tags`, newest first.
    ///
    /// # Errors
    ///
    /// `Forbidden`.
    pub async fn list(&self, tags: &[String], page: Page) -> Result<Listing<Target>> {
        self.at.authorize(Action::Read, Resource::Target)?;
        self.at.inner.store.list_targets(self.at.scope.tenant, tags, page).await
    }

    /// Removes the target called `name`.
    ///
    /// # Errors
    ///
    /// `Forbidden`; `NotFound`; `Conflict` while an active job names it, a live run uses it or another target depends on it,
    /// saying which.
    pub async fn delete(&self, name: &str) -> Result<()> {
        let entry = self.at.permit(noted::TARGET_DELETED, name).await?;
        let found = self.by_name(name).await?;
        let delete = self.at.inner.store.delete_target(self.at.scope.tenant, found.id);
        self.at.noted(entry.about(found.id.get()), delete).await
    }

    /// Really connects to the target called `name` and says what it found, or which layer failed.
    ///
    /// # Errors
    ///
    /// `Forbidden`; `NotFound`. A host that cannot be reached is an answer, not an error.
    pub async fn test(&self, name: &str) -> Result<ProbeReport> {
        let entry = self.at.permit(noted::TARGET_TESTED, name).await?;
        let target = self.by_name(name).await?;
        let inner = &self.at.inner;
        // Before anything is opened.
        let entry = described(entry.about(target.id.get()), &target.spec);
        inner.store.append_audit(vec![inner.staged(entry)]).await?;
        let spec = &target.spec;
        let endpoint = endpoint(&spec.name, &spec.hostname, spec.port, &spec.metadata);
        let opened = async {
            let connector = inner.connector(spec.protocol)?;
            let credential = match spec.credential_ref {
                Some(id) => Some(credentials::read(inner, self.at.scope.tenant, id).await?),
                None => None,
            };
            Ok((connector, credential))
        };
        Ok(match opened.await {
            Ok((connector, Some(credential))) => connector.probe(&endpoint, &credential).await,
            Ok((connector, None)) => connector.probe_without_credential(&endpoint).await,
            Err(error) => ProbeReport::failed(&error, ProbeDetails::default()),
        })
    }

    async fn check(&self, spec: &TargetSpec) -> Result<()> {
        let mut problems = problems(spec);
        let kinds = credentials::kinds(
            &self.at.inner,
            self.at.scope.tenant,
            spec.credential_ref.into_iter().collect::<BTreeSet<_>>(),
        );
        // One that does not exist is left to the store, which sees it in the moment of writing.
        problems.extend(kinds.await?.into_values().filter_map(|kind| unfit(spec, kind)));
        if problems.is_empty() {
            return Ok(());
        }
        let error = Error::with_problems(ErrorKind::InvalidInput, "the target does not hold", problems);
        Err(error.with("target", &spec.name))
    }

    /// Refuses a target that, through those it depends on, would depend on itself.
    async fn check_order(&self, own: TargetId, spec: &TargetSpec) -> Result<()> {
        let (mut seen, mut left) = (HashSet::new(), spec.depends_on.clone());
        while let Some(id) = left.pop() {
            if id == own {
                let message =
                    "a target cannot come after itself; take out what leads back to it in `depends_on`";
                return Err(Error::new(ErrorKind::InvalidInput, message).with("target", &spec.name));
            }
            if seen.insert(id) {
                match self.at.inner.store.target(self.at.scope.tenant, id).await {
                    Ok(target) => left.extend(target.spec.depends_on),
                    // The store says which one is not there.
                    Err(error) if error.kind() == ErrorKind::NotFound => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(())
    }

    pub(super) async fn by_name(&self, name: &str) -> Result<Target> {
        let names = [name.to_owned()];
        let found = self.at.inner.store.targets_by_name(self.at.scope.tenant, &names).await?;
        found.into_iter().next().ok_or_else(|| {
            Error::new(ErrorKind::NotFound, "there is no target of this name").with("target", name)
        })
    }
}

/// What a record says of a target: where it is, and what opens it.
fn described(entry: Entry, spec: &TargetSpec) -> Entry {
    let entry = entry.with("protocol", spec.protocol.as_str()).with("hostname", spec.hostname.as_str());
    entry.with("port", spec.port).with("credential", spec.credential_ref.map(CredentialId::get))
}

pub(super) fn no_credential(target: &str) -> Error {
    Error::new(ErrorKind::InvalidInput, "the target has no credential; set `credential_ref`")
        .with("target", target)
}

/// What is wrong with a credential of this type for the target.
pub(super) fn unfit(spec: &TargetSpec, kind: CredentialKind) -> Option<Problem> {
    let (protocol, needed) = (spec.protocol, spec.protocol.credential_kind());
    (kind != needed).then(|| {
        let message = format!(
            "the credential is of the type {kind}, but a target that speaks {protocol} takes one of the type {needed}"
        );
        Problem::new("/credential_ref", message)
    })
}

/// Everything that is wrong with a target in itself.
pub(super) fn problems(spec: &TargetSpec) -> Vec<Problem> {
    let strange = |c: char| c.is_whitespace() || "/?#@".contains(c);
    let faults = [
        (spec.name.trim().is_empty(), "/name", "a target needs a name"),
        (spec.hostname.trim().is_empty(), "/hostname", "a target needs a host name or an address"),
        (
            !spec.hostname.trim().is_empty() && spec.hostname.contains(strange),
            "/hostname",
            "a host name holds no spaces and none of / ? # @; give the name or the address alone",
        ),
        (spec.port == 0, "/port", "a port is between 1 and 65535"),
        (
            spec.credential_ref.is_none() && spec.protocol != Protocol::Http,
            "/credential_ref",
            "the target has no credential; only one that speaks http may do without",
        ),
    ];
    let found = faults.into_iter().filter(|(is_wrong, ..)| *is_wrong);
    found.map(|(_, pointer, message)| Problem::new(pointer, message)).collect()
}

//! Secret parameters of runs: sealed when a run is enqueued, opened when a task is about to render, compared when a run is
//! asked for again.

use std::{collections::BTreeMap, fmt::Write as _, sync::OnceLock};

use serde_json::{Map, Value};
use subtle::ConstantTimeEq as _;

use super::{Inner, ending::End};
use crate::{
    Error, ErrorKind, Result, Secret,
    id::{RunId, TenantId},
    run::redact::{MASK, Redactor},
    store::SealedParameter,
    vault::RecordContext,
};

/// The version of every record: the value of a parameter never changes.
const VERSION: i32 = 1;

/// The secret parameters of a run, opened. Wiped when the last task that has them lets go.
#[derive(Debug)]
pub(super) struct RunSecrets {
    values: BTreeMap<String, Secret<String>>,
    /// Built when something is first said of a task; none where it cannot be built.
    redactor: OnceLock<Option<Redactor>>,
}

impl RunSecrets {
    fn new(values: BTreeMap<String, Secret<String>>) -> Self {
        Self { values, redactor: OnceLock::new() }
    }

    /// Puts the values in the place of what is shown for them, for templates.
    pub(super) fn add_to(&self, values: &mut Map<String, Value>) {
        for (name, secret) in &self.values {
            values.insert(name.clone(), Value::from(secret.expose().as_str()));
        }
    }

    /// The values, to be redacted.
    pub(super) fn values(&self) -> impl Iterator<Item = &Secret<String>> {
        self.values.values()
    }

    /// Takes the values out of what is said of a task, also of one that ended before there was a redactor for its output.
    pub(super) fn hide(&self, mut end: End) -> End {
        let said = match &mut end {
            End::Complete(completion) => completion.reason.as_mut(),
            End::Requeue(requeue) => Some(&mut requeue.reason),
            End::Release | End::Nothing => None,
        };
        if let Some(said) = said {
            let redactor = self.redactor.get_or_init(|| Redactor::new(self.values()).ok());
            // Without one nothing is said at all.
            *said = redactor.as_ref().map_or_else(|| MASK.to_owned(), |redactor| redactor.redact_str(said));
        }
        end
    }

    /// Whether these are the same parameters with the same values. How long it takes tells nothing of the values.
    fn are(&self, others: &BTreeMap<String, Secret<String>>) -> bool {
        self.values.len() == others.len()
            && self.values.iter().zip(others).fold(true, |same, ((name, own), (other_name, other))| {
                let equal: bool = own.expose().as_bytes().ct_eq(other.expose().as_bytes()).into();
                same & (name == other_name) & equal
            })
    }
}

/// Seals the secret parameters of a run that is about to be enqueued.
///
/// # Errors
///
/// `Vault`, when there is no key among others.
pub(super) async fn seal(
    inner: &Inner,
    tenant: TenantId,
    secrets: &BTreeMap<String, Secret<String>>,
) -> Result<Vec<SealedParameter>> {
    let mut all = Vec::with_capacity(secrets.len());
    for (name, secret) in secrets {
        let id = fresh_id()?;
        let place = RecordContext::parameter(tenant, &id, name, VERSION);
        let sealed = inner.vault.seal(&place, secret.expose().as_bytes()).await.map_err(|error| {
            Error::new(error.kind(), "a secret parameter cannot be sealed, so the run is not enqueued")
                .with("parameter", name)
                .with_source(error)
        })?;
        all.push(SealedParameter { name: name.clone(), id, version: VERSION, sealed });
    }
    Ok(all)
}

/// Reads and opens the secret parameters of a run, which are those called `names`.
///
/// # Errors
///
/// Those of the store; `Vault` when one is missing or does not open.
pub(super) async fn of_run(
    inner: &Inner,
    tenant: TenantId,
    run: RunId,
    names: &[String],
) -> Result<RunSecrets> {
    let opened = open(inner, tenant, &inner.store.run_secrets(tenant, run).await?).await?;
    match names.iter().find(|name| !opened.values.contains_key(*name)) {
        None => Ok(opened),
        Some(name) => {
            let message = "a secret parameter of the run is not in the store any more";
            Err(Error::new(ErrorKind::Vault, message).with("parameter", name))
        }
    }
}

/// Whether the run that was enqueued first has just these secret parameters.
///
/// # Errors
///
/// As [`of_run`].
pub(super) async fn are_of(
    inner: &Inner,
    tenant: TenantId,
    run: RunId,
    secrets: &BTreeMap<String, Secret<String>>,
) -> Result<bool> {
    Ok(open(inner, tenant, &inner.store.run_secrets(tenant, run).await?).await?.are(secrets))
}

async fn open(inner: &Inner, tenant: TenantId, sealed: &[SealedParameter]) -> Result<RunSecrets> {
    let mut all = BTreeMap::new();
    for SealedParameter { name, id, version, sealed } in sealed {
        let place = RecordContext::parameter(tenant, id, name, *version);
        let opened = inner.vault.open(&place, sealed).await.and_then(|plain| {
            let text = std::str::from_utf8(plain.expose());
            // Only text is ever sealed; what the decoder says could hold a part of it.
            let text = text.map_err(|_| Error::new(ErrorKind::Vault, "what was sealed is not text"))?;
            Ok(Secret::from(text))
        });
        all.insert(name.clone(), opened.map_err(|error| error.with("parameter", name))?);
    }
    Ok(RunSecrets::new(all))
}

/// 128 random bits, in hexadecimal digits.
fn fresh_id() -> Result<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| {
        Error::new(ErrorKind::Internal, "the system gives no random bytes").with_source(error)
    })?;
    Ok(bytes.iter().fold(String::with_capacity(32), |mut id, byte| {
        // Writing to a String cannot fail.
        let _ = write!(id, "{byte:02x}");
        id
    }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    fn secrets(pairs: &[(&str, &str)]) -> BTreeMap<String, Secret<String>> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), Secret::from(*value))).collect()
    }

    #[test]
    fn only_the_same_values_under_the_same_names_are_the_same() {
        let own = RunSecrets::new(secrets(&[("a", "first"), ("b", "second")]));
        assert!(own.are(&secrets(&[("b", "second"), ("a", "first")])));
        for other in [
            &[("a", "first")][..],
            &[("a", "first"), ("b", "seconD")],
            &[("a", "second"), ("b", "first")],
            &[("a", "first"), ("c", "second")],
            &[("a", "first"), ("b", "second"), ("c", "third")],
            &[],
        ] {
            assert!(!own.are(&secrets(other)), "{other:?}");
        }
    }

    #[test]
    fn an_id_is_never_the_same_and_debug_shows_no_value() {
        let (one, two) = (fresh_id().unwrap(), fresh_id().unwrap());
        assert!(one != two && one.len() == 32 && one.chars().all(|c| c.is_ascii_hexdigit()), "{one}");
        let shown = format!("{:?}", RunSecrets::new(secrets(&[("a", "hunter2")])));
        assert!(shown.contains('a') && !shown.contains("hunter2"), "{shown}");
    }
}

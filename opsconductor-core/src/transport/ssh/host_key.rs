//! Whether a host is the one it should be.

use std::{borrow::Cow, sync::Arc};

use russh::{
    Preferred,
    keys::{Algorithm, Certificate, HashAlg, PublicKey, PublicKeyOrCertificate},
};
use tokio::task::spawn_blocking;

use super::{
    host::Host,
    known_hosts::{self, Known, Marker, fingerprint},
    settings::HostKeyPolicy,
};
use crate::{Error, Result, error::Layer};

/// What is known of a host before it is asked.
pub(super) struct HostKeys {
    host: Arc<Host>,
    known: Known,
}

impl HostKeys {
    /// Reads the lists of known hosts, unless the host's key is pinned.
    pub(super) async fn read(host: &Arc<Host>) -> Result<Self> {
        let known = if host.pins.is_empty() {
            let reading = Arc::clone(host);
            let read = spawn_blocking(move || {
                let more = reading.known_hosts.as_deref();
                Known::read(&reading.name, reading.port, &reading.settings.known_hosts, more)
            });
            let read = read.await.unwrap_or_else(|error| Err(std::io::Error::other(error)));
            read.map_err(|error| {
                Error::transport(Layer::HostKey, "the list of known hosts cannot be read").with_source(error)
            })?
        } else {
            Known::default()
        };
        Ok(Self { host: Arc::clone(host), known })
    }

    /// What to ask the host for: the kinds of key that are known of it first, and certificates where an authority is.
    pub(super) fn preferred(&self) -> Preferred {
        let mut preferred = Preferred::default();
        // Faster than the default's first choice wherever the processor helps.
        let mut ciphers = preferred.cipher.into_owned();
        ciphers.sort_by_key(|cipher| *cipher != russh::cipher::AES_256_GCM);
        preferred.cipher = Cow::Owned(ciphers);
        let known = self.known.algorithms();
        let is_known = |algorithm: &Algorithm| match algorithm {
            Algorithm::Rsa { .. } => known.iter().any(|known| known.clone().is_rsa()),
            other => known.contains(other),
        };
        // RSA with SHA-1 is no proof any more.
        let mut keys: Vec<_> =
            preferred.key.iter().filter(|key| **key != Algorithm::Rsa { hash: None }).cloned().collect();
        keys.sort_by_key(|algorithm| !is_known(algorithm));
        if self.known.of(Marker::CertAuthority).next().is_some() {
            preferred.host_key_certificates = Cow::Owned(keys.clone());
        }
        preferred.key = Cow::Owned(keys);
        preferred
    }

    /// Judges what the host shows. The key exchange has proved already that it holds the private part.
    pub(super) async fn check(&self, shown: &PublicKeyOrCertificate) -> Result<()> {
        let key = match shown {
            PublicKeyOrCertificate::PublicKey { key, .. } => key.clone(),
            PublicKeyOrCertificate::Certificate(certificate) => return self.check_certificate(certificate),
        };
        let seen = fingerprint(&key);
        let described = format!("{} {seen}", key.algorithm());
        if !self.host.pins.is_empty() {
            if self.host.pins.contains(&seen) {
                return Ok(());
            }
            return Err(refused(format!(
                "the host's key is not the pinned one: it shows {described}; when that is the host's own, change \
                 ssh_host_key_sha256 in the target's metadata"
            )));
        }
        self.check_revoked(&key, &described)?;
        match judge(&self.known, &key) {
            Verdict::Trusted => Ok(()),
            Verdict::Changed(place, old) => Err(changed(&described, &place, &old)),
            Verdict::Unknown => {
                match (self.host.settings.host_keys, self.host.settings.known_hosts.first()) {
                    (HostKeyPolicy::AcceptNew, Some(path)) => {
                        self.accept(key, &described, path.clone()).await
                    }
                    _ => Err(self.unknown(&described)),
                }
            }
        }
    }

    async fn accept(&self, key: PublicKey, described: &str, path: std::path::PathBuf) -> Result<()> {
        let (name, port) = (self.host.name.clone(), self.host.port);
        let (file, learning) = (path.display().to_string(), key.clone());
        let learned = spawn_blocking(move || known_hosts::learn(&path, &name, port, &learning));
        let before = learned.await.unwrap_or_else(|error| Err(std::io::Error::other(error)));
        let before = before.map_err(|error| {
            let message = "the host's key is new and cannot be written to the list of known hosts";
            Error::transport(Layer::HostKey, message).with("file", &file).with_source(error)
        })?;
        // Somebody else may have met the host first.
        if before.lines.is_empty() {
            let target = &self.host.target;
            tracing::info!(target, key = described, file, "a new host's key was written to the known hosts");
            return Ok(());
        }
        match judge(&before, &key) {
            Verdict::Trusted => Ok(()),
            Verdict::Changed(place, old) => Err(changed(described, &place, &old)),
            Verdict::Unknown => Err(self.unknown(described)),
        }
    }

    fn check_certificate(&self, certificate: &Certificate) -> Result<()> {
        let authority = PublicKey::new(certificate.signature_key().clone(), "");
        let described = format!("a certificate signed by {}", fingerprint(&authority));
        if !self.host.pins.is_empty() {
            return Err(refused("the host shows a certificate where a key is pinned".to_owned()));
        }
        self.check_revoked(&authority, &described)?;
        self.check_revoked(&PublicKey::new(certificate.public_key().clone(), ""), &described)?;
        let trusted: Vec<_> =
            self.known.of(Marker::CertAuthority).map(|line| line.key.fingerprint(HashAlg::Sha256)).collect();
        if !trusted.contains(&authority.fingerprint(HashAlg::Sha256)) {
            return Err(refused(format!(
                "the host shows {described}, and no @cert-authority line of the known hosts has that key"
            )));
        }
        let complain = |why: &str| Err(refused(format!("the host shows {described}, and {why}")));
        if certificate.validate(&trusted).is_err() {
            return complain(
                "it is not valid now, or its signature is wrong: look at its dates with ssh-keygen -L",
            );
        }
        if !certificate.cert_type().is_host() || !certificate.critical_options().is_empty() {
            return complain("it is not a plain certificate for hosts");
        }
        let name = self.host.name.to_ascii_lowercase();
        if !certificate.valid_principals().iter().any(|principal| principal.to_ascii_lowercase() == name) {
            return complain("it is for hosts of other names: look at its principals with ssh-keygen -L");
        }
        Ok(())
    }

    fn check_revoked(&self, key: &PublicKey, described: &str) -> Result<()> {
        let revoked = self.known.of(Marker::Revoked).find(|line| line.key.key_data() == key.key_data());
        match revoked {
            Some(line) => Err(refused(format!("the host shows {described}, which {} revokes", line.place))),
            None => Ok(()),
        }
    }

    fn unknown(&self, described: &str) -> Error {
        let (name, port) = (&self.host.name, self.host.port);
        refused(format!(
            "the host's key is not known: it shows {described}; when that is the host's own, add it to the known hosts \
             (ssh-keyscan -p {port} {name}) or set ssh_host_key_sha256 in the target's metadata"
        ))
    }
}

enum Verdict {
    Trusted,
    Unknown,
    /// Another key of the same kind is known: where, and its fingerprint.
    Changed(String, String),
}

fn judge(known: &Known, key: &PublicKey) -> Verdict {
    let mut all = known.of(Marker::None);
    if all.any(|line| line.key.key_data() == key.key_data()) {
        return Verdict::Trusted;
    }
    match known.of(Marker::None).next() {
        // A host that is known by a key of another kind is known: a new kind is as much a surprise as a new key.
        Some(line) => Verdict::Changed(line.place.clone(), fingerprint(&line.key)),
        None => Verdict::Unknown,
    }
}

fn changed(described: &str, place: &str, old: &str) -> Error {
    refused(format!(
        "the host shows another key than the known one: {described}, and {place} has {old}; somebody may stand in \
         between, or the host was made anew: find out, and then replace that line"
    ))
}

fn refused(message: String) -> Error {
    Error::transport(Layer::HostKey, message)
}

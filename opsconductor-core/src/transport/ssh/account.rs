//! Whom a session logs on as, and with what.

use std::{fmt, sync::Arc};

use russh::keys::{Certificate, PrivateKey, PublicKey, decode_secret_key};

use crate::{
    Error, ErrorKind, Result, Secret, error::Layer, transport::Endpoint, vault::credential::Credential,
};

/// A user, and what proves who it is. The key is read only when a connection is opened, for that can take a while.
#[derive(Clone)]
pub(super) struct Account {
    pub(super) user: String,
    pub(super) password: Option<Secret<String>>,
    private_key: Option<Secret<String>>,
    passphrase: Option<Secret<String>>,
    certificate: Option<String>,
}

/// A key that a host may be shown.
pub(super) struct Key {
    pub(super) signer: Signer,
    pub(super) certificate: Option<Certificate>,
}

/// Where the private part of a key is.
pub(super) enum Signer {
    Here(Arc<PrivateKey>),
    /// In the worker's agent.
    Agent(PublicKey),
}

impl Account {
    pub(super) fn new(credential: &Credential, endpoint: &Endpoint) -> Result<Self> {
        let Credential::Ssh { username, password, private_key, passphrase, certificate } = credential else {
            let message = "an SSH target needs a credential of the kind ssh";
            return Err(Error::new(ErrorKind::InvalidInput, message)
                .with("target", &endpoint.target)
                .with("kind", credential.kind()));
        };
        if username.is_empty() || username.contains(['\0', '\n', '\r']) {
            let message = "the user name of the SSH credential is empty or holds a line break";
            return Err(Error::new(ErrorKind::InvalidInput, message).with("target", &endpoint.target));
        }
        Ok(Self {
            user: username.clone(),
            password: password.clone(),
            private_key: private_key.clone(),
            passphrase: passphrase.clone(),
            certificate: certificate.clone(),
        })
    }

    /// The same with another user.
    pub(super) fn as_user(&self, user: &str) -> Self {
        Self { user: user.to_owned(), ..self.clone() }
    }

    /// Everything that makes two logons different ones, each part with its length in front.
    pub(super) fn identifying(&self) -> impl Iterator<Item = &[u8]> {
        fn secret(value: &Option<Secret<String>>) -> &[u8] {
            value.as_ref().map_or(&[], |value| value.expose().as_bytes())
        }
        [
            self.user.as_bytes(),
            secret(&self.password),
            secret(&self.private_key),
            secret(&self.passphrase),
            self.certificate.as_deref().unwrap_or_default().as_bytes(),
        ]
        .into_iter()
    }

    /// What it logs on with, for people.
    pub(super) fn means(&self) -> &'static str {
        match (&self.private_key, &self.certificate, &self.password) {
            (Some(_), Some(_), _) => "certificate",
            (Some(_), None, Some(_)) => "key or password",
            (Some(_), None, None) => "key",
            (None, ..) => "password",
        }
    }

    /// The key, if there is one. It takes time where it is encrypted.
    pub(super) fn key(&self) -> Result<Option<Key>> {
        let Some(text) = &self.private_key else { return Ok(None) };
        let text = text.expose().trim();
        let certificate = match &self.certificate {
            Some(certificate) => Some(Certificate::from_openssh(certificate.trim()).map_err(|error| {
                let message = "the credential's certificate is not an OpenSSH certificate: give the one line of \
                               the file that ends in -cert.pub";
                Error::new(ErrorKind::InvalidInput, message).with_source(error)
            })?),
            None => None,
        };
        let signer = if text.starts_with("-----BEGIN ") || text.starts_with("PuTTY-User-Key-File-") {
            Signer::Here(Arc::new(self.private(text)?))
        } else {
            Signer::Agent(PublicKey::from_openssh(text).map_err(|_| unreadable())?)
        };
        if let Some(certificate) = &certificate {
            let public = match &signer {
                Signer::Here(key) => key.public_key(),
                Signer::Agent(key) => key,
            };
            if certificate.public_key() != public.key_data() {
                let message = "the credential's certificate is that of another key";
                return Err(Error::new(ErrorKind::InvalidInput, message));
            }
        }
        Ok(Some(Key { signer, certificate }))
    }

    fn private(&self, text: &str) -> Result<PrivateKey> {
        let passphrase = self.passphrase.as_ref().map(|secret| secret.expose().as_str());
        let decoded = decode_secret_key(text, passphrase);
        match decoded {
            Ok(key) if !key.is_encrypted() => Ok(key),
            // What the library says of a key may quote a part of it.
            _ if !is_encrypted(text) => Err(unreadable()),
            _ => Err(Error::transport(
                Layer::Authentication,
                match passphrase {
                    Some(_) => "the private key does not open with the credential's passphrase",
                    None => "the private key is encrypted; add its passphrase to the credential",
                },
            )),
        }
    }
}

fn is_encrypted(text: &str) -> bool {
    text.contains("ENCRYPTED")
        || PrivateKey::from_openssh(text).is_ok_and(|key| key.is_encrypted())
        || (text.starts_with("PuTTY-User-Key-File-") && !text.contains("Encryption: none"))
}

fn unreadable() -> Error {
    let message = "the credential's private key cannot be read: give a private key as ssh-keygen writes it, in PEM form \
                   (PKCS#1, PKCS#8), or the public key of one that the worker's agent holds";
    Error::new(ErrorKind::InvalidInput, message)
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account").field("user", &self.user).finish_non_exhaustive()
    }
}

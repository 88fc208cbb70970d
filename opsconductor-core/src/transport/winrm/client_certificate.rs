//! A certificate as a credential: the chain, its key, and whether a host asked for it.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use rustls::{
    SignatureScheme,
    client::ResolvesClientCert,
    crypto::ring,
    pki_types::{PrivateKeyDer, pem::PemObject as _},
    sign::CertifiedKey,
};
use sha2::{Digest as _, Sha256};

use crate::{Secret, transport::tls::certificates};

/// A client certificate and its private key, which belong together.
#[derive(Clone)]
pub(super) struct ClientCertificate {
    key: Arc<CertifiedKey>,
    /// SHA-256 over the certificate.
    pub(super) fingerprint: [u8; 32],
}

impl ClientCertificate {
    /// Reads both from their PEM forms; the error says what is wrong, for people.
    pub(super) fn parse(chain: &str, private_key: &Secret<String>) -> Result<Self, &'static str> {
        let chain = certificates(chain.as_bytes())
            .map_err(|_| "the credential's certificate is not one in PEM form, the client's own first")?;
        let fingerprint = Sha256::digest(chain.first().ok_or("the credential has no certificate")?).into();
        let key = PrivateKeyDer::from_pem_slice(private_key.expose().as_bytes()).map_err(
            |_| "the credential's private key is not one in PEM form; an encrypted one must be decrypted first",
        )?;
        let key =
            CertifiedKey::from_der(chain, key, &ring::default_provider()).map_err(|error| match error {
                rustls::Error::InconsistentKeys(_) => {
                    "the credential's private key does not belong to its first certificate"
                }
                _ => {
                    "the credential's private key is of a kind that TLS cannot use: take RSA, P-256 or P-384"
                }
            })?;
        Ok(Self { key: Arc::new(key), fingerprint })
    }

    /// The certificate for one handshake.
    pub(super) fn offer(&self) -> Arc<Offer> {
        Arc::new(Offer { key: Arc::clone(&self.key), asked: AtomicBool::new(false) })
    }
}

impl fmt::Display for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("certificate sha256:")?;
        self.fingerprint.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// What one handshake has to show when it is asked.
pub(super) struct Offer {
    key: Arc<CertifiedKey>,
    asked: AtomicBool,
}

impl Offer {
    /// Whether the host asked for a certificate.
    pub(super) fn was_asked(&self) -> bool {
        self.asked.load(Ordering::Acquire)
    }
}

impl ResolvesClientCert for Offer {
    // Hosts list authorities that they do not go by, and leave out others, so the list is not looked at.
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.asked.store(true, Ordering::Release);
        Some(Arc::clone(&self.key))
    }

    fn has_certs(&self) -> bool {
        true
    }
}

/// The key below it is private.
impl fmt::Debug for Offer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Offer").field("asked", &self.asked).finish_non_exhaustive()
    }
}

//! TLS: which certificate of a host is accepted, and why a handshake failed.
//!
//! A target's metadata say it, in members that begin with the name of the transport: `winrm_ca_pem`, `http_ca_pem`.

use std::{
    io,
    sync::{Arc, OnceLock},
};

use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::{
        ResolvesClientCert,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject as _},
};
use sha2::{Digest as _, Sha256};

use super::{
    Endpoint,
    metadata::{flag, invalid, text},
};
use crate::Result;

/// What the whole connector trusts, before a target's metadata is read.
#[derive(Debug, Clone, Default)]
pub(super) struct TrustBase {
    /// Beside the platform's roots.
    pub(super) authorities: Vec<CertificateDer<'static>>,
    pub(super) accept_any: bool,
}

/// Which certificate of a host is accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trust {
    /// One that the platform's roots or these authorities vouch for, with the right name.
    Authorities(Vec<CertificateDer<'static>>),
    /// The one with this SHA-256 fingerprint, whatever name or date it bears.
    Pinned([u8; 32]),
    /// Any. The conversation is then open to whoever sits on the way.
    Any,
}

impl Trust {
    /// What the metadata of a target say, in members that begin with `prefix` and `_`.
    pub(super) fn of(endpoint: &Endpoint, prefix: &str, base: &TrustBase) -> Result<Self> {
        let pinned = format!("{prefix}_cert_sha256");
        if let Some(pin) = text(endpoint, &pinned)? {
            let digest = fingerprint(pin).ok_or_else(|| {
                let message = format!("the metadata member {pinned} must be 64 hexadecimal digits");
                invalid(endpoint, &message)
            })?;
            return Ok(Self::Pinned(digest));
        }
        if flag(endpoint, &format!("{prefix}_validate_cert"))? == Some(false) || base.accept_any {
            return Ok(Self::Any);
        }
        let mut authorities = base.authorities.clone();
        let ca_pem = format!("{prefix}_ca_pem");
        if let Some(pem) = text(endpoint, &ca_pem)? {
            let own = certificates(pem.as_bytes()).map_err(|reason| {
                let message = format!("the metadata member {ca_pem} is not a certificate in PEM form");
                invalid(endpoint, &message).with("reason", reason)
            })?;
            authorities.extend(own);
        }
        Ok(Self::Authorities(authorities))
    }

    pub(super) fn is_unchecked(&self) -> bool {
        *self == Self::Any
    }

    /// The configuration for a handshake. It may read the platform's roots from disk, the first time.
    pub(super) fn config(
        &self,
        offer: Option<Arc<dyn ResolvesClientCert>>,
    ) -> Result<ClientConfig, rustls::Error> {
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()?;
        let config = match self {
            Self::Authorities(own) => {
                let mut roots = platform_roots().clone();
                for certificate in own {
                    roots.add(certificate.clone())?;
                }
                builder.with_root_certificates(roots)
            }
            Self::Pinned(_) | Self::Any => {
                let pin = if let Self::Pinned(pin) = self { Some(*pin) } else { None };
                let verifier = Arc::new(LeafVerifier { pin, provider });
                builder.dangerous().with_custom_certificate_verifier(verifier)
            }
        };
        Ok(match offer {
            Some(offer) => config.with_client_cert_resolver(offer),
            None => config.with_no_client_auth(),
        })
    }
}

/// Every certificate of a PEM text; one at least.
pub(super) fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match all {
        Ok(all) if all.is_empty() => Err("it holds no certificate".to_owned()),
        Ok(all) => Ok(all),
        Err(error) => Err(error.to_string()),
    }
}

/// A SHA-256 fingerprint, with or without colons.
fn fingerprint(text: &str) -> Option<[u8; 32]> {
    let digits: Vec<u8> = text.bytes().filter(|byte| !matches!(byte, b':' | b' ')).collect();
    let mut out = [0; 32];
    if digits.len() != 64 {
        return None;
    }
    for (byte, pair) in out.iter_mut().zip(digits.chunks_exact(2)) {
        let digit = |byte: u8| char::from(byte).to_digit(16);
        *byte = u8::try_from(digit(pair[0])? * 16 + digit(pair[1])?).ok()?;
    }
    Some(out)
}

/// Why a handshake failed, for people, and what to set; `prefix` begins the transport's members of metadata.
pub(super) fn explain(error: &io::Error, prefix: &str) -> String {
    let cause = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match cause {
        Some(rustls::Error::InvalidCertificate(error)) => explain_certificate(error, prefix),
        Some(rustls::Error::AlertReceived(alert)) => {
            format!(
                "the host broke the TLS handshake off with the alert {alert:?}; look at its certificate and TLS versions"
            )
        }
        Some(rustls::Error::InvalidMessage(_)) => format!(
            "the port does not speak TLS; set {prefix}_use_https to false in the target's metadata, or take the port of HTTPS"
        ),
        _ => "the TLS handshake failed; does the port speak HTTPS?".to_owned(),
    }
}

fn explain_certificate(error: &CertificateError, prefix: &str) -> String {
    let (why, remedy) = match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            ("has expired", "renew it on the host".to_owned())
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            ("is not valid yet", "look at the clocks of both sides".to_owned())
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => (
            "is for another name than the target's",
            format!(
                "give the target the name that stands in the certificate, or pin the certificate with \
                 {prefix}_cert_sha256 in its metadata"
            ),
        ),
        CertificateError::UnknownIssuer | CertificateError::BadSignature => (
            "comes from an authority that is not trusted",
            format!(
                "give the authority as {prefix}_ca_pem or the certificate's fingerprint as {prefix}_cert_sha256 in \
                 the target's metadata"
            ),
        ),
        CertificateError::ApplicationVerificationFailure => (
            "is not the pinned one",
            format!(
                "if the host has a new one, set {prefix}_cert_sha256 in the target's metadata to its fingerprint"
            ),
        ),
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => (
            "is not meant for servers",
            "give the host one with the purpose of server authentication".to_owned(),
        ),
        CertificateError::Revoked => ("is revoked", "give the host a new one".to_owned()),
        _ => (
            "is not acceptable",
            format!(
                "give its authority as {prefix}_ca_pem or its fingerprint as {prefix}_cert_sha256 in the target's \
                 metadata"
            ),
        ),
    };
    format!("the host's certificate {why}; {remedy}")
}

fn platform_roots() -> &'static RootCertStore {
    static ROOTS: OnceLock<RootCertStore> = OnceLock::new();
    ROOTS.get_or_init(|| {
        let mut roots = RootCertStore::empty();
        // A platform without roots, or with some that do not parse, trusts the rest: own authorities still count.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        roots
    })
}

/// Accepts one certificate, or any; that the host owns its key is checked in both cases.
#[derive(Debug)]
struct LeafVerifier {
    pin: Option<[u8; 32]>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for LeafVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        match self.pin {
            Some(pin) if Sha256::digest(end_entity)[..] != pin => Err(rustls::Error::InvalidCertificate(
                rustls::CertificateError::ApplicationVerificationFailure,
            )),
            _ => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::fingerprint;

    #[test]
    fn a_fingerprint_may_have_colons() {
        let plain = "00ff".repeat(16);
        let colons = ["00:FF"; 16].join(":");
        assert_eq!(fingerprint(&plain).unwrap(), fingerprint(&colons).unwrap());
        assert_eq!(fingerprint("zz"), None);
    }
}

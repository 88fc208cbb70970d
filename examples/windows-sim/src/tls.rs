//! The host's certificate, made when it starts.

use std::{io, sync::Arc};

use rcgen::{CertificateParams, DnType, KeyPair, KeyUsagePurpose};
use rustls::{ServerConfig, crypto::ring, pki_types::PrivateKeyDer};
use sha2::{Digest as _, Sha256};

/// A self-signed certificate and what serves it.
pub(crate) struct Certificate {
    /// The certificate as PEM.
    pub(crate) pem: String,
    /// SHA-256 over the DER form: what a client pins, and what channel bindings are made of.
    pub(crate) sha256: [u8; 32],
    /// The TLS configuration of the listener.
    pub(crate) config: Arc<ServerConfig>,
}

impl Certificate {
    /// Makes a certificate for the host's name and for loopback.
    pub(crate) fn make(name: &str) -> io::Result<Self> {
        let key = KeyPair::generate().map_err(io::Error::other)?;
        let names = [name, "localhost", "127.0.0.1", "::1"].map(str::to_owned);
        let mut params = CertificateParams::new(names).map_err(io::Error::other)?;
        params.distinguished_name.push(DnType::CommonName, name);
        params.key_usages.push(KeyUsagePurpose::DigitalSignature);
        params.use_authority_key_identifier_extension = true;
        let certificate = params.self_signed(&key).map_err(io::Error::other)?;
        let private = PrivateKeyDer::try_from(key.serialize_der()).map_err(io::Error::other)?;
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|builder| {
                builder.with_no_client_auth().with_single_cert(vec![certificate.der().clone()], private)
            })
            .map_err(io::Error::other)?;
        Ok(Self {
            pem: certificate.pem(),
            sha256: Sha256::digest(certificate.der()).into(),
            config: Arc::new(config),
        })
    }
}

//! The host's certificate, made when it starts unless it is given one, and the certificates of its clients.

use std::{fmt, io, sync::Arc};

use rcgen::{CertificateParams, DnType, KeyPair, KeyUsagePurpose};
use rustls::{
    DigitallySignedStruct, DistinguishedName, RootCertStore, ServerConfig, SignatureScheme,
    client::danger::HandshakeSignatureValid,
    crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, PrivateKeyDer, UnixTime, pem::PemObject as _},
    server::{
        WebPkiClientVerifier,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
};
use sha2::{Digest as _, Sha256};

use crate::authority::{Identity, principal_of};

/// A certificate and what serves it.
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
    pub(crate) fn make(name: &str, clients: Option<&Clients>) -> io::Result<Self> {
        let key = KeyPair::generate().map_err(io::Error::other)?;
        let names = [name, "localhost", "127.0.0.1", "::1"].map(str::to_owned);
        let mut params = CertificateParams::new(names).map_err(io::Error::other)?;
        params.distinguished_name.push(DnType::CommonName, name);
        params.key_usages.push(KeyUsagePurpose::DigitalSignature);
        params.use_authority_key_identifier_extension = true;
        let certificate = params.self_signed(&key).map_err(io::Error::other)?;
        let identity = Identity { certificate_pem: certificate.pem(), private_key_pem: key.serialize_pem() };
        Self::load(&identity, clients)
    }

    /// Serves a certificate that was made elsewhere.
    pub(crate) fn load(identity: &Identity, clients: Option<&Clients>) -> io::Result<Self> {
        let pem = identity.certificate_pem.clone();
        let der = CertificateDer::from_pem_slice(pem.as_bytes()).map_err(io::Error::other)?;
        let key =
            PrivateKeyDer::from_pem_slice(identity.private_key_pem.as_bytes()).map_err(io::Error::other)?;
        let sha256 = Sha256::digest(&der).into();
        let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?;
        let builder = match clients {
            Some(clients) => builder.with_client_cert_verifier(Arc::new(clients.clone())),
            None => builder.with_no_client_auth(),
        };
        let config = builder.with_single_cert(vec![der], key).map_err(io::Error::other)?;
        Ok(Self { pem, sha256, config: Arc::new(config) })
    }
}

/// Who may log on with a certificate. As Windows' web server does, it takes every certificate in the handshake and judges
/// it when a request wants to be somebody by it.
#[derive(Clone)]
pub(crate) struct Clients {
    issuer: Arc<dyn ClientCertVerifier>,
    provider: Arc<CryptoProvider>,
    /// Whether a certificate is judged in the handshake already.
    strict: bool,
}

impl Clients {
    /// Trusts the authority in `pem`.
    pub(crate) fn new(pem: &str, strict: bool) -> io::Result<Self> {
        let mut roots = RootCertStore::empty();
        let authority = CertificateDer::from_pem_slice(pem.as_bytes()).map_err(io::Error::other)?;
        roots.add(authority).map_err(io::Error::other)?;
        let provider = Arc::new(ring::default_provider());
        let issuer = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
            .build()
            .map_err(io::Error::other)?;
        Ok(Self { issuer, provider, strict })
    }

    /// The user principal name of a certificate, when the authority vouches for it now.
    pub(crate) fn principal(&self, chain: &[CertificateDer<'_>]) -> Option<String> {
        let (leaf, rest) = chain.split_first()?;
        self.issuer.verify_client_cert(leaf, rest, UnixTime::now()).ok()?;
        principal_of(leaf).map(str::to_owned)
    }
}

impl fmt::Debug for Clients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clients").finish_non_exhaustive()
    }
}

impl ClientCertVerifier for Clients {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        if self.strict {
            return self.issuer.verify_client_cert(end_entity, intermediates, now);
        }
        Ok(ClientCertVerified::assertion())
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

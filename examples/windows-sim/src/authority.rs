//! A certificate authority for tests: certificates for hosts, right and wrong ones, and for people who log on with them.

use std::{io, ops::Range};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, OtherNameValue, SanType, date_time_ymd,
};

/// `szOID_NT_PRINCIPAL_NAME`: under this a user principal name stands among a certificate's names.
const PRINCIPAL_NAME: &[u64] = &[1, 3, 6, 1, 4, 1, 311, 20, 2, 3];

/// The same, as it stands in a certificate, with its tag and length.
const PRINCIPAL_NAME_DER: &[u8] = b"\x06\x0a\x2b\x06\x01\x04\x01\x82\x37\x14\x02\x03";

/// A certificate and its private key, in PEM form.
#[derive(Clone)]
#[non_exhaustive]
pub struct Identity {
    /// The certificate.
    pub certificate_pem: String,
    /// Its private key, PKCS #8.
    pub private_key_pem: String,
}

/// A certificate authority.
pub struct CertificateAuthority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl CertificateAuthority {
    /// Makes an authority of that name.
    ///
    /// # Errors
    /// When a key cannot be made.
    pub fn new(name: &str) -> io::Result<Self> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let key = KeyPair::generate().map_err(io::Error::other)?;
        let issuer = CertifiedIssuer::self_signed(params, key).map_err(io::Error::other)?;
        Ok(Self { issuer })
    }

    /// Its own certificate, in PEM form.
    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// A certificate for a host with these names, valid in these years; `2020..2040` is now, in our time.
    ///
    /// # Errors
    /// When a name is none, or a key cannot be made.
    pub fn host(&self, names: &[&str], years: Range<i32>) -> io::Result<Identity> {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).map_err(io::Error::other)?;
        params.not_before = date_time_ymd(years.start, 1, 1);
        params.not_after = date_time_ymd(years.end, 1, 1);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.sign(&params)
    }

    /// A certificate to log on with: `principal`, such as `ada@localhost`, is what a host maps to an account.
    ///
    /// # Errors
    /// When a key cannot be made.
    pub fn client(&self, principal: &str) -> io::Result<Identity> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, principal);
        let name = OtherNameValue::Utf8String(principal.to_owned());
        params.subject_alt_names = vec![SanType::OtherName((PRINCIPAL_NAME.to_vec(), name))];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(&params)
    }

    fn sign(&self, params: &CertificateParams) -> io::Result<Identity> {
        let key = KeyPair::generate().map_err(io::Error::other)?;
        let certificate = params.signed_by(&key, &self.issuer).map_err(io::Error::other)?;
        Ok(Identity { certificate_pem: certificate.pem(), private_key_pem: key.serialize_pem() })
    }
}

/// The user principal name in a certificate, which is found by its identifier.
pub(crate) fn principal_of(certificate: &[u8]) -> Option<&str> {
    let at = certificate.windows(PRINCIPAL_NAME_DER.len()).position(|window| window == PRINCIPAL_NAME_DER)?;
    // [0] { UTF8String }, both shorter than 128 bytes.
    let [0xa0, _, 0x0c, length, rest @ ..] = &certificate[at + PRINCIPAL_NAME_DER.len()..] else {
        return None;
    };
    std::str::from_utf8(rest.get(..usize::from(*length))?).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use rustls::pki_types::{CertificateDer, pem::PemObject as _};

    use super::{CertificateAuthority, principal_of};

    #[test]
    fn the_principal_is_found_in_a_certificate_that_has_one() {
        let authority = CertificateAuthority::new("CA").unwrap();
        let der = |pem: &str| CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
        let client = authority.client("ada@localhost").unwrap();
        assert_eq!(principal_of(&der(&client.certificate_pem)), Some("ada@localhost"));
        let host = authority.host(&["localhost"], 2020..2040).unwrap();
        assert_eq!(principal_of(&der(&host.certificate_pem)), None);
    }
}

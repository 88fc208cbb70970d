//! What keeps a connection under TLS from being made, and what to set then.

use std::io;

use opsconductor_core::{Error, ErrorKind, Result};
use sqlx::postgres::{PgConnectOptions, PgSslMode};

/// Whether this program can do what the options ask for.
pub(crate) fn check(options: &PgConnectOptions) -> Result<()> {
    check_mode(options.get_ssl_mode(), cfg!(feature = "tls"))
}

fn check_mode(mode: PgSslMode, available: bool) -> Result<()> {
    match mode {
        PgSslMode::Require | PgSslMode::VerifyCa | PgSslMode::VerifyFull if !available => Err(Error::new(
            ErrorKind::Unsupported,
            "the database is to be reached under TLS, and this program was built without: turn the feature `tls` of \
             opsconductor-store-pg on, or set `sslmode=disable` where nobody else is on the network",
        )),
        _ => Ok(()),
    }
}

/// What a connection that was not made under TLS fails with.
pub(crate) fn no_tls(source: &(dyn std::error::Error + Send + Sync)) -> Error {
    let message = match source.to_string().contains("does not support TLS") {
        true => {
            "the database does not offer TLS: set `ssl = on` there, or `sslmode=disable` in the URL where nobody else is on \
             the network"
        }
        false => {
            "no TLS connection to the database can be made as the URL says; look at its sslmode, sslrootcert, sslcert and sslkey"
        }
    };
    Error::new(ErrorKind::Store, message)
}

/// What a broken connection means where TLS broke it: trying again does not help.
#[cfg(feature = "tls")]
pub(crate) fn refusal(source: &io::Error) -> Option<String> {
    use rustls::{AlertDescription as Alert, Error as Tls};
    match source.get_ref()?.downcast_ref::<Tls>()? {
        Tls::InvalidCertificate(fault) => Some(certificate(fault)),
        Tls::AlertReceived(
            Alert::AccessDenied
            | Alert::BadCertificate
            | Alert::CertificateExpired
            | Alert::CertificateRequired
            | Alert::CertificateRevoked
            | Alert::CertificateUnknown
            | Alert::UnknownCA
            | Alert::UnsupportedCertificate,
        ) => Some(
            "the database does not accept this program's certificate; look at sslcert and sslkey in the URL"
                .to_owned(),
        ),
        Tls::AlertReceived(Alert::HandshakeFailure | Alert::ProtocolVersion) | Tls::PeerIncompatible(_) => {
            Some(
                "the database and this program have no version of TLS in common; it needs 1.2 or 1.3"
                    .to_owned(),
            )
        }
        _ => None,
    }
}

#[cfg(not(feature = "tls"))]
pub(crate) fn refusal(_: &io::Error) -> Option<String> {
    None
}

#[cfg(feature = "tls")]
fn certificate(fault: &rustls::CertificateError) -> String {
    use rustls::CertificateError as Fault;
    let (why, remedy) = match fault {
        Fault::UnknownIssuer | Fault::BadSignature => (
            "comes from an authority that is not trusted",
            "name the file with the authority's certificate as sslrootcert in the URL",
        ),
        Fault::NotValidForName | Fault::NotValidForNameContext { .. } => (
            "is for another name than the URL's host",
            "connect to the name that stands in the certificate, or set `sslmode=verify-ca`, which does not look at names",
        ),
        Fault::Expired | Fault::ExpiredContext { .. } => ("has expired", "renew it on the server"),
        Fault::NotValidYet | Fault::NotValidYetContext { .. } => {
            ("is not valid yet", "look at the clocks of both sides")
        }
        // What looks at certificates has this error alone, inside another.
        Fault::Other(other) if format!("{other:?}").contains("CaUsedAsEndEntity") => (
            "is an authority's own",
            "give the server one that this authority has signed, and name the authority's as sslrootcert",
        ),
        _ => ("is not acceptable", "give the server another, or look at sslrootcert in the URL"),
    };
    format!("the certificate of the database {why}; {remedy}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    #[test]
    fn a_program_without_tls_says_what_is_missing() {
        for mode in [PgSslMode::Require, PgSslMode::VerifyCa, PgSslMode::VerifyFull] {
            let error = check_mode(mode, false).unwrap_err();
            assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Unsupported, false));
            assert!(error.to_string().contains("feature `tls`"), "{error}");
            assert!(check_mode(mode, true).is_ok());
        }
        for mode in [PgSslMode::Disable, PgSslMode::Allow, PgSslMode::Prefer] {
            assert!(check_mode(mode, false).is_ok());
        }
    }

    #[cfg(feature = "tls")]
    #[test]
    fn what_breaks_a_handshake_is_told_with_its_remedy() {
        use rustls::{AlertDescription, CertificateError, Error as Tls};
        let told = |error| refusal(&io::Error::new(io::ErrorKind::InvalidData, error));
        for (fault, word) in [
            (CertificateError::UnknownIssuer, "sslrootcert"),
            (CertificateError::NotValidForName, "verify-ca"),
            (CertificateError::Expired, "renew"),
            (CertificateError::NotValidYet, "clocks"),
            (CertificateError::Revoked, "another"),
        ] {
            let text = told(Tls::InvalidCertificate(fault)).unwrap();
            assert!(text.contains(word), "{text}");
        }
        assert!(told(Tls::AlertReceived(AlertDescription::UnknownCA)).unwrap().contains("sslcert"));
        assert!(told(Tls::AlertReceived(AlertDescription::ProtocolVersion)).unwrap().contains("1.2"));
        assert_eq!(
            told(Tls::AlertReceived(AlertDescription::InternalError)),
            None,
            "a connection that broke"
        );
        assert_eq!(refusal(&io::Error::from(io::ErrorKind::ConnectionReset)), None);
    }
}

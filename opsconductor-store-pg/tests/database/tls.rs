//! Connections under TLS to a server that has a certificate, and to one that has none.

use std::{io::Write, sync::OnceLock};

use opsconductor_core::{
    Error, ErrorKind,
    id::WorkerId,
    store::{Catalog, Queue},
    tenant::DEFAULT_TENANT_NAME,
    testing::store::Fixture,
};
use opsconductor_store_pg::{
    PgOptions, PgStore,
    sqlx::{Connection, PgConnection, query_as},
    testing::{Certificate, Disk, OWNER, Server},
};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose};
use tempfile::NamedTempFile;

use crate::support::{external, place, refused, tells_no_secret};

type Issuer = CertifiedIssuer<'static, KeyPair>;

/// A server whose certificate is for `localhost` and signed by an authority of our own.
struct Secured {
    server: Server,
    ours: String,
}

impl Secured {
    /// The one server of this process; none where a server was given instead.
    fn shared() -> Option<&'static Self> {
        static SHARED: OnceLock<Secured> = OnceLock::new();
        Server::shared().port()?;
        Some(SHARED.get_or_init(Self::start))
    }

    fn start() -> Self {
        let ours = authority("ours");
        let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, "localhost");
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &ours).unwrap();
        let (pem, key) = (certificate.pem(), key.serialize_pem());
        let server = Server::start_with_tls(Disk::Careless, &Certificate { pem: &pem, key_pem: &key });
        Self { server, ours: ours.pem() }
    }

    fn url(&self, host: &str, parameters: &str) -> String {
        let url = self.server.url_of(OWNER, "ops").unwrap().replace("127.0.0.1", host);
        format!("{url}?application_name=under_tls&{parameters}")
    }
}

/// A file with a certificate.
fn file(pem: &str) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(pem.as_bytes()).unwrap();
    file
}

/// How a URL names the authority in a file.
fn trusting(file: &NamedTempFile) -> String {
    format!("sslrootcert={}", file.path().display())
}

fn authority(name: &str) -> Issuer {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

fn options(schema: &str) -> PgOptions {
    PgOptions::default().with_schema(schema)
}

/// Refused for good, and the words say what to set.
fn says(error: &Error, kind: ErrorKind, words: &str, server: &Secured) {
    assert_eq!((error.kind(), error.is_retryable()), (kind, false), "{error:?}");
    assert!(error.to_string().contains(words), "{error}");
    let url = server.server.url();
    tells_no_secret(error, url.split([':', '@']).nth(2).unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_connection_is_under_tls_and_to_the_right_server() {
    let Some(server) = Secured::shared() else { return external() };
    let ours = file(&server.ours);
    let url = server.url("localhost", &format!("sslmode=verify-full&{}", trusting(&ours)));
    let store = PgStore::connect(&url, options("verified")).await.unwrap();
    assert!(store.tenant_by_name(DEFAULT_TENANT_NAME).await.is_ok());
    assert!(store.claim(WorkerId::generate(), 1, Fixture::TTL).await.unwrap().is_empty());
    let mut admin = PgConnection::connect(&server.server.admin_url().unwrap()).await.unwrap();
    let sql = "SELECT count(*), count(*) FILTER (WHERE s.ssl) FROM pg_stat_ssl AS s
        JOIN pg_stat_activity AS a USING (pid) WHERE a.application_name = 'under_tls' AND a.usename = 'ops'";
    let (all, secured): (i64, i64) = query_as(sql).fetch_one(&mut admin).await.unwrap();
    assert!(all >= 2 && secured == all, "{secured} of {all} connections are under TLS");
}

#[tokio::test]
async fn a_certificate_of_another_authority_is_refused() {
    let Some(server) = Secured::shared() else { return external() };
    let others = [file(&authority("another").pem()), file("")];
    for mode in ["verify-full", "verify-ca"] {
        for other in &others {
            let url = server.url("localhost", &format!("sslmode={mode}&{}", trusting(other)));
            says(&refused(&url, options("none")).await, ErrorKind::Store, "sslrootcert", server);
        }
        let url = server.url("localhost", &format!("sslmode={mode}"));
        says(&refused(&url, options("none")).await, ErrorKind::Store, "sslrootcert", server);
    }
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused_unless_names_do_not_matter() {
    let Some(server) = Secured::shared() else { return external() };
    let ours = file(&server.ours);
    let trusted = trusting(&ours);
    let error =
        refused(&server.url("127.0.0.1", &format!("sslmode=verify-full&{trusted}")), options("none")).await;
    says(&error, ErrorKind::Store, "stands in the certificate", server);
    let url = server.url("127.0.0.1", &format!("sslmode=verify-ca&{trusted}"));
    assert!(PgStore::connect(&url, options("by_authority")).await.is_ok());
}

#[tokio::test]
async fn a_file_that_cannot_be_read_is_named_by_its_parameter() {
    let Some(server) = Secured::shared() else { return external() };
    let gone = file(&server.ours);
    let url = server.url("localhost", &format!("sslmode=verify-full&{}", trusting(&gone)));
    gone.close().unwrap();
    says(&refused(&url, options("none")).await, ErrorKind::InvalidInput, "sslrootcert", server);
}

#[tokio::test]
async fn require_asks_for_tls_and_for_no_authority() {
    let Some(server) = Secured::shared() else { return external() };
    let url = server.url("127.0.0.1", "sslmode=require");
    assert!(PgStore::connect(&url, options("required")).await.is_ok());
}

#[tokio::test]
async fn a_server_without_tls_is_refused_where_tls_is_required() {
    let Some(url) = Server::shared().url_of(OWNER, "ops") else { return external() };
    for mode in ["require", "verify-ca", "verify-full"] {
        let error = refused(&format!("{url}?sslmode={mode}"), options("none")).await;
        assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Store, false), "{error:?}");
        assert!(error.to_string().contains("ssl = on"), "{error}");
    }
    let place = place();
    assert!(PgStore::connect(&format!("{url}?sslmode=prefer"), options(place.schema())).await.is_ok());
}

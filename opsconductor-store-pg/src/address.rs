//! From a URL to connection options, without ever repeating what stands in it.

use opsconductor_core::{Error, ErrorKind, Result};
use sqlx::{ConnectOptions, postgres::PgConnectOptions};

use crate::tls;

/// What may stand behind the question mark. sqlx would log others with their values, and a misspelt one may be a password.
const PARAMETERS: &[&str] = &[
    "application_name",
    "dbname",
    "host",
    "hostaddr",
    "options",
    "password",
    "port",
    "ssl-ca",
    "ssl-cert",
    "ssl-key",
    "ssl-mode",
    "ssl-root-cert",
    "sslcert",
    "sslkey",
    "sslmode",
    "sslrootcert",
    "user",
];

/// The options that `url` stands for.
pub(crate) fn parse(url: &str) -> Result<PgConnectOptions> {
    let refuse = |message: &'static str| Error::new(ErrorKind::InvalidInput, message);
    if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
        return Err(refuse("the URL of the database begins with postgres://"));
    }
    let query = url.split_once('?').map_or("", |(_, query)| query.split('#').next().unwrap_or_default());
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let name = pair.split('=').next().unwrap_or_default();
        if !PARAMETERS.contains(&name) {
            return Err(refuse(
                "the URL of the database has a parameter that is not known; sslmode, sslrootcert, sslcert, sslkey, host, \
                 port, user, password, dbname, application_name and options are",
            ));
        }
    }
    // The cause is left out: it may repeat a part of the URL.
    let options: PgConnectOptions = url.parse().map_err(|_| {
        refuse(
            "the URL of the database cannot be read; its form is postgres://user:password@host:5432/database",
        )
    })?;
    let options = match options.get_application_name() {
        Some(_) => options,
        None => options.application_name("opsconductor"),
    };
    tls::check(&options)?;
    Ok(options.disable_statement_logging())
}

/// Where the server is, to be named in an error.
pub(crate) fn place(options: &PgConnectOptions) -> String {
    match options.get_socket() {
        Some(socket) => format!("{}:{}", socket.display(), options.get_port()),
        None => format!("{}:{}", options.get_host(), options.get_port()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    #[test]
    fn a_url_is_read() {
        let options = parse("postgres://ann:s3cret@db.example:5433/ops?sslmode=prefer").unwrap();
        assert_eq!(place(&options), "db.example:5433");
        assert_eq!((options.get_username(), options.get_database()), ("ann", Some("ops")));
        let socket = parse("postgresql://ann@%2Frun%2Fpostgresql/ops").unwrap();
        assert_eq!(place(&socket), "/run/postgresql:5432");
    }

    #[test]
    fn what_is_wrong_with_a_url_is_said_without_it() {
        for url in [
            "",
            "mysql://ann:s3cret@db/ops",
            "postgres://ann:s3cret@db:notaport/ops",
            "postgres://ann:s3cret@[db/ops",
            "postgres://db/ops?passwort=s3cret",
            "postgres://db/ops?sslmode=s3cret",
            "postgres://db/ops?port=s3cret",
        ] {
            let error = parse(url).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{url}");
            assert!(!error.report().contains("s3cret"), "{error:?}");
        }
    }
}

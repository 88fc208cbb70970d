//! HTTP: requests to services, with a guard over where they go.
//!
//! ```no_run
//! # async fn example() -> opsconductor_core::Result<()> {
//! use opsconductor_core::transport::{
//!     Connector, Endpoint,
//!     http::{HttpConnector, HttpSettings},
//! };
//!
//! let settings = HttpSettings { allow: vec!["127.0.0.0/8".parse()?], ..HttpSettings::default() };
//! let connector = HttpConnector::builder().with_settings(settings).build()?;
//! let report = connector.probe_without_credential(&Endpoint::new("api", "localhost", 8080)).await;
//! println!("{}", report.message);
//! # Ok(()) }
//! ```
//!
//! # Metadata of a target
//!
//! | member | meaning |
//! |---|---|
//! | `http_use_https` | HTTPS or not; by default port 443 means HTTPS |
//! | `http_validate_cert` | `false` accepts any certificate; default `true` |
//! | `http_ca_pem` | certificates, in PEM form, that are trusted beside the platform's roots |
//! | `http_cert_sha256` | the fingerprint of the one certificate that is accepted, whatever its name and date |
//! | `http_base_path` | what comes before the path of every request, such as `/api/v1` |
//! | `http_allow_plain_credentials` | `true` lets a credential go over plain HTTP; default `false` |
//!
//! # Credentials
//!
//! A target may do without. Otherwise its credential is of the type `api_key`. With a `header` other than `Authorization`
//! the key goes there as it is (`X-API-Key: k`); with `Authorization`, or none, it goes there as a bearer token
//! (`Authorization: Bearer k`), unless the key brings its own scheme (`Basic dXNlcjpwdw==`). Over plain HTTP a credential
//! goes to this machine itself alone, unless the target says `http_allow_plain_credentials`: else the error comes before
//! anything is sent.
//!
//! # Where requests go
//!
//! See [`HttpSettings`] for the rule: private networks are for targets, loopback and link-local are refused unless allowed.
//! Each request has a connection of its own, made to an address that was judged. No proxy is used, whatever the environment
//! says.
//!
//! # Redirects
//!
//! None is followed unless the step asks for it. Each is judged as a request of its own: a host other than the target's may
//! not be at a private address, HTTPS does not lead to HTTP, a body does not go to another origin, and of the headers only
//! `Accept`, `Accept-Language`, `Content-Type` and `User-Agent` do; the trust that the target's metadata add (an authority,
//! a pin, no check) holds for the target's origin alone.
//!
//! # Answers
//!
//! The body becomes text as it comes: unpacked when it is packed with gzip, read in the charset that it names (UTF-8
//! otherwise). What is beyond the step's limit, counted in text, is not read.
//!
//! # When something breaks
//!
//! Name, connection and TLS come before the dispatch, so that whatever fails there can be tried again. What breaks between
//! the first byte of the request and the last of the answer, a time-out included, leaves the outcome unknown, unless the
//! call is [repeatable](super::HttpCall::repeatable).
//!
//! Only HTTP/1.1 is spoken. HTTP/2 alone, WebSockets, client certificates and proxies are not supported.

mod account;
mod body;
mod connector;
mod dial;
mod exchange;
mod fields;
mod guard;
mod probe;
mod redirect;
mod resolve;
mod session;
mod settings;
mod site;
mod webhook;

pub use connector::{HttpConnector, HttpConnectorBuilder};
pub use resolve::{Resolve, SystemResolver};
pub use settings::{HttpSettings, Network};
pub use webhook::WebhookNotifier;

//! Kerberos: where a realm's key distribution centre is, and the exchange with it.
//!
//! Nothing is looked up behind anyone's back: no DNS records of services, no `krb5.conf` for addresses. A target's metadata
//! names the centres; without that, the realm's own name is taken for the host that runs one, as it is in every Active
//! Directory.

mod handshake;

use std::{
    io,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use serde_json::Value;
use sspi::{
    InitializeSecurityContextResult, KdcResolution, KerberosConfig, NetworkRequest,
    generator::{GeneratorInitSecurityContext, GeneratorState},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use super::{channel_binding::der, security::quiet};
use crate::{
    Error, ErrorKind, Result,
    error::Layer,
    transport::{
        Endpoint,
        metadata::{invalid, text},
    },
};

/// Where a centre listens unless told otherwise.
const PORT: u16 = 88;

/// How long one centre may take to answer before the next one is asked.
const ANSWER: Duration = Duration::from_secs(5);

/// The longest answer that is read. Tickets carry the groups of a user; Windows stops at 64 KiB of them.
const ANSWER_BYTES_MAX: usize = 256 * 1024;

/// How many centres a target may name.
const CENTRES_MAX: usize = 16;

/// Stands for all centres of the realm towards `sspi`, which cannot hold several.
const OWN_REALM: &str = "tcp://kdc.invalid:88";

/// How to get a ticket for one host.
#[derive(Debug)]
pub(super) struct Route {
    /// The service's name, such as `HTTP/web-1.corp.example`.
    pub(super) service: String,
    realm: String,
    centres: Vec<(String, u16)>,
}

impl Route {
    /// Reads the metadata of a target.
    pub(super) fn new(endpoint: &Endpoint, host_name: &str, realm: &str) -> Result<Self> {
        let service = match text(endpoint, "kerberos_spn")? {
            Some(service) if is_service(service) => service.to_owned(),
            Some(_) => {
                let message = "the metadata member kerberos_spn must be a service and a host, such as HTTP/web-1.corp.example";
                return Err(invalid(endpoint, message));
            }
            None => format!("HTTP/{host_name}"),
        };
        let malformed = || {
            let message = "the metadata member kerberos_kdc must be host, host:port or a list of these";
            invalid(endpoint, message)
        };
        let centres = match endpoint.metadata.get("kerberos_kdc") {
            None | Some(Value::Null) => vec![(realm.to_ascii_lowercase(), PORT)],
            Some(Value::String(one)) => vec![centre(one).ok_or_else(malformed)?],
            Some(Value::Array(all)) if (1..=CENTRES_MAX).contains(&all.len()) => {
                let each = all.iter().map(|one| one.as_str().and_then(centre));
                each.collect::<Option<_>>().ok_or_else(malformed)?
            }
            Some(_) => return Err(malformed()),
        };
        Ok(Self { service, realm: realm.to_owned(), centres })
    }

    /// Goes through with one step of a logon, asking the centres whatever it wants to know.
    pub(super) async fn resolve(
        &self,
        mut step: GeneratorInitSecurityContext<'_>,
    ) -> Result<InitializeSecurityContextResult> {
        let refusal = AtomicU32::new(0);
        let mut state = quiet(|| step.start());
        loop {
            match state {
                GeneratorState::Suspended(request) => {
                    let answer = self.ask(&request).await?;
                    if let Some(code) = refusal_code(&answer) {
                        refusal.store(code, Ordering::Relaxed);
                    }
                    state = quiet(|| step.resume(Ok(answer)));
                }
                GeneratorState::Completed(result) => {
                    return result.map_err(|error| self.explain(refusal.into_inner(), &error));
                }
            }
        }
    }

    /// Asks one centre after the other, until one answers.
    async fn ask(&self, request: &NetworkRequest) -> Result<Vec<u8>> {
        if request.url.host_str() != Some("kdc.invalid") {
            let message = "the ticket would have to come from another realm, which is not supported: use an account of \
                           the host's own realm";
            return Err(Error::transport(Layer::Authentication, message).with("realm", &self.realm));
        }
        let mut last = None;
        for (name, port) in &self.centres {
            match timeout(ANSWER, exchange(name, *port, &request.data)).await {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(error)) => last = Some((name, *port, error)),
                Err(_) => last = Some((name, *port, io::Error::from(io::ErrorKind::TimedOut))),
            }
        }
        let message = "no key distribution centre of the realm answers; name one as kerberos_kdc in the target's metadata";
        let mut error = Error::transport(Layer::Connect, message).with("realm", &self.realm);
        if let Some((name, port, cause)) = last {
            error = error.with("kdc", format!("{name}:{port}")).with_source(cause);
        }
        Err(error)
    }

    /// What a refusal of the centre means (RFC 4120, 7.5.9).
    fn explain(&self, code: u32, error: &sspi::Error) -> Error {
        let message = match code {
            6 => "the realm does not know the user; check the user name and the realm",
            7 => {
                "the realm does not know the host's service; set kerberos_spn in the target's metadata to its name"
            }
            12 => "the realm does not allow this logon; look at the account's logon hours and workstations",
            14 => "the realm offers none of the ciphers that are supported; allow AES for the account",
            18 => "the account is disabled or locked",
            23 => "the password has expired",
            24 => "the realm refused the password",
            37 => "this machine's clock and the realm's differ too much",
            68 => "the user belongs to another realm; write user@REALM",
            _ => "the Kerberos logon failed",
        };
        let refused = Error::transport(Layer::Authentication, message).with("realm", &self.realm);
        let refused = if code == 7 { refused.with("service", &self.service) } else { refused };
        match code {
            // The text of the library may quote the whole answer, so it is told only where nothing better is known.
            0 => refused.with("cause", format!("{:?}", error.error_type)),
            code => refused.with_code(code),
        }
    }
}

/// What `sspi` has to know: that it need not look for a centre.
pub(super) fn config(workstation: &str) -> KerberosConfig {
    let config = KerberosConfig::new_with_kdc_url(OWN_REALM, workstation.to_owned());
    debug_assert!(matches!(config.kdc_resolution, KdcResolution::KdcUrl(Some(_))), "a constant parses");
    config
}

/// Whether what a centre refused is the password or the account, which is not to be tried again.
pub(super) fn is_refusal(error: &Error) -> bool {
    error.kind() == ErrorKind::Auth && matches!(error.code(), Some(6 | 12 | 18 | 23 | 24))
}

async fn exchange(name: &str, port: u16, request: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect((name, port)).await?;
    // The request comes with its length before it, and so must the answer.
    stream.write_all(request).await?;
    let mut size = [0; 4];
    stream.read_exact(&mut size).await?;
    let length = u32::from_be_bytes(size) as usize;
    if length > ANSWER_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the answer is longer than a ticket can be"));
    }
    let mut answer = vec![0; 4 + length];
    answer[..4].copy_from_slice(&size);
    stream.read_exact(&mut answer[4..]).await?;
    Ok(answer)
}

/// The code of a `KRB-ERROR` ::= [APPLICATION 30] SEQUENCE { …, error-code [6] INTEGER, … }; none for another answer, nor
/// for the request to authenticate beforehand, which is the way of every logon.
fn refusal_code(answer: &[u8]) -> Option<u32> {
    const PREAUTH_REQUIRED: u32 = 25;
    let (0x7e, error, _) = der(answer.get(4..)?)? else { return None };
    let (0x30, mut fields, _) = der(error)? else { return None };
    loop {
        let (tag, field, rest) = der(fields)?;
        if tag == 0xa6 {
            let (0x02, number, _) = der(field)? else { return None };
            let code = number.iter().fold(0_u32, |code, byte| code << 8 | u32::from(*byte));
            return Some(code).filter(|code| *code != PREAUTH_REQUIRED);
        }
        fields = rest;
    }
}

/// `host` or `host:port`; an IPv6 address stands in brackets.
fn centre(text: &str) -> Option<(String, u16)> {
    let text = text.trim();
    let (name, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (name, port) = rest.split_once(']')?;
            (name, if port.is_empty() { None } else { Some(port.strip_prefix(':')?) })
        }
        None => text.split_once(':').map_or((text, None), |(name, port)| (name, Some(port))),
    };
    let well_formed = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_:%".contains(&byte));
    if name.is_empty() || !well_formed {
        return None;
    }
    let port = port.map_or(Some(PORT), |port| port.parse().ok().filter(|port| *port != 0))?;
    Some((name.to_owned(), port))
}

fn is_service(text: &str) -> bool {
    let is_part =
        |part: &str| !part.is_empty() && !part.contains(|c: char| c.is_control() || c.is_whitespace());
    text.split_once('/')
        .is_some_and(|(service, host)| is_part(service) && is_part(host) && !host.contains('/'))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use serde_json::{Value, json};

    use super::{Route, centre, is_service, refusal_code};
    use crate::{ErrorKind, transport::Endpoint};

    fn route(metadata: &Value) -> crate::Result<Route> {
        let mut endpoint = Endpoint::new("web-1", "web-1.corp.example", 5985);
        endpoint.metadata = metadata.as_object().unwrap().clone();
        Route::new(&endpoint, "web-1.corp.example", "CORP.EXAMPLE")
    }

    #[test]
    fn the_realms_name_is_where_its_centre_is_unless_the_metadata_says_otherwise() {
        let plain = route(&json!({})).unwrap();
        assert_eq!(plain.centres, [("corp.example".to_owned(), 88)]);
        assert_eq!(plain.service, "HTTP/web-1.corp.example");
        let named =
            route(&json!({"kerberos_kdc": ["dc1", "dc2:1088"], "kerberos_spn": "HOST/web-1"})).unwrap();
        assert_eq!(named.centres, [("dc1".to_owned(), 88), ("dc2".to_owned(), 1088)]);
        assert_eq!(named.service, "HOST/web-1");
    }

    #[test]
    fn metadata_that_makes_no_sense_is_named() {
        for (member, value) in [
            ("kerberos_kdc", json!("dc1:no")),
            ("kerberos_kdc", json!([])),
            ("kerberos_kdc", json!(["dc1", 88])),
            ("kerberos_kdc", json!("tcp://dc1")),
            ("kerberos_spn", json!("web-1")),
            ("kerberos_spn", json!(["HTTP/web-1"])),
        ] {
            let error = route(&json!({member: value})).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            assert!(error.to_string().contains(member), "{error}");
        }
    }

    #[test]
    fn addresses_are_taken_apart() {
        assert_eq!(centre("dc1"), Some(("dc1".into(), 88)));
        assert_eq!(centre(" dc1:99 "), Some(("dc1".into(), 99)));
        assert_eq!(centre("[::1]"), Some(("::1".into(), 88)));
        assert_eq!(centre("[::1]:99"), Some(("::1".into(), 99)));
        for wrong in ["", ":88", "dc1:", "dc1:0", "dc1:65536", "[::1", "[::1]99", "a b", "a/b"] {
            assert_eq!(centre(wrong), None, "{wrong:?}");
        }
        assert!(is_service("HTTP/web-1"));
        assert!(
            !is_service("HTTP/") && !is_service("/a") && !is_service("HTTP/a/b") && !is_service("HTTP/a b")
        );
    }

    #[test]
    fn the_code_of_a_refusal_is_found() {
        let with = |code: u8| vec![0, 0, 0, 0, 0x7e, 12, 0x30, 10, 0xa0, 3, 2, 1, 5, 0xa6, 3, 2, 1, code];
        assert_eq!(refusal_code(&with(24)), Some(24));
        assert_eq!(refusal_code(&with(25)), None, "authentication beforehand is no refusal");
        assert_eq!(refusal_code(&[0, 0, 0, 0, 0x6b, 0]), None, "a ticket");
        for end in 0..18 {
            let _ = refusal_code(&with(24)[..end]);
        }
    }
}

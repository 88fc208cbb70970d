//! Opening a connection: the stream, then who we are.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::{Bytes, BytesMut};
use hyper::{
    StatusCode,
    client::conn::http1,
    header::{self, HeaderMap, HeaderValue},
};
use hyper_util::rt::TokioIo;
use uuid::Uuid;

use super::{
    account::Scheme,
    connection::{Connection, Protection, read_body},
    dial::{self, Dialed},
    failure::broken,
    host::Host,
    security::Security,
    soap::Action,
};
use crate::{Error, Result, error::Layer, transport::timings::Timings};

/// How many messages of ours a logon may take.
const LEGS_MAX: usize = 3;

/// The HTTP scheme of NTLM, wrapped or not.
const SCHEME: &str = "Negotiate";

/// What stands for a client certificate in the `Authorization` header (DSP0226, the security profile of mutual HTTPS).
const MUTUAL: &str = "http://schemas.dmtf.org/wbem/wsman/1/wsman/secprofile/https/mutual";

impl Connection {
    /// Connects and logs on.
    pub(super) async fn establish(host: &Arc<Host>, timings: &mut Timings) -> Result<Self> {
        if host.logon_refused() {
            return Err(refused_before(host));
        }
        let Dialed { stream, end_point, certificate_asked } = dial::dial(host, timings).await?;
        timings.enter(Layer::Authentication);
        let (sender, driver) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
        let driver = tokio::spawn(async move {
            // An error of the connection reaches whoever waits for an answer on it.
            let _ = driver.await;
        })
        .abort_handle();
        let protection = Protection::Tls { authorization: None };
        let mut connection = Self {
            host: Arc::clone(host),
            sender,
            driver,
            protection,
            dirty: false,
            message_id: Uuid::now_v7(),
            outgoing: BytesMut::new(),
        };
        match host.account.scheme {
            Scheme::Basic => connection.show_password(host).await?,
            Scheme::Certificate if certificate_asked => connection.use_certificate(host).await?,
            Scheme::Certificate => {
                let message = "the host did not ask for the client certificate; let its HTTPS binding ask for one in \
                               the handshake (netsh http update sslcert … clientcertnegotiation=enable)";
                return Err(Error::transport(Layer::Authentication, message));
            }
            #[cfg(feature = "kerberos")]
            Scheme::Kerberos => {
                let security = connection.log_on_by_ticket().await?;
                connection.seal_with(security)?;
            }
            Scheme::Negotiate | Scheme::Ntlm => {
                let security = connection.log_on(end_point.as_deref()).await?;
                connection.seal_with(security)?;
            }
        }
        timings.finish();
        Ok(connection)
    }

    /// Without TLS every message is sealed from now on.
    fn seal_with(&mut self, security: Security) -> Result<()> {
        if self.host.trust.is_none() {
            self.protection = Protection::Sealed(security.into_sealing().map_err(unusable)?);
        }
        Ok(())
    }

    /// Basic: each request says who we are, so one is made to find out whether that is right.
    async fn show_password(&mut self, host: &Arc<Host>) -> Result<()> {
        self.protection = Protection::Tls { authorization: Some(basic(host)?) };
        let turn = host.logon.turn().await.ok_or_else(|| refused_before(host))?;
        let identity = self.identify().await;
        drop(turn);
        identity.map(drop).map_err(|failure| failure.into_plain_error(Action::Identify))
    }

    /// The host has seen the certificate: whether it maps it to a user shows at the first request.
    async fn use_certificate(&mut self, host: &Arc<Host>) -> Result<()> {
        self.protection = Protection::Tls { authorization: Some(HeaderValue::from_static(MUTUAL)) };
        let turn = host.logon.turn().await.ok_or_else(|| refused_before(host))?;
        let identity = self.identify().await;
        drop(turn);
        identity.map(drop).map_err(|failure| failure.into_plain_error(Action::Identify))
    }

    /// The handshake: tokens go to and fro in headers, with empty bodies.
    async fn log_on(&mut self, end_point: Option<&[u8]>) -> Result<Security> {
        let host = Arc::clone(&self.host);
        let mut security =
            Security::new(&host.account, &format!("HTTP/{}", host.name), end_point).map_err(unusable)?;
        let mut token = security.step(None).map_err(unusable)?;
        let mut turn = None;
        for leg in 1..=LEGS_MAX {
            // The first message shows nothing yet; what follows can count against the account.
            if leg > 1 && turn.is_none() {
                turn = Some(host.logon.turn().await.ok_or_else(|| refused_before(&host))?);
            }
            let response = self.exchange(Bytes::new(), None, authorization(SCHEME, &token)).await;
            let response = response.map_err(|failure| failure.into_plain_error(Action::Identify))?;
            let answer = token_of(response.headers(), SCHEME);
            let status = response.status();
            // Noted before anything is waited for again: whoever comes next must not try as well.
            if status == StatusCode::UNAUTHORIZED && answer.is_none() && leg > 1 {
                host.set_logon_refused();
                return Err(self.refused());
            }
            if status == StatusCode::OK && leg == 1 {
                let message = "the host answers without asking who we are; is this the port of WinRM?";
                return Err(Error::transport(Layer::Protocol, message));
            }
            read_body(response, self.body_bytes_max()).await?;
            match (status, answer) {
                (StatusCode::OK, answer) => {
                    // The last word of SPNEGO guards the list of mechanisms. Ours lists NTLM alone, and NTLM guards its
                    // own messages, so a host that leaves the last word out is no danger: sealing proves it.
                    if let Some(answer) = answer.filter(|_| !security.is_complete()) {
                        security.step(Some(&answer)).map_err(unusable)?;
                    }
                    return Ok(security);
                }
                (StatusCode::UNAUTHORIZED, Some(answer)) if !security.is_complete() => {
                    token = security.step(Some(&answer)).map_err(unusable)?;
                }
                (StatusCode::UNAUTHORIZED, _) if leg > 1 => break,
                (StatusCode::UNAUTHORIZED, _) => {
                    return Err(Error::transport(
                        Layer::Authentication,
                        "the host does not offer Negotiate; allow it, or use a credential for what it offers",
                    ));
                }
                (status, _) => return Err(self.unexpected(status)),
            }
        }
        host.set_logon_refused();
        Err(self.refused())
    }

    pub(super) fn refused(&self) -> Error {
        let message = match self.host.account.scheme {
            Scheme::Certificate => {
                "the host refused the client certificate; check that it allows certificates, maps this one to a user and \
                 trusts its issuer"
            }
            _ => "the host refused the credential; check user, password and the account's right to log on",
        };
        Error::transport(Layer::Authentication, message).with("user", self.host.account.display())
    }
}

fn unusable(error: sspi::Error) -> Error {
    Error::transport(Layer::Protocol, "the host's part of the logon does not make sense").with_source(error)
}

/// What is said instead of trying a refused credential again.
pub(super) fn refused_before(host: &Host) -> Error {
    let message = format!(
        "the host has just refused the credential; lest the account be locked, it is not tried again for {} s, except by \
         a probe",
        host.settings.refused_logon_pause.as_secs_f64().ceil()
    );
    Error::transport(Layer::Authentication, message).with("user", host.account.display())
}

fn basic(host: &Host) -> Result<HeaderValue> {
    let account = &host.account;
    let pair = zeroize::Zeroizing::new(format!("{}:{}", account.display(), account.password()));
    let value = zeroize::Zeroizing::new(format!("Basic {}", STANDARD.encode(pair.as_bytes())));
    let mut value = HeaderValue::try_from(value.as_str())
        .map_err(|_| Error::transport(Layer::Authentication, "the credential cannot be put into a header"))?;
    value.set_sensitive(true);
    Ok(value)
}

/// The header that carries a token.
pub(super) fn authorization(scheme: &str, token: &[u8]) -> Option<HeaderValue> {
    HeaderValue::try_from(format!("{scheme} {}", STANDARD.encode(token))).ok()
}

/// Whether a host offers the scheme.
#[cfg(feature = "kerberos")]
pub(super) fn offers(headers: &HeaderMap, wanted: &str) -> bool {
    let mut values = headers.get_all(header::WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok());
    values.any(|value| {
        value.split_whitespace().next().is_some_and(|scheme| scheme.eq_ignore_ascii_case(wanted))
    })
}

/// The token of the host, out of the `WWW-Authenticate` header of that scheme.
pub(super) fn token_of(headers: &HeaderMap, wanted: &str) -> Option<Vec<u8>> {
    let values = headers.get_all(header::WWW_AUTHENTICATE);
    values.iter().find_map(|value| {
        let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
        scheme.eq_ignore_ascii_case(wanted).then(|| STANDARD.decode(token.trim()).ok())?
    })
}

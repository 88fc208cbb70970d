//! Logging on with a ticket: the realm's centre sees the password, the host sees the ticket.

use std::sync::Arc;

use bytes::Bytes;
use hyper::{StatusCode, header::HeaderValue};

use super::is_refusal;
use crate::{
    Error, ErrorKind, Result,
    error::Layer,
    transport::winrm::{
        connection::{Connection, read_body},
        handshake::{authorization, offers, refused_before, token_of},
        security::Security,
        soap::Action,
    },
};

/// The HTTP scheme that carries Kerberos with nothing around it.
const SCHEME: &str = "Kerberos";

impl Connection {
    /// One message each way: the ticket with a proof of who we are, and the host's proof that it could read it.
    ///
    /// Over TLS it is not bound to the channel: `sspi` 0.23 announces a binding in a form that MIT's acceptor refuses (two
    /// bytes for the four of `KERB_AP_OPTIONS_CBT`), and without it an acceptor takes the logon unless it insists.
    pub(in super::super) async fn log_on_by_ticket(&mut self) -> Result<Security> {
        let host = Arc::clone(&self.host);
        let Some(route) = &host.route else {
            return Err(Error::new(ErrorKind::Internal, "a host for Kerberos has no route to its realm"));
        };
        let mut security = Security::new(&host.account, &route.service, None).map_err(unusable)?;
        // The centre counts wrong passwords as a host does.
        let turn = host.logon.turn().await.ok_or_else(|| refused_before(&host))?;
        let token = security.step_by_ticket(None, route).await.map_err(|error| {
            if is_refusal(&error) {
                host.set_logon_refused();
                return error.with("user", host.account.display());
            }
            error
        })?;
        drop(turn);
        let value: Option<HeaderValue> = authorization(SCHEME, &token);
        let response = self.exchange(Bytes::new(), None, value).await;
        let response = response.map_err(|failure| failure.into_plain_error(Action::Identify))?;
        let (status, answer) = (response.status(), token_of(response.headers(), SCHEME));
        let offered = offers(response.headers(), SCHEME);
        if status == StatusCode::UNAUTHORIZED {
            host.set_logon_refused();
            let message = match offered {
                true => {
                    "the host refused the ticket; check that kerberos_spn names its own account, and the user's right to \
                     log on"
                }
                false => "the host does not offer Kerberos; allow it, or use a credential for what it offers",
            };
            let error = Error::transport(Layer::Authentication, message);
            return Err(error.with("user", host.account.display()).with("service", &route.service));
        }
        read_body(response, self.body_bytes_max()).await?;
        let Some(answer) = answer.filter(|_| status == StatusCode::OK) else {
            if status != StatusCode::OK {
                return Err(self.unexpected(status));
            }
            // Without it anybody could be at the other end.
            let message = "the host did not prove that it is the service the ticket is for";
            return Err(Error::transport(Layer::Authentication, message).with("service", &route.service));
        };
        security.step_by_ticket(Some(&answer), route).await?;
        if !security.is_complete() {
            let message = "the Kerberos logon did not end with the host's answer";
            return Err(Error::transport(Layer::Protocol, message));
        }
        Ok(security)
    }
}

fn unusable(error: sspi::Error) -> Error {
    Error::transport(Layer::Authentication, "the Kerberos logon cannot be prepared").with_source(error)
}

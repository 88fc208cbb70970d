//! What a tenant and its people say about notifications.

use serde::{Deserialize, Serialize};

use super::{Channel, DEST_BYTES_MAX, NotifyOn, PlannedNotice, words};
use crate::{Error, ErrorKind, Result};

words! {
    /// How a connection to a mail server is kept private.
    SmtpSecurity, "the security of a mail server's connection" {
        /// TLS from the first byte, as on port 465.
        Tls = "tls",
        /// TLS after a plain beginning, as on port 587; without it nothing is sent.
        Starttls = "starttls",
        /// None: whoever is on the way reads along. No password is sent so.
        None = "none",
    }
}

/// A tenant's mail server. The password is sealed apart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SmtpSettings {
    /// Its name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The account there; none does without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// How the connection is kept private.
    pub security: SmtpSecurity,
    /// Whom mails come from.
    pub from_email: String,
    /// What that one is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_name: Option<String>,
    /// Certificates, in PEM form, that are trusted beside the platform's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_pem: Option<String>,
}

impl SmtpSettings {
    /// Refuses what cannot work.
    ///
    /// # Errors
    ///
    /// `InvalidInput`, naming the member.
    pub fn check(&self) -> Result<()> {
        let plain = |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || "-._:[]".contains(c));
        if self.host.is_empty() || self.host.len() > 255 || !plain(&self.host) {
            return Err(invalid("host", "the mail server is a host name or an IP address"));
        }
        if self.port == 0 {
            return Err(invalid("port", "the port of the mail server is a number from 1 to 65535"));
        }
        check_address("from_email", &self.from_email)?;
        for (field, text) in [("username", &self.username), ("from_name", &self.from_name)] {
            if text.as_ref().is_some_and(|text| text.len() > 255 || text.chars().any(char::is_control)) {
                return Err(invalid(field, "it is at most 255 bytes, without control characters"));
            }
        }
        if self.ca_pem.as_ref().is_some_and(|pem| pem.len() > 256 * 1024) {
            return Err(invalid("ca_pem", "the certificates are at most 256 KiB"));
        }
        if self.username.is_some() && self.security == SmtpSecurity::None {
            let message = "a password is not sent over a plain connection; use starttls or tls, or leave the user name out";
            return Err(invalid("username", message));
        }
        Ok(())
    }
}

/// What a user wants to be told of the own runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Preferences {
    /// Whether by mail.
    pub email_enabled: bool,
    /// Where; none means the address of the account.
    pub email_address: Option<String>,
    /// Whether by webhook.
    pub webhook_enabled: bool,
    /// Where.
    pub webhook_url: Option<String>,
    /// Whether of runs that succeed.
    pub notify_on_success: bool,
    /// Whether of runs that do not.
    pub notify_on_failure: bool,
}

impl Default for Preferences {
    fn default() -> Self {
        Self {
            email_enabled: true,
            email_address: None,
            webhook_enabled: false,
            webhook_url: None,
            notify_on_success: true,
            notify_on_failure: true,
        }
    }
}

impl Preferences {
    /// Refuses what cannot work.
    ///
    /// # Errors
    ///
    /// `InvalidInput`, naming the member.
    pub fn check(&self) -> Result<()> {
        if let Some(address) = &self.email_address {
            check_address("email_address", address)?;
        }
        match &self.webhook_url {
            Some(url) => check_url("webhook_url", url),
            None if self.webhook_enabled => {
                Err(invalid("webhook_url", "to be told by webhook takes the URL of one"))
            }
            None => Ok(()),
        }
    }

    /// Whom to tell of a run of a user with this address; by mail only where the tenant has a server for it.
    pub fn notices(&self, address: &str, has_mail: bool) -> Vec<PlannedNotice> {
        let on = match (self.notify_on_success, self.notify_on_failure) {
            (true, true) => NotifyOn::Always,
            (true, false) => NotifyOn::Success,
            (false, true) => NotifyOn::Failure,
            (false, false) => return Vec::new(),
        };
        let mut notices = Vec::new();
        if self.email_enabled && has_mail {
            let dest = self.email_address.clone().unwrap_or_else(|| address.to_owned());
            notices.push(PlannedNotice { on, channel: Channel::Email, dest, template: None });
        }
        if let Some(url) = self.webhook_url.clone().filter(|_| self.webhook_enabled) {
            notices.push(PlannedNotice { on, channel: Channel::Webhook, dest: url, template: None });
        }
        notices
    }
}

/// Refuses what is no mail address that may stand in a header.
///
/// # Errors
///
/// `InvalidInput`, naming `field`.
pub fn check_address(field: &'static str, address: &str) -> Result<()> {
    let whole = address.len() <= 254
        && !address.chars().any(|c| c.is_control() || c.is_whitespace() || "<>(),;:\\\"[]".contains(c));
    match address.rsplit_once('@') {
        Some((name, domain)) if whole && !name.is_empty() && !domain.is_empty() && !name.contains('@') => {
            Ok(())
        }
        _ => Err(invalid(field, "this is no mail address; write one such as ops@example.com")),
    }
}

/// Refuses what is no URL that a webhook may go to. Which addresses may be reached is judged when it is sent.
///
/// # Errors
///
/// `InvalidInput`, naming `field`.
pub fn check_url(field: &'static str, url: &str) -> Result<()> {
    let refuse = |why: &str| Err(invalid(field, &format!("the URL of a webhook {why}")));
    if url.len() > DEST_BYTES_MAX {
        return refuse("is at most 2048 bytes long");
    }
    if url.chars().any(|c| !c.is_ascii_graphic()) {
        return refuse("is written in ASCII, without spaces; percent-encode the rest");
    }
    let Some(rest) = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://")) else {
        return refuse("begins with https:// or http://");
    };
    let authority = &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())];
    if authority.is_empty() || authority.starts_with(':') {
        return refuse("names a host");
    }
    if authority.contains('@') {
        return refuse("names no user and no password: requests are signed instead");
    }
    if rest.contains('#') {
        return refuse("has no fragment");
    }
    Ok(())
}

fn invalid(field: &'static str, message: &str) -> Error {
    Error::new(ErrorKind::InvalidInput, message.to_owned()).with("field", field)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_would_make_another_header_is_none() {
        for good in ["ops@example.com", "a.b+c@xn--e1afmkfd.example", "o'brien@example.com"] {
            assert!(check_address("dest", good).is_ok(), "{good}");
        }
        for bad in ["", "ops", "@b", "a@", "a b@c", "a@b\r\nBcc: x@y", "<a@b>", "a@b,c@d", "a@b@c"] {
            assert!(check_address("dest", bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_url_has_a_scheme_and_a_host_and_no_account() {
        for good in ["https://hooks.example.com/a?b=c", "http://127.0.0.1:8080", "https://[::1]/x"] {
            assert!(check_url("dest", good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "ftp://a",
            "https://",
            "https:///x",
            "https://u:p@a/",
            "https://a/ b",
            "https://a/#f",
            "https://:1/",
        ] {
            assert!(check_url("dest", bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn who_asked_is_told_by_mail_unless_they_say_otherwise() {
        let told = Preferences::default().notices("ann@example.com", true);
        assert_eq!(told.len(), 1);
        assert_eq!((told[0].on, told[0].dest.as_str()), (NotifyOn::Always, "ann@example.com"));
        assert!(Preferences::default().notices("ann@example.com", false).is_empty());
        let url = Some("https://a/".to_owned());
        let hook = Preferences {
            email_enabled: false,
            webhook_enabled: true,
            webhook_url: url,
            notify_on_success: false,
            ..Preferences::default()
        };
        let told = hook.notices("ann@example.com", true);
        assert_eq!((told[0].on, told[0].channel), (NotifyOn::Failure, Channel::Webhook));
    }
}

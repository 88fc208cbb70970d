//! Mail, by SMTP.

use std::{error::Error as _, time::Duration};

use async_trait::async_trait;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use lettre::{
    Address, AsyncSmtpTransport, AsyncTransport, Message as Mail, Tokio1Executor,
    message::{Mailbox, MultiPart},
    transport::smtp::{
        authentication::Credentials,
        client::{Certificate, Tls, TlsParameters},
    },
};
use zeroize::Zeroizing;

use super::{Channel, Delivered, Delivery, Means, Notifier, SmtpSecurity, SmtpSettings};
use crate::{Error, ErrorKind, Result, Secret};

/// The longest that a server may take for one step of the conversation.
const STEP_MAX: Duration = Duration::from_secs(15);

/// Delivers mails through the mail server of the tenant.
///
/// The server is what an admin of the tenant set, and may well be in a private network: no address is refused.
#[derive(Debug, Clone, Copy, Default)]
pub struct EmailNotifier;

impl EmailNotifier {
    /// One that makes a connection for each mail.
    pub fn new() -> Self {
        Self
    }

    async fn attempt(&self, delivery: &Delivery) -> Result<Delivered> {
        let Means::Smtp(settings, password) = &delivery.means else {
            return Err(Error::new(ErrorKind::InvalidInput, "a mail takes a mail server"));
        };
        let mail = mail(settings, delivery)?;
        let transport = transport(settings, password.as_ref())?;
        Ok(match transport.send(mail).await {
            Ok(_) => Delivered::Sent,
            // The server says that it will never take it, not that it does not let us in.
            Err(error) if error.is_permanent() && !is_about_login(&error) => Delivered::Never {
                reason: format!("the mail server refused: {}", said(&error, settings, password.as_ref())),
            },
            Err(error) => Delivered::Later { reason: said(&error, settings, password.as_ref()), after: None },
        })
    }
}

#[async_trait]
impl Notifier for EmailNotifier {
    fn channel(&self) -> Channel {
        Channel::Email
    }

    async fn deliver(&self, delivery: &Delivery) -> Delivered {
        self.attempt(delivery).await.unwrap_or_else(|error| Delivered::Never { reason: error.to_string() })
    }
}

fn mail(settings: &SmtpSettings, delivery: &Delivery) -> Result<Mail> {
    let invalid =
        |what: &'static str| Error::new(ErrorKind::InvalidInput, format!("{what} is no mail address"));
    let from: Address = settings.from_email.parse().map_err(|_| invalid("from_email"))?;
    let to: Address = delivery.dest.parse().map_err(|_| invalid("dest"))?;
    // The same with each attempt: mail systems that see it twice may show it once.
    let id = format!("<{}.{}@{}>", delivery.message_id(), delivery.tenant, from.domain());
    Mail::builder()
        .from(Mailbox::new(settings.from_name.clone(), from))
        .to(Mailbox::new(None, to))
        .subject(delivery.message.subject())
        .message_id(Some(id))
        .date(delivery.at.into())
        .multipart(MultiPart::alternative_plain_html(delivery.message.text(), delivery.message.html()))
        .map_err(|error| Error::new(ErrorKind::InvalidInput, "the mail cannot be written").with_source(error))
}

fn transport(
    settings: &SmtpSettings,
    password: Option<&Secret<String>>,
) -> Result<AsyncSmtpTransport<Tokio1Executor>> {
    let tls = || -> Result<TlsParameters> {
        let unusable = |field| {
            move |error| {
                let message = "TLS cannot be set up for the mail server";
                Error::new(ErrorKind::InvalidInput, message).with("field", field).with_source(error)
            }
        };
        let mut parameters = TlsParameters::builder(settings.host.clone());
        if let Some(pem) = &settings.ca_pem {
            let own = Certificate::from_pem(pem.as_bytes()).map_err(unusable("ca_pem"))?;
            parameters = parameters.add_root_certificate(own);
        }
        parameters.build_rustls().map_err(unusable("host"))
    };
    let tls = match settings.security {
        SmtpSecurity::Tls => Tls::Wrapper(tls()?),
        SmtpSecurity::Starttls => Tls::Required(tls()?),
        SmtpSecurity::None => Tls::None,
    };
    let builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&settings.host)
        .port(settings.port)
        .tls(tls)
        .timeout(Some(STEP_MAX));
    // Over a plain connection no password goes, whatever was stored.
    Ok(match (&settings.username, password, settings.security) {
        (Some(_), _, SmtpSecurity::None) | (None, ..) | (_, None, _) => builder.build(),
        (Some(name), Some(password), _) => {
            builder.credentials(Credentials::new(name.clone(), password.expose().clone())).build()
        }
    })
}

/// 530, 534, 535, 538: whoever mends the account mends these.
fn is_about_login(error: &lettre::transport::smtp::Error) -> bool {
    error.status().is_some_and(|code| matches!(u16::from(code), 530 | 534 | 535 | 538))
}

/// What went wrong. A server that repeats what it was logged in with is not quoted.
fn said(
    error: &lettre::transport::smtp::Error,
    settings: &SmtpSettings,
    password: Option<&Secret<String>>,
) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    let shows = password.is_some_and(|password| {
        let user = settings.username.as_deref().unwrap_or_default();
        let plain = Zeroizing::new(format!("\0{user}\0{}", password.expose()));
        let forms = [
            password.expose().clone(),
            STANDARD.encode(password.expose()),
            STANDARD.encode(plain.as_bytes()),
        ];
        forms.map(Zeroizing::new).iter().any(|form| text.contains(form.as_str()))
    });
    if shows { "the mail server refused, and repeats the password in its answer".to_owned() } else { text }
}

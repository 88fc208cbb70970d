//! Notifications: who is told when a run ends, by email or by webhook.
//!
//! What is to be told of a run is decided when it is enqueued ([`PlanNotices`], a part of its plan), so that a run nobody is told
//! of costs nothing more. When the run ends, its notifications are written in the transaction that ends it ([`outbox`]): they are
//! there if, and only if, the end is. Workers claim what is due, deliver it through a [`Notifier`] and record what came of that;
//! a worker that dies in between leaves the notification to another one, with the same id, so that a receiver can tell a repeat.

mod backoff;
#[cfg(feature = "email")]
mod email;
mod message;
pub mod outbox;
mod rule;
mod settings;
pub mod signature;

use std::{fmt, time::Duration};

use async_trait::async_trait;
use serde_json::Value;

pub use backoff::{ATTEMPTS_MAX, RETRY_AFTER_MAX, wait_after};
#[cfg(feature = "email")]
pub use email::EmailNotifier;
pub use message::Message;
pub use rule::{NotifyOn, PlanNotices, PlannedNotice, RULES_MAX, Rule};
pub use settings::{Preferences, SmtpSecurity, SmtpSettings, check_address, check_url};

use crate::{
    Error, ErrorKind, Result, Secret,
    clock::Timestamp,
    id::{NotificationId, RunId, TenantId},
};

/// Longest payload of a notification, as JSON.
pub const PAYLOAD_BYTES_MAX: usize = 64 * 1024;

/// Longest address or URL.
pub const DEST_BYTES_MAX: usize = 2_048;

/// A type with a few values that are written as words.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident, $what:literal { $($(#[$of:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, ::serde::Serialize, ::serde::Deserialize)]
        #[serde(rename_all = "snake_case")]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$of])* $variant,)+
        }

        impl $name {
            /// Every value.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The word for it.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = crate::Error;

            fn from_str(text: &str) -> crate::Result<Self> {
                Self::ALL.iter().copied().find(|value| value.as_str() == text).ok_or_else(|| {
                    let words: Vec<_> = Self::ALL.iter().map(|value| value.as_str()).collect();
                    let message = format!("{} is one of {}", $what, words.join(", "));
                    crate::Error::new(crate::ErrorKind::InvalidInput, message).with("given", text)
                })
            }
        }
    };
}
pub(crate) use words;

words! {
    /// How somebody is told.
    Channel, "the channel of a notification" {
        /// A mail.
        Email = "email",
        /// A signed HTTP request.
        Webhook = "webhook",
    }
}

words! {
    /// What has become of a notification.
    NotificationStatus, "the status of a notification" {
        /// It waits for its first or next attempt.
        Pending = "pending",
        /// It was taken.
        Sent = "sent",
        /// It was given up; see [`Notification::error`].
        Failed = "failed",
    }
}

/// A notification.
#[derive(Debug, Clone, PartialEq)]
pub struct Notification {
    /// Its id.
    pub id: NotificationId,
    /// The run that it tells of.
    pub run: RunId,
    /// How.
    pub channel: Channel,
    /// To whom: an address, or a URL.
    pub dest: String,
    /// What it tells.
    pub payload: Value,
    /// What has become of it.
    pub status: NotificationStatus,
    /// When it was taken.
    pub sent_at: Option<Timestamp>,
    /// How many attempts have failed.
    pub retries: u32,
    /// Why the last one did.
    pub error: Option<String>,
    /// When it is tried next, while it is pending.
    pub due_at: Timestamp,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A notification to be stored.
#[derive(Debug, Clone, PartialEq)]
pub struct NewNotification {
    /// The run that it tells of.
    pub run: RunId,
    /// How.
    pub channel: Channel,
    /// To whom.
    pub dest: String,
    /// What it tells.
    pub payload: Value,
    /// What makes the body of a webhook of the payload; none sends the payload as it is.
    pub template: Option<String>,
}

impl NewNotification {
    /// Refuses what cannot be delivered by anyone.
    ///
    /// # Errors
    ///
    /// `InvalidInput`, naming the member.
    pub fn check(&self) -> Result<()> {
        let invalid = |field: &'static str, message: String| {
            Err(Error::new(ErrorKind::InvalidInput, message).with("field", field))
        };
        match self.channel {
            Channel::Email => check_address("dest", &self.dest)?,
            Channel::Webhook => check_url("dest", &self.dest)?,
        }
        if !self.payload.is_object() {
            return invalid("payload", "the payload of a notification is an object".to_owned());
        }
        if self.payload.to_string().len() > PAYLOAD_BYTES_MAX {
            let message =
                format!("the payload of a notification is at most {PAYLOAD_BYTES_MAX} bytes of JSON");
            return invalid("payload", message);
        }
        Ok(())
    }
}

/// A notification that is to be delivered now.
#[derive(Debug)]
pub struct Delivery {
    /// The tenant.
    pub tenant: TenantId,
    /// The notification; the same with each attempt.
    pub id: NotificationId,
    /// Which attempt it is, from 1 on.
    pub attempt: u32,
    /// To whom.
    pub dest: String,
    /// What to tell.
    pub message: Message,
    /// When the attempt is made.
    pub at: Timestamp,
    /// What it takes to deliver it.
    pub means: Means,
}

impl Delivery {
    /// What receivers tell a repeat by: the same with each attempt, and no other notification's.
    pub fn message_id(&self) -> String {
        format!("msg_{}", self.id)
    }
}

/// What it takes to deliver a notification.
#[derive(Debug)]
#[non_exhaustive]
pub enum Means {
    /// The tenant's mail server, with the password for it.
    Smtp(SmtpSettings, Option<Secret<String>>),
    /// The secrets that a webhook is signed with, the present one first.
    Webhook(Vec<Secret<String>>),
}

/// How an attempt went.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Delivered {
    /// It was taken.
    Sent,
    /// It was not, and may be another time: not before so long, if the receiver said when.
    Later {
        /// Why, without secrets.
        reason: String,
        /// How long the receiver asked to wait.
        after: Option<Duration>,
    },
    /// It was not, and will not be.
    Never {
        /// Why, without secrets.
        reason: String,
    },
}

/// Delivers notifications of one channel. Each attempt ends within [`ATTEMPT_MAX`], whatever the other side does.
#[async_trait]
pub trait Notifier: fmt::Debug + Send + Sync {
    /// The channel.
    fn channel(&self) -> Channel;

    /// Makes one attempt. Errors are answers too: what is not known to be for good is tried again.
    async fn deliver(&self, delivery: &Delivery) -> Delivered;
}

/// The longest an attempt may take.
pub const ATTEMPT_MAX: Duration = Duration::from_secs(30);

/// What an attempt leaves behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settlement {
    /// It was taken.
    Sent,
    /// It is tried again after so long.
    Again(Duration, String),
    /// It is given up.
    Failed(String),
}

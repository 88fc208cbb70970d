//! The deliverer: takes notifications that are due to whom they are for.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{task::JoinSet, time::timeout};
use tokio_util::sync::CancellationToken;

use super::Inner;
use crate::{
    Error, ErrorKind, Result, Secret,
    clock::Timestamp,
    id::TenantId,
    notify::{
        ATTEMPT_MAX, ATTEMPTS_MAX, Channel, Delivered, Delivery, Means, Message, Notifier, Settlement,
        signature, wait_after,
    },
    store::{ClaimedNotification, NewSecret, NotificationSecret, SecretPurpose, SettingsChange},
    vault::RecordContext,
};

/// How often it looks for notifications that are due.
const CHECK_EVERY: Duration = Duration::from_secs(1);

/// How many are on their way at once: one that hangs holds up no other.
const AT_ONCE_MAX: usize = 16;

/// How long a claim is good: an attempt and what is around it, with room to spare.
const LEASE: Duration = Duration::from_secs(120);

/// The longest reason that is stored.
const REASON_CHARS_MAX: usize = 500;

/// The ways to deliver of an engine.
pub(crate) struct Notifiers {
    all: Vec<Arc<dyn Notifier>>,
    pub(super) keep: Duration,
    last_check: Mutex<Option<Timestamp>>,
}

impl Notifiers {
    pub(super) fn new(all: Vec<Arc<dyn Notifier>>, keep: Duration) -> Result<Self> {
        for (index, notifier) in all.iter().enumerate() {
            if all[..index].iter().any(|other| other.channel() == notifier.channel()) {
                let message = format!("there are two notifiers for {}", notifier.channel());
                return Err(Error::new(ErrorKind::Conflict, message));
            }
        }
        Ok(Self { all, keep, last_check: Mutex::default() })
    }

    /// The one for a channel.
    pub(super) fn of(&self, channel: Channel) -> Option<&Arc<dyn Notifier>> {
        self.all.iter().find(|notifier| notifier.channel() == channel)
    }

    /// When this process looked last.
    pub(super) fn last_check(&self) -> Option<Timestamp> {
        *self.last_check.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Delivers until `closing`, and what is on its way then.
pub(super) async fn watch(inner: Arc<Inner>, closing: CancellationToken) {
    let channels: Vec<Channel> = inner.notifiers.all.iter().map(|notifier| notifier.channel()).collect();
    if channels.is_empty() {
        return;
    }
    let mut under_way = JoinSet::new();
    while !closing.is_cancelled() {
        while under_way.try_join_next().is_some() {}
        let room = AT_ONCE_MAX - under_way.len();
        let claimed = match room {
            0 => Vec::new(),
            room => claim(&inner, &channels, room).await,
        };
        let is_full = !claimed.is_empty() && claimed.len() == room;
        for claimed in claimed {
            let inner = Arc::clone(&inner);
            under_way.spawn(async move { attend(&inner, claimed).await });
        }
        tokio::select! {
            () = closing.cancelled() => {}
            () = inner.clock.sleep(CHECK_EVERY), if !is_full => {}
            _ = under_way.join_next(), if is_full => {}
        }
    }
    let rest = async { while under_way.join_next().await.is_some() {} };
    // What is not done then is due again when its claim ends.
    let _ = timeout(ATTEMPT_MAX, rest).await;
}

async fn claim(inner: &Inner, channels: &[Channel], room: usize) -> Vec<ClaimedNotification> {
    match inner.store.claim_notifications(channels, room, LEASE).await {
        Ok(claimed) => {
            let now = inner.clock.now();
            *inner.notifiers.last_check.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
            claimed
        }
        Err(error) => {
            tracing::warn!(error = %error.report(), "notifications that are due could not be seen");
            Vec::new()
        }
    }
}

/// Makes one attempt and records what came of it.
async fn attend(inner: &Inner, claimed: ClaimedNotification) {
    let (id, attempt, tenant) = (claimed.notification.id, claimed.attempt, claimed.tenant);
    let channel = claimed.notification.channel;
    let delivered = deliver(inner, claimed).await;
    let settlement = match delivered {
        Delivered::Sent => Settlement::Sent,
        Delivered::Later { reason, after } if attempt < ATTEMPTS_MAX => {
            Settlement::Again(wait_after(attempt, after), short(&reason))
        }
        Delivered::Later { reason, .. } => {
            Settlement::Failed(short(&format!("given up after {attempt} attempts: {reason}")))
        }
        Delivered::Never { reason } => Settlement::Failed(short(&reason)),
    };
    match &settlement {
        Settlement::Sent => {
            tracing::info!(%tenant, notification = %id, %channel, attempt, "notification sent")
        }
        Settlement::Again(wait, reason) => {
            tracing::info!(%tenant, notification = %id, %channel, attempt, ?wait, reason, "notification not taken yet");
        }
        Settlement::Failed(reason) => {
            tracing::warn!(%tenant, notification = %id, %channel, attempt, reason, "notification given up");
        }
    }
    if let Err(error) = inner.store.settle_notification(id, attempt, settlement).await {
        // It is tried again when its claim ends: twice rather than never.
        tracing::warn!(error = %error.report(), notification = %id, "what came of a notification was not recorded");
    }
}

async fn deliver(inner: &Inner, claimed: ClaimedNotification) -> Delivered {
    let later = |reason: String| Delivered::Later { reason, after: None };
    let ClaimedNotification { tenant, notification, template, attempt } = claimed;
    let Some(notifier) = inner.notifiers.of(notification.channel) else {
        return later("this worker has no way to deliver it".to_owned());
    };
    let means = match means(inner, tenant, notification.channel).await {
        Ok(means) => means,
        Err(error) => return later(error.to_string()),
    };
    let delivery = Delivery {
        tenant,
        id: notification.id,
        attempt,
        dest: notification.dest,
        message: Message::new(notification.payload, template),
        at: inner.clock.now(),
        means,
    };
    let attempt = timeout(ATTEMPT_MAX, notifier.deliver(&delivery)).await;
    attempt.unwrap_or_else(|_| later(format!("it took longer than {} s", ATTEMPT_MAX.as_secs())))
}

fn short(reason: &str) -> String {
    reason.chars().take(REASON_CHARS_MAX).collect()
}

/// What it takes to deliver something for a tenant.
pub(super) async fn means(inner: &Inner, tenant: TenantId, channel: Channel) -> Result<Means> {
    match channel {
        Channel::Email => {
            let settings = inner.store.notification_settings(tenant).await?.smtp.ok_or_else(|| {
                Error::new(ErrorKind::InvalidInput, "the tenant has no mail server; an admin sets it")
            })?;
            let mut passwords = open(inner, tenant, SecretPurpose::Smtp).await?;
            Ok(Means::Smtp(settings, passwords.pop()))
        }
        Channel::Webhook => Ok(Means::Webhook(webhook_secrets(inner, tenant).await?)),
    }
}

/// The secrets that webhooks are signed with, the present one first; the first is made when it is needed.
pub(super) async fn webhook_secrets(inner: &Inner, tenant: TenantId) -> Result<Vec<Secret<String>>> {
    let found = open(inner, tenant, SecretPurpose::Webhook).await?;
    if !found.is_empty() {
        return Ok(found);
    }
    let new = seal(inner, tenant, SecretPurpose::Webhook, &signature::generate()?).await?;
    // Whoever makes one at the same moment makes the other a former one: both sign for a while.
    let change = SettingsChange::WebhookSecret(new, FORMER_SECRET_LIFE);
    inner.store.change_notification_settings(tenant, change).await?;
    open(inner, tenant, SecretPurpose::Webhook).await
}

/// How long a secret of webhooks is good after another has taken its place.
pub(super) const FORMER_SECRET_LIFE: Duration = Duration::from_secs(24 * 3_600);

async fn open(inner: &Inner, tenant: TenantId, purpose: SecretPurpose) -> Result<Vec<Secret<String>>> {
    let secrets = inner.store.notification_secrets(tenant).await?;
    let mut opened = Vec::new();
    for secret in secrets.iter().filter(|secret| secret.purpose == purpose) {
        opened.push(open_one(inner, tenant, secret).await?);
    }
    Ok(opened)
}

async fn open_one(inner: &Inner, tenant: TenantId, secret: &NotificationSecret) -> Result<Secret<String>> {
    let plain = inner.vault.open(&secret.context(tenant), &secret.sealed).await?;
    let text = std::str::from_utf8(plain.expose())
        .map_err(|_| Error::new(ErrorKind::Vault, "a secret of notifications is not what was sealed"))?;
    Ok(Secret::from(text))
}

/// Seals a secret under an id of its own.
pub(super) async fn seal(
    inner: &Inner,
    tenant: TenantId,
    purpose: SecretPurpose,
    secret: &Secret<String>,
) -> Result<NewSecret> {
    let id = uuid::Uuid::now_v7().to_string();
    let place = RecordContext::notification_secret(tenant, &id, purpose.as_str());
    let sealed = inner.vault.seal(&place, secret.expose().as_bytes()).await?;
    Ok(NewSecret { id, sealed })
}

//! Who is told.

/// Implements [`Notifications`](opsconductor_core::store::Notifications) for a type whose field `inner` is a store.
#[macro_export]
macro_rules! pass_notifications_through {
    ($wrapper:ty) => {
        const _: () = {
            use ::opsconductor_core::{
                Result,
                id::{NotificationId, TenantId, UserId},
                notify::{Channel, NewNotification, Notification, Preferences, Settlement},
                store::{
                    ClaimedNotification, Listing, NotificationCounts, NotificationFilter, NotificationSecret,
                    NotificationSettings, Notifications, Page, SettingsChange,
                },
            };

            #[::async_trait::async_trait]
            impl Notifications for $wrapper {
                async fn insert_notification(
                    &self,
                    tenant: TenantId,
                    new: NewNotification,
                ) -> Result<Notification> {
                    self.inner.insert_notification(tenant, new).await
                }

                async fn notification(&self, tenant: TenantId, id: NotificationId) -> Result<Notification> {
                    self.inner.notification(tenant, id).await
                }

                async fn list_notifications(
                    &self,
                    tenant: TenantId,
                    filter: NotificationFilter,
                    page: Page,
                ) -> Result<Listing<Notification>> {
                    self.inner.list_notifications(tenant, filter, page).await
                }

                async fn redrive_notification(
                    &self,
                    tenant: TenantId,
                    id: NotificationId,
                ) -> Result<Notification> {
                    self.inner.redrive_notification(tenant, id).await
                }

                async fn claim_notifications(
                    &self,
                    channels: &[Channel],
                    limit: usize,
                    lease: ::std::time::Duration,
                ) -> Result<Vec<ClaimedNotification>> {
                    self.inner.claim_notifications(channels, limit, lease).await
                }

                async fn settle_notification(
                    &self,
                    id: NotificationId,
                    attempt: u32,
                    settlement: Settlement,
                ) -> Result<bool> {
                    self.inner.settle_notification(id, attempt, settlement).await
                }

                async fn notification_counts(&self, tenant: TenantId) -> Result<NotificationCounts> {
                    self.inner.notification_counts(tenant).await
                }

                async fn remove_notifications(
                    &self,
                    age: ::std::time::Duration,
                    limit: usize,
                ) -> Result<u64> {
                    self.inner.remove_notifications(age, limit).await
                }

                async fn notification_settings(&self, tenant: TenantId) -> Result<NotificationSettings> {
                    self.inner.notification_settings(tenant).await
                }

                async fn change_notification_settings(
                    &self,
                    tenant: TenantId,
                    change: SettingsChange,
                ) -> Result<()> {
                    self.inner.change_notification_settings(tenant, change).await
                }

                async fn notification_secrets(&self, tenant: TenantId) -> Result<Vec<NotificationSecret>> {
                    self.inner.notification_secrets(tenant).await
                }

                async fn notification_preferences(
                    &self,
                    tenant: TenantId,
                    user: UserId,
                ) -> Result<Option<Preferences>> {
                    self.inner.notification_preferences(tenant, user).await
                }

                async fn set_notification_preferences(
                    &self,
                    tenant: TenantId,
                    user: UserId,
                    preferences: &Preferences,
                ) -> Result<()> {
                    self.inner.set_notification_preferences(tenant, user, preferences).await
                }
            }
        };
    };
}

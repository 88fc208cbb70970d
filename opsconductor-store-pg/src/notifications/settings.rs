//! What tenants say about notifications, and their secrets.

use opsconductor_core::{
    Error, ErrorKind,
    id::TenantId,
    store::{
        NewSecret, NotificationSecret, NotificationSettings, PasswordChange, SecretPurpose, SettingsChange,
    },
};
use sqlx::{PgConnection, postgres::PgRow};

use crate::{
    PgStore, columns,
    error::{DbResult, Failure, missing},
};

const GOOD: &str = "SELECT id, purpose, sealed, created_at, ends_at FROM :schema.notification_secrets
    WHERE tenant_id = $1 AND (ends_at IS NULL OR ends_at > coalesce($2::timestamptz, clock_timestamp()))
    ORDER BY ends_at IS NOT NULL, ends_at DESC, id";

pub(super) async fn read(store: &PgStore, tenant: TenantId) -> DbResult<NotificationSettings> {
    let mut tx = store.pools.read(tenant).await?;
    let sql = "SELECT smtp, rules, stopped FROM :schema.notification_settings WHERE tenant_id = $1";
    let found: Option<(Option<String>, Option<String>, bool)> =
        sqlx::query_as(store.statements.of(sql)).bind(tenant.get()).fetch_optional(&mut *tx).await?;
    tx.commit().await?;
    let Some((smtp, rules, stopped)) = found else { return Ok(NotificationSettings::default()) };
    Ok(NotificationSettings {
        smtp: smtp.as_deref().map(serde_json::from_str).transpose()?,
        rules: rules.as_deref().map(serde_json::from_str).transpose()?.unwrap_or_default(),
        stopped,
    })
}

pub(super) async fn secrets(store: &PgStore, tenant: TenantId) -> DbResult<Vec<NotificationSecret>> {
    let mut tx = store.pools.read(tenant).await?;
    let rows = sqlx::query(store.statements.of(GOOD))
        .bind(tenant.get())
        .bind(store.moment())
        .fetch_all(&mut *tx)
        .await?;
    tx.commit().await?;
    let read = |row: &PgRow| -> sqlx::Result<NotificationSecret> {
        Ok(NotificationSecret {
            id: columns::get(row, 0)?,
            purpose: columns::parsed(row, 1)?,
            sealed: columns::get(row, 2)?,
            created_at: columns::get(row, 3)?,
            ends_at: columns::get(row, 4)?,
        })
    };
    Ok(rows.iter().map(read).collect::<sqlx::Result<_>>()?)
}

pub(super) async fn change(store: &PgStore, tenant: TenantId, change: &SettingsChange) -> DbResult<()> {
    let mut tx = store.pools.write(tenant).await?;
    // The row is locked by whichever of the two writes it: changes come one after the other.
    let sql = "INSERT INTO :schema.notification_settings (tenant_id)
        SELECT id FROM :schema.tenants WHERE id = $1
        ON CONFLICT (tenant_id) DO UPDATE SET stopped = notification_settings.stopped";
    let there = sqlx::query(store.statements.of(sql)).bind(tenant.get()).execute(&mut *tx).await?;
    if there.rows_affected() == 0 {
        return Err(missing("tenant", tenant).into());
    }
    match change {
        SettingsChange::Smtp(smtp, password) => {
            let sql = "UPDATE :schema.notification_settings SET smtp = $2 WHERE tenant_id = $1";
            let smtp = columns::to_json(smtp)?;
            sqlx::query(store.statements.of(sql)).bind(tenant.get()).bind(smtp).execute(&mut *tx).await?;
            if *password != PasswordChange::Keep {
                let sql =
                    "DELETE FROM :schema.notification_secrets WHERE tenant_id = $1 AND purpose = 'smtp'";
                sqlx::query(store.statements.of(sql)).bind(tenant.get()).execute(&mut *tx).await?;
            }
            if let PasswordChange::Set(new) = password {
                keep(store, &mut tx, tenant, SecretPurpose::Smtp, new).await?;
            }
        }
        SettingsChange::Rules(rules) => {
            let sql = "UPDATE :schema.notification_settings SET rules = $2 WHERE tenant_id = $1";
            let rules = columns::to_json(rules)?;
            sqlx::query(store.statements.of(sql)).bind(tenant.get()).bind(rules).execute(&mut *tx).await?;
        }
        SettingsChange::Stopped(stopped) => {
            let sql = "UPDATE :schema.notification_settings SET stopped = $2 WHERE tenant_id = $1";
            sqlx::query(store.statements.of(sql)).bind(tenant.get()).bind(stopped).execute(&mut *tx).await?;
        }
        SettingsChange::WebhookSecret(new, former_life) => {
            let sql = "DELETE FROM :schema.notification_secrets
                WHERE tenant_id = $1 AND ends_at <= coalesce($2::timestamptz, clock_timestamp())";
            let gone = sqlx::query(store.statements.of(sql)).bind(tenant.get()).bind(store.moment());
            gone.execute(&mut *tx).await?;
            let sql = "UPDATE :schema.notification_secrets
                SET ends_at = coalesce($2::timestamptz, clock_timestamp()) + $3 * interval '1 microsecond'
                WHERE tenant_id = $1 AND purpose = 'webhook' AND ends_at IS NULL";
            sqlx::query(store.statements.of(sql))
                .bind(tenant.get())
                .bind(store.moment())
                .bind(columns::micros(*former_life))
                .execute(&mut *tx)
                .await?;
            keep(store, &mut tx, tenant, SecretPurpose::Webhook, new).await?;
        }
    }
    tx.commit().await
}

async fn keep(
    store: &PgStore,
    tx: &mut PgConnection,
    tenant: TenantId,
    purpose: SecretPurpose,
    new: &NewSecret,
) -> DbResult<()> {
    let sql = "INSERT INTO :schema.notification_secrets (id, tenant_id, purpose, sealed, created_at)
        VALUES ($1, $2, $3, $4, coalesce($5::timestamptz, clock_timestamp()))";
    let written = sqlx::query(store.statements.of(sql))
        .bind(&new.id)
        .bind(tenant.get())
        .bind(purpose.as_str())
        .bind(&new.sealed)
        .bind(store.moment())
        .execute(tx)
        .await;
    written.map(drop).map_err(|error| {
        let failure = Failure::from(error);
        match failure.constraint() {
            Some("notification_secrets_pkey") => {
                Error::new(ErrorKind::Conflict, "there is a secret with this id already").into()
            }
            _ => failure,
        }
    })
}

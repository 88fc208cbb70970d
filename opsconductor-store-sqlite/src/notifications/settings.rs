//! What tenants say about notifications, and their secrets.

use opsconductor_core::{
    Error, ErrorKind,
    id::TenantId,
    store::{
        NewSecret, NotificationSecret, NotificationSettings, PasswordChange, SecretPurpose, SettingsChange,
    },
};
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::{
    columns,
    error::{DbResult, missing},
    writer::Tx,
};

pub(super) fn read(db: &Connection, tenant: TenantId) -> DbResult<NotificationSettings> {
    let sql = "SELECT smtp, rules, stopped FROM notification_settings WHERE tenant_id = ?1";
    let read = |row: &Row<'_>| {
        Ok(NotificationSettings {
            smtp: columns::json_or_default(row, 0)?,
            rules: columns::json_or_default(row, 1)?,
            stopped: row.get(2)?,
        })
    };
    Ok(db.prepare_cached(sql)?.query_row([tenant.get()], read).optional()?.unwrap_or_default())
}

pub(super) fn secrets(db: &Connection, tenant: TenantId, now: i64) -> DbResult<Vec<NotificationSecret>> {
    let sql = "SELECT id, purpose, sealed, created_at, ends_at FROM notification_secrets
        WHERE tenant_id = ?1 AND (ends_at IS NULL OR ends_at > ?2) ORDER BY ends_at IS NOT NULL, ends_at DESC, id";
    let read = |row: &Row<'_>| {
        Ok(NotificationSecret {
            id: row.get(0)?,
            purpose: columns::parsed(row, 1)?,
            sealed: row.get(2)?,
            created_at: columns::time(row, 3)?,
            ends_at: columns::time_or_none(row, 4)?,
        })
    };
    let mut find = db.prepare_cached(sql)?;
    let rows = find.query_map([tenant.get(), now], read)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

pub(super) fn change(tx: &Tx<'_>, tenant: TenantId, change: &SettingsChange) -> DbResult<()> {
    if !tx.db.prepare_cached("SELECT 1 FROM tenants WHERE id = ?1")?.exists([tenant.get()])? {
        return Err(missing("tenant", tenant).into());
    }
    let sql = "INSERT INTO notification_settings (tenant_id) VALUES (?1) ON CONFLICT (tenant_id) DO NOTHING";
    tx.db.prepare_cached(sql)?.execute([tenant.get()])?;
    match change {
        SettingsChange::Smtp(smtp, password) => {
            let sql = "UPDATE notification_settings SET smtp = ?2 WHERE tenant_id = ?1";
            tx.db.prepare_cached(sql)?.execute(params![tenant.get(), columns::to_json(smtp)?])?;
            if *password != PasswordChange::Keep {
                let sql = "DELETE FROM notification_secrets WHERE tenant_id = ?1 AND purpose = 'smtp'";
                tx.db.prepare_cached(sql)?.execute([tenant.get()])?;
            }
            match password {
                PasswordChange::Set(new) => keep(tx, tenant, SecretPurpose::Smtp, new),
                _ => Ok(()),
            }
        }
        SettingsChange::Rules(rules) => {
            let sql = "UPDATE notification_settings SET rules = ?2 WHERE tenant_id = ?1";
            tx.db.prepare_cached(sql)?.execute(params![tenant.get(), columns::to_json(rules)?])?;
            Ok(())
        }
        SettingsChange::Stopped(stopped) => {
            let sql = "UPDATE notification_settings SET stopped = ?2 WHERE tenant_id = ?1";
            tx.db.prepare_cached(sql)?.execute(params![tenant.get(), stopped])?;
            Ok(())
        }
        SettingsChange::WebhookSecret(new, former_life) => {
            let sql = "DELETE FROM notification_secrets WHERE ends_at <= ?1";
            tx.db.prepare_cached(sql)?.execute([tx.now])?;
            let sql = "UPDATE notification_secrets SET ends_at = ?2
                WHERE tenant_id = ?1 AND purpose = 'webhook' AND ends_at IS NULL";
            tx.db.prepare_cached(sql)?.execute([tenant.get(), columns::after(tx.now, *former_life)])?;
            keep(tx, tenant, SecretPurpose::Webhook, new)
        }
    }
}

fn keep(tx: &Tx<'_>, tenant: TenantId, purpose: SecretPurpose, new: &NewSecret) -> DbResult<()> {
    if tx.db.prepare_cached("SELECT 1 FROM notification_secrets WHERE id = ?1")?.exists([&new.id])? {
        return Err(Error::new(ErrorKind::Conflict, "there is a secret with this id already").into());
    }
    let sql = "INSERT INTO notification_secrets (id, tenant_id, purpose, sealed, created_at) VALUES (?1, ?2, ?3, ?4, ?5)";
    let purpose = purpose.as_str();
    tx.db.prepare_cached(sql)?.execute(params![new.id, tenant.get(), purpose, new.sealed, tx.now])?;
    Ok(())
}

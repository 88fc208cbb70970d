//! Dead letters that a transaction writes.

use opsconductor_core::{clock::Timestamp, id::RunId, store::NewLetter};
use serde_json::Value;
use sqlx::{PgConnection, types::Json};

use super::lease::Held;
use crate::{PgStore, columns, error::DbResult};

/// Letters as columns.
#[derive(Default)]
pub(super) struct Letters {
    tenant: Vec<i64>,
    topic: Vec<&'static str>,
    payload: Vec<Json<Value>>,
    error: Vec<Option<String>>,
    run: Vec<i64>,
    task: Vec<i64>,
}

impl Letters {
    pub(super) fn push(&mut self, held: &Held, run: RunId, letter: NewLetter, error: Option<&str>) {
        let mut payload = letter.payload;
        columns::storable_json(&mut payload);
        self.tenant.push(held.tenant.get());
        self.topic.push(letter.topic);
        self.payload.push(Json(payload));
        self.error.push(error.map(|error| columns::storable(error).into_owned()));
        self.run.push(run.get());
        self.task.push(held.place.task.get());
    }

    pub(super) async fn write(&self, store: &PgStore, tx: &mut PgConnection, now: Timestamp) -> DbResult<()> {
        if self.task.is_empty() {
            return Ok(());
        }
        let sql = "INSERT INTO :schema.dlq (tenant_id, topic, payload, error, created_at, run_id, task_id)
            SELECT tenant_id, topic, payload, error, $1, run_id, task_id
            FROM unnest($2::bigint[], $3::text[], $4::jsonb[], $5::text[], $6::bigint[], $7::bigint[])
                AS letter (tenant_id, topic, payload, error, run_id, task_id)";
        sqlx::query(store.statements.of(sql))
            .bind(now)
            .bind(&self.tenant)
            .bind(&self.topic)
            .bind(&self.payload)
            .bind(&self.error)
            .bind(&self.run)
            .bind(&self.task)
            .execute(tx)
            .await?;
        Ok(())
    }
}

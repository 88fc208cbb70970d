//! [`Retention`] in SQLite.

use std::collections::BTreeSet;

use async_trait::async_trait;
use opsconductor_core::{
    Result,
    id::RunId,
    store::{Keep, Retention, retention::TASKS_AT_ONCE},
};
use rusqlite::{Row, params};

use crate::{SqliteStore, columns, error::DbResult, feed, writer::Tx};

#[async_trait]
impl Retention for SqliteStore {
    async fn remove_runs(&self, keep: &Keep, limit: usize) -> Result<u64> {
        let keep = *keep;
        self.writer.write(move |tx| remove(tx, &keep, limit)).await
    }
}

fn remove(tx: &mut Tx<'_>, keep: &Keep, limit: usize) -> DbResult<u64> {
    let mut beyond = BTreeSet::new();
    let limit = columns::count(limit);
    let read = |row: &Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?));
    if let Some(age) = keep.age {
        let sql =
            "SELECT finished_at, id FROM job_runs WHERE finished_at < ?1 ORDER BY finished_at, id LIMIT ?2";
        let last = tx.now.saturating_sub(columns::count(age.as_micros()));
        for row in tx.db.prepare_cached(sql)?.query_map([last, limit], read)? {
            beyond.insert(row?);
        }
    }
    if let Some(most) = keep.runs_per_job {
        // Of each job, the newest run that does not stay: a look at the index alone.
        let sql = "SELECT r.finished_at, r.id
            FROM (SELECT j.id AS job,
                      (SELECT x.id FROM job_runs AS x WHERE x.job_id = j.id AND x.finished_at IS NOT NULL
                       ORDER BY x.id DESC LIMIT 1 OFFSET ?1) AS last
                  FROM jobs AS j) AS beyond
            JOIN job_runs AS r ON r.job_id = beyond.job AND r.id <= beyond.last
            WHERE r.finished_at IS NOT NULL
            ORDER BY r.finished_at, r.id LIMIT ?2";
        for row in tx.db.prepare_cached(sql)?.query_map([i64::from(most), limit], read)? {
            beyond.insert(row?);
        }
    }
    let (mut removed, mut tasks) = (0, 0);
    for (_, run) in beyond.into_iter().take(usize::try_from(limit).unwrap_or(usize::MAX)) {
        let sql = "SELECT count(*) FROM job_run_steps WHERE job_run_id = ?1";
        tasks += tx.db.prepare_cached(sql)?.query_row([run], |row| row.get::<_, i64>(0))? as u64;
        if removed > 0 && tasks > TASKS_AT_ONCE {
            break;
        }
        // Everything else of a run goes with its row.
        tx.db.prepare_cached("DELETE FROM job_runs WHERE id = ?1")?.execute(params![run])?;
        tx.plans.forget(RunId::new(run));
        removed += 1;
    }
    if removed > 0 {
        feed::forget_gone(tx)?;
    }
    Ok(removed)
}

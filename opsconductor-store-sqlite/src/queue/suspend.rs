//! Tasks that wait for their time or for a person.

use opsconductor_core::{
    Error, ErrorKind,
    id::{RunId, TargetId, TaskId, TenantId},
    store::{Decision, Lease, Listing, Notice, Page, Question, Suspended, WaitsFor},
};
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::{
    columns,
    error::{DbResult, missing},
    events::{EventRow, Events, Place},
    history,
    writer::Tx,
};

/// From the columns `suspended, decision`, of which the first stands at `at`.
fn read(row: &Row<'_>, at: usize) -> rusqlite::Result<Option<Suspended>> {
    let Some(waits_for) = row.get::<_, Option<String>>(at)?.as_deref().and_then(WaitsFor::from_name) else {
        return Ok(None);
    };
    Ok(Some(Suspended { waits_for, decision: columns::json_or_default(row, at + 1)? }))
}

pub(super) fn suspended(db: &Connection, lease: &Lease) -> DbResult<Option<Suspended>> {
    let sql = "SELECT suspended, decision FROM queue
        WHERE task_id = ?1 AND run_id = ?2 AND epoch = ?3 AND worker = ?4 AND state = 'running'";
    let params = params![lease.task.get(), lease.run.get(), lease.epoch, lease.worker.to_string()];
    let found = db.prepare_cached(sql)?.query_row(params, |row| read(row, 0)).optional()?;
    Ok(found.ok_or_else(|| {
        Error::new(ErrorKind::LeaseLost, "the lease is held by someone else or has ended")
            .with("task", lease.task)
    })?)
}

const OPEN: &str =
    "tenant_id = ?1 AND state = 'queued' AND suspended IN ('approval', 'lost') AND decision IS NULL";

/// What the tasks of a tenant ask. A due time by the steady clock is so much less than by the wall clock.
pub(crate) fn questions(
    db: &Connection,
    tenant: TenantId,
    page: Page,
    behind: i64,
) -> DbResult<Listing<Question>> {
    let total: i64 = db
        .prepare_cached(&format!("SELECT count(*) FROM queue WHERE {OPEN}"))?
        .query_row([tenant.get()], |row| row.get(0))?;
    // What began to wait before this was kept has no words and the time of its start.
    let mut find = db.prepare_cached(&format!(
        "SELECT run_id, task_id, idx, target_id, suspended, coalesce(question, ''),
            coalesce(asked_at, started_at, 0) AS since, due_at
        FROM queue WHERE {OPEN} ORDER BY since DESC, task_id DESC LIMIT ?2 OFFSET ?3"
    ))?;
    let rows = find.query_map(params![tenant.get(), page.limit, columns::count(page.skip)], |row| {
        Ok(Question {
            run: RunId::new(row.get(0)?),
            task: TaskId::new(row.get(1)?),
            step: row.get(2)?,
            target: columns::target(row, 3)?,
            // The condition lets these two alone through.
            waits_for: match row.get::<_, String>(4)?.as_str() {
                "lost" => WaitsFor::Lost,
                _ => WaitsFor::Approval,
            },
            message: row.get(5)?,
            since: columns::time(row, 6)?,
            until: columns::moment(row.get::<_, i64>(7)?.saturating_add(behind)),
        })
    })?;
    Ok(Listing { items: rows.collect::<rusqlite::Result<_>>()?, total: total as u64 })
}

pub(super) fn decide(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    run: RunId,
    (step, target): (u32, Option<TargetId>),
    decision: &Decision,
) -> DbResult<()> {
    history::run(tx.db, tenant, run)?;
    let sql = "SELECT s.id, q.task_id, q.suspended, q.decision, q.state
        FROM job_run_steps AS s LEFT JOIN queue AS q ON q.task_id = s.id
        WHERE s.job_run_id = ?1 AND s.idx = ?2 AND s.target_id IS ?3";
    let params = params![run.get(), step, target.map(TargetId::get)];
    let found = tx.db.prepare_cached(sql)?.query_row(params, |row| {
        let state: Option<String> = row.get(4)?;
        Ok((TaskId::new(row.get(0)?), state, read(row, 2)?))
    });
    let (task, state, waits) = found.optional()?.ok_or_else(|| missing("task of the run", run))?;
    let state = state.ok_or_else(Suspended::ended)?;
    // One that a worker has claimed when its time was over is asked about no more.
    let open = waits.filter(|waits| state == "queued" || waits.decision.is_some());
    Suspended::check_open(open.as_ref())?;
    let sql = "UPDATE queue SET decision = ?2, due_at = ?3 WHERE task_id = ?1";
    tx.db.prepare_cached(sql)?.execute(params![task.get(), columns::to_json(decision)?, tx.steady])?;
    let place = Place { task, step, target };
    Events::default().push(tx, run, EventRow::requeued(place, &decision.sentence()))?;
    tx.notice(Notice::Ready);
    Ok(())
}

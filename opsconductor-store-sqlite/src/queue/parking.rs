//! Tasks that a limit holds back are parked at it, out of the way of those that may go, and come back when it has room.
//!
//! What holds after each request: a limit has as many ready tasks as it has room for, or nothing is parked there. So an end
//! lets one task go on, and so does a ready task that another limit keeps; a start lets none. A limit that only its rate keeps
//! shut knows when to wake those that are parked.

use std::collections::{BTreeMap, HashMap};

use opsconductor_core::{
    id::{CredentialId, JobId, RunId, TargetId},
    store::{Gate, Limit, LimitScope, Notice, Passage, Rate},
};
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::{columns, error::DbResult, writer::Tx};

/// What a task belongs to.
#[derive(Clone, Copy)]
pub(crate) struct Belongs {
    pub(crate) tenant: i64,
    job: i64,
    target: Option<i64>,
    credential: Option<i64>,
    run: i64,
}

impl Belongs {
    /// From the columns `tenant_id, job_id, target_id, credential_id, run_id`, of which the first stands at `at`.
    pub(super) fn read(row: &Row<'_>, at: usize) -> rusqlite::Result<Self> {
        Ok(Self {
            tenant: row.get(at)?,
            job: row.get(at + 1)?,
            target: row.get(at + 2)?,
            credential: row.get(at + 3)?,
            run: row.get(at + 4)?,
        })
    }

    fn scopes(self) -> impl Iterator<Item = LimitScope> {
        let target = self.target.map(TargetId::new);
        let credential = self.credential.map(CredentialId::new);
        LimitScope::of_task(RunId::new(self.run), JobId::new(self.job), target, credential)
    }
}

/// Whether anything is limited or paused at all.
pub(super) fn is_used(db: &Connection) -> DbResult<bool> {
    Ok(db.prepare_cached("SELECT EXISTS (SELECT 1 FROM limits)")?.query_row([], |row| row.get(0))?)
}

/// When a rate lets the first parked task go on.
pub(super) fn next_wake(db: &Connection) -> DbResult<Option<i64>> {
    let sql = "SELECT min(wake_at) FROM limits WHERE wake_at IS NOT NULL";
    Ok(db.prepare_cached(sql)?.query_row([], |row| row.get(0))?)
}

/// Lets one parked task go on at each limit of each of these tasks, which ended, went back or left the queue while they were
/// ready.
pub(super) fn freed(tx: &mut Tx<'_>, tasks: &[Belongs]) -> DbResult<()> {
    if tasks.is_empty() || !is_used(tx.db)? {
        return Ok(());
    }
    let mut parking = Parking::default();
    let mut owed: BTreeMap<usize, u32> = BTreeMap::new();
    for task in tasks {
        for lot in parking.lots_of(tx, *task)? {
            *owed.entry(lot).or_default() += 1;
        }
    }
    parking.settle_all(tx, owed)
}

/// Looks at every limit that holds something back. Nothing should be found: whatever makes room lets tasks go on in the same
/// transaction.
pub(crate) fn look_again(tx: &mut Tx<'_>) -> DbResult<()> {
    if !is_used(tx.db)? {
        return Ok(());
    }
    // From one limit with parked tasks to the next, without a look at the tasks.
    let sql = "SELECT parked_on FROM queue WHERE parked_on > ?1 ORDER BY parked_on LIMIT 1";
    let (mut parking, mut owed, mut last) = (Parking::default(), BTreeMap::new(), 0);
    while let Some(id) =
        tx.db.prepare_cached(sql)?.query_row([last], |row| row.get::<_, i64>(0)).optional()?
    {
        owed.extend(parking.lot_with_id(tx, id)?.map(|lot| (lot, 1)));
        last = id;
    }
    parking.settle_all(tx, owed)
}

/// Looks at one limit, after it was changed.
pub(crate) fn changed(tx: &mut Tx<'_>, id: i64) -> DbResult<()> {
    let mut parking = Parking::default();
    let lot = parking.lot_with_id(tx, id)?;
    parking.settle_all(tx, lot.map(|lot| (lot, u32::MAX)))
}

/// The limits that one request looks at, each read once.
#[derive(Default)]
pub(super) struct Parking {
    lots: Vec<Lot>,
    /// Which of the lots; none where nothing is limited.
    by_scope: HashMap<(i64, LimitScope), Option<usize>>,
}

/// A limit with the place for tasks that it holds back.
struct Lot {
    id: i64,
    gate: Gate,
    wake_at: Option<i64>,
    /// The start times and the wake-up as they stand in the row.
    written: (Option<i64>, Option<i64>),
}

const COLUMNS: &str =
    "id, tenant_id, kind, ref, running_max, rate_starts, rate_per, rate_burst, next_start, wake_at,
    paused_at IS NOT NULL";

impl Parking {
    /// The limits that a task is under.
    pub(super) fn lots_of(&mut self, tx: &Tx<'_>, task: Belongs) -> DbResult<Vec<usize>> {
        let mut lots = Vec::new();
        for scope in task.scopes() {
            let known = self.by_scope.get(&(task.tenant, scope)).copied();
            let lot = match known {
                Some(lot) => lot,
                None => {
                    let (kind, id) = scope.parts();
                    let sql = format!(
                        "SELECT {COLUMNS} FROM limits WHERE tenant_id = ?1 AND kind = ?2 AND ref = ?3"
                    );
                    let lot = self.load(tx, &sql, params![task.tenant, kind, id])?;
                    self.by_scope.insert((task.tenant, scope), lot);
                    lot
                }
            };
            lots.extend(lot);
        }
        Ok(lots)
    }

    /// The limit with this id, if it is there.
    fn lot_with_id(&mut self, tx: &Tx<'_>, id: i64) -> DbResult<Option<usize>> {
        if let Some(at) = self.lots.iter().position(|lot| lot.id == id) {
            return Ok(Some(at));
        }
        self.load(tx, &format!("SELECT {COLUMNS} FROM limits WHERE id = ?1"), [id])
    }

    fn load(&mut self, tx: &Tx<'_>, sql: &str, params: impl rusqlite::Params) -> DbResult<Option<usize>> {
        let found = tx.db.prepare_cached(sql)?.query_row(params, read).optional()?;
        let Some((mut lot, tenant, scope)) = found else { return Ok(None) };
        lot.gate.running = running(tx, tenant, scope)?;
        self.lots.push(lot);
        let at = self.lots.len() - 1;
        self.by_scope.insert((tenant, scope), Some(at));
        Ok(Some(at))
    }

    /// Whether a task under these limits may start, and which of them keeps it longest if not.
    pub(super) fn barrier(&self, tx: &Tx<'_>, on: &[usize]) -> Option<usize> {
        let mut barrier = None;
        let mut longest = Passage::Open;
        for lot in on {
            let passage = self.lots[*lot].gate.passage(tx.steady);
            if passage != longest && passage.longer(longest) == passage {
                (barrier, longest) = (Some(*lot), passage);
            }
        }
        barrier
    }

    /// Settles the limits whose rates have something to let go now.
    pub(super) fn wake_due(&mut self, tx: &Tx<'_>) -> DbResult<()> {
        let mut find = tx.db.prepare_cached("SELECT id FROM limits WHERE wake_at <= ?1")?;
        let due = find.query_map([tx.steady], |row| row.get(0))?.collect::<rusqlite::Result<Vec<i64>>>()?;
        for id in due {
            if let Some(lot) = self.lot_with_id(tx, id)? {
                self.settle(tx, lot, u32::MAX)?;
            }
        }
        Ok(())
    }

    fn settle_all(&mut self, tx: &mut Tx<'_>, owed: impl IntoIterator<Item = (usize, u32)>) -> DbResult<()> {
        let mut back = 0;
        for (lot, most) in owed {
            back += self.settle(tx, lot, most)?;
        }
        if back > 0 {
            tx.notice(Notice::Ready);
        }
        Ok(())
    }

    /// Takes note of a task that started under these limits.
    pub(super) fn started(&mut self, tx: &Tx<'_>, on: &[usize]) -> DbResult<()> {
        for lot in on {
            self.lots[*lot].gate.start(tx.steady);
            self.settle(tx, *lot, 0)?;
        }
        Ok(())
    }

    /// Parks a task at one of its limits. The room that it does not use at the others is for the next there.
    pub(super) fn park(&mut self, tx: &Tx<'_>, task: i64, on: &[usize], at: usize) -> DbResult<()> {
        let sql = "UPDATE queue SET parked_on = ?2 WHERE task_id = ?1";
        tx.db.prepare_cached(sql)?.execute(params![task, self.lots[at].id])?;
        for lot in on {
            self.settle(tx, *lot, u32::from(*lot != at))?;
        }
        Ok(())
    }

    /// Lets at most `most` parked tasks go on, no more than the limit has room for, the first in order; then says when it wants
    /// to be looked at again. Answers how many went.
    fn settle(&mut self, tx: &Tx<'_>, at: usize, most: u32) -> DbResult<usize> {
        let lot = &mut self.lots[at];
        let room = lot.gate.room(tx.steady).min(most);
        let back = if room > 0 { unpark(tx, lot.id, room)? } else { 0 };
        lot.wake_at = match lot.gate.passage(tx.steady) {
            Passage::From(moment) if has_parked(tx, lot.id)? => Some(moment),
            // Time made more room than tasks were let go for.
            Passage::Open if most == 0 && lot.gate.limit.rate.is_some() && has_parked(tx, lot.id)? => {
                Some(tx.steady)
            }
            _ => None,
        };
        let now = (lot.gate.next_start, lot.wake_at);
        if now != lot.written {
            let sql = "UPDATE limits SET next_start = ?2, wake_at = ?3 WHERE id = ?1";
            tx.db.prepare_cached(sql)?.execute(params![lot.id, now.0, now.1])?;
            lot.written = now;
        }
        Ok(back)
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<(Lot, i64, LimitScope)> {
    let (next_start, wake_at) = (row.get(8)?, row.get(9)?);
    let gate = Gate { limit: limit(row, 4)?, paused: row.get(10)?, running: 0, next_start };
    let lot = Lot { id: row.get(0)?, gate, wake_at, written: (next_start, wake_at) };
    Ok((lot, row.get(1)?, scope(row, 2)?))
}

/// A limit, from the columns `running_max, rate_starts, rate_per, rate_burst`, of which the first stands at `at`.
pub(crate) fn limit(row: &Row<'_>, at: usize) -> rusqlite::Result<Limit> {
    let rate = match row.get::<_, Option<u32>>(at + 1)? {
        Some(starts) => {
            let per = std::time::Duration::from_micros(row.get::<_, i64>(at + 2)?.unsigned_abs());
            Some(Rate { starts, per, burst: row.get(at + 3)? })
        }
        None => None,
    };
    Ok(Limit { running: row.get(at)?, rate })
}

/// A scope, from the columns `kind, ref`, of which the first stands at `at`.
pub(crate) fn scope(row: &Row<'_>, at: usize) -> rusqlite::Result<LimitScope> {
    let kind: String = row.get(at)?;
    // The column's CHECK knows no other kind.
    Ok(LimitScope::from_parts(&kind, row.get(at + 1)?).unwrap_or(LimitScope::Tenant))
}

/// The column of the queue that says whether a task is in a scope, and what it holds then.
pub(crate) fn column(tenant: i64, scope: LimitScope) -> (&'static str, i64) {
    match scope {
        LimitScope::Job(id) => ("job_id", id.get()),
        LimitScope::Target(id) => ("target_id", id.get()),
        LimitScope::Credential(id) => ("credential_id", id.get()),
        LimitScope::Run(id) => ("run_id", id.get()),
        _ => ("tenant_id", tenant),
    }
}

fn running(tx: &Tx<'_>, tenant: i64, scope: LimitScope) -> DbResult<u32> {
    let (column, id) = column(tenant, scope);
    let sql = format!("SELECT count(*) FROM queue WHERE limited = 1 AND {column} = ?1");
    Ok(tx.db.prepare_cached(&sql)?.query_row([id], |row| row.get(0))?)
}

fn has_parked(tx: &Tx<'_>, limit: i64) -> DbResult<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM queue WHERE parked_on = ?1)";
    Ok(tx.db.prepare_cached(sql)?.query_row([limit], |row| row.get(0))?)
}

/// Lets the first `room` tasks that are parked at a limit go on.
pub(crate) fn unpark(tx: &Tx<'_>, limit: i64, room: u32) -> DbResult<usize> {
    let sql = "UPDATE queue SET parked_on = NULL WHERE task_id IN (
            SELECT task_id FROM queue WHERE parked_on = ?1 ORDER BY priority DESC, due_at, task_id LIMIT ?2)";
    Ok(tx.db.prepare_cached(sql)?.execute(params![limit, columns::count(room)])?)
}

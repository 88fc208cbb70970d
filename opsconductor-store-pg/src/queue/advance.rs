//! Runs go on after tasks of them ended: what waited is released or aborted, and a run that is over ends.
//!
//! The rules are the core's and ask one thing at a time. A [`Draft`] answers them from memory: what is to be released is
//! noted, and what is to be aborted was read before; where it was not, the answer is no good, the rows of all runs are read
//! together, and the rules are asked again. Most batches abort nothing and read nothing.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap, HashSet},
};

use opsconductor_core::{
    Result,
    id::{RunId, TargetId, TaskId},
    run::{
        RunStatus, TaskStatus,
        advance::{self, Ledger, Waiting},
        plan::TaskKey,
    },
};
use sqlx::PgConnection;

use super::{
    ends::{Ends, Idle},
    runs::Locked,
};
use crate::{PgStore, columns, error::DbResult, events::Told, plans};

const WAITING: &str = include_str!("../../sql/waiting.sql");
pub(super) const RELEASE: &str = include_str!("../../sql/release.sql");

/// The waiting tasks that are meant: those of a step for a target, or all of the step. A step without targets is one task.
type Meant = (u32, Option<TargetId>);

fn meant(step: u32, which: Waiting) -> Meant {
    match which {
        Waiting::One(target) => (step, target),
        Waiting::All => (step, None),
    }
}

/// What happened to runs.
pub(super) struct Advanced {
    /// How runs ended.
    pub(super) over: BTreeMap<RunId, RunStatus>,
    /// Whether a task became ready.
    pub(super) ready: bool,
}

/// Takes note of the tasks that ended, carries out what follows, and says how runs ended that are over.
pub(super) async fn advance(
    store: &PgStore,
    tx: &mut PgConnection,
    locked: &mut Locked,
    ends: &mut Ends<'_>,
    finished: &BTreeMap<RunId, Vec<(TaskKey, TaskStatus)>>,
) -> DbResult<Advanced> {
    let plans = plans::of(store, tx, finished.keys().copied()).await?;
    let mut advanced = Advanced { over: BTreeMap::new(), ready: false };
    let mut known: HashMap<RunId, Known> = HashMap::new();
    let mut releases: BTreeMap<(RunId, Meant), i32> = BTreeMap::new();
    let mut open: Vec<RunId> = finished.keys().copied().collect();
    while !open.is_empty() {
        let mut unknown = Vec::new();
        for id in std::mem::take(&mut open) {
            let (Some(run), Some(plan)) = (locked.runs.get_mut(&id), plans.get(&id)) else { continue };
            let mut draft = Draft::new(known.entry(id).or_default());
            let (mut counters, canceled) = (run.counters.clone(), run.cancel_reason.is_some());
            let over = advance::advance(plan, &mut counters, &finished[&id], canceled, &mut draft)?;
            if !draft.unknown.is_empty() {
                unknown.extend(draft.unknown.into_iter().map(|meant| (id, meant)));
                open.push(id);
                continue;
            }
            run.counters = counters;
            for meant in draft.released {
                *releases.entry((id, meant)).or_default() += 1;
            }
            for (task, reason) in draft.aborted {
                ends.idle(&task, Cow::Owned(reason.clone()));
                locked.tell(
                    id,
                    Told::Finished { place: task.place, status: TaskStatus::Aborted, reason: Some(reason) },
                );
            }
            if let (Some(status), Some(run)) = (over, locked.runs.get_mut(&id)) {
                run.end(status);
                advanced.over.insert(id, status);
            }
        }
        look(store, tx, &mut known, unknown).await?;
    }
    // What is aborted leaves the queue before edges are taken off, so that no row is meant twice.
    ends.write(store, tx, locked.now).await?;
    advanced.ready = release(store, tx, &releases).await?;
    Ok(advanced)
}

/// Waiting tasks of a run, as far as they were read.
#[derive(Default)]
struct Known {
    read: HashSet<Meant>,
    tasks: BTreeMap<TaskId, Idle>,
}

/// What the rules said of one run.
struct Draft<'a> {
    known: &'a Known,
    gone: HashSet<TaskId>,
    released: Vec<Meant>,
    aborted: Vec<(Idle, String)>,
    unknown: Vec<Meant>,
}

impl<'a> Draft<'a> {
    fn new(known: &'a Known) -> Self {
        Self { known, gone: HashSet::new(), released: Vec::new(), aborted: Vec::new(), unknown: Vec::new() }
    }
}

impl Ledger for Draft<'_> {
    fn release(&mut self, step: u32, which: Waiting) -> Result<()> {
        self.released.push(meant(step, which));
        Ok(())
    }

    fn abort(&mut self, step: u32, which: Waiting, reason: &str) -> Result<u32> {
        let (step, target) = meant(step, which);
        if !self.known.read.contains(&(step, target)) && !self.known.read.contains(&(step, None)) {
            self.unknown.push((step, target));
            return Ok(0);
        }
        let mut count = 0;
        for task in self.known.tasks.values() {
            let wanted = task.place.step == step && (target.is_none() || task.place.target == target);
            if wanted && self.gone.insert(task.place.task) {
                self.aborted.push((task.clone(), reason.to_owned()));
                count += 1;
            }
        }
        Ok(count)
    }
}

/// Reads the waiting tasks that are meant.
async fn look(
    store: &PgStore,
    tx: &mut PgConnection,
    known: &mut HashMap<RunId, Known>,
    meant: Vec<(RunId, Meant)>,
) -> DbResult<()> {
    if meant.is_empty() {
        return Ok(());
    }
    let (mut runs, mut steps, mut targets) = (Vec::new(), Vec::new(), Vec::new());
    for (run, (step, target)) in &meant {
        runs.push(run.get());
        steps.push(columns::int(*step));
        targets.push(target.map(TargetId::get));
    }
    let rows = sqlx::query(store.statements.of(WAITING))
        .bind(&runs)
        .bind(&steps)
        .bind(&targets)
        .fetch_all(tx)
        .await?;
    for (run, meant) in meant {
        known.entry(run).or_default().read.insert(meant);
    }
    for row in rows {
        let task = Idle::read(&row)?;
        known.entry(task.run).or_default().tasks.insert(task.place.task, task);
    }
    Ok(())
}

/// Takes edges off waiting tasks; whether one became ready.
async fn release(
    store: &PgStore,
    tx: &mut PgConnection,
    releases: &BTreeMap<(RunId, Meant), i32>,
) -> DbResult<bool> {
    if releases.is_empty() {
        return Ok(false);
    }
    let (mut runs, mut steps, mut targets, mut edges) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for ((run, (step, target)), count) in releases {
        runs.push(run.get());
        steps.push(columns::int(*step));
        targets.push(target.map(TargetId::get));
        edges.push(*count);
    }
    let ready: i64 = sqlx::query_scalar(store.statements.of(RELEASE))
        .bind(&runs)
        .bind(&steps)
        .bind(&targets)
        .bind(&edges)
        .fetch_one(tx)
        .await?;
    Ok(ready > 0)
}

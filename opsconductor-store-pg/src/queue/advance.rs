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
    Error, ErrorKind, Result,
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
    parking::Belongs,
    runs::Locked,
};
use crate::{PgStore, columns, error::DbResult, events::Told, plans};

const WAITING: &str = include_str!("../../sql/waiting.sql");
const IDLE: &str = include_str!("../../sql/idle.sql");
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
    /// What those belong to that were ready and were ended.
    pub(super) freed: Belongs,
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
    let mut advanced = Advanced { over: BTreeMap::new(), ready: false, freed: Belongs::default() };
    let mut known: HashMap<RunId, Known> = HashMap::new();
    let mut releases: BTreeMap<(RunId, Meant), i32> = BTreeMap::new();
    let mut open: Vec<RunId> = finished.keys().copied().collect();
    while !open.is_empty() {
        let mut unknown = Vec::new();
        for id in std::mem::take(&mut open) {
            let (Some(run), Some(plan)) = (locked.runs.get_mut(&id), plans.get(&id)) else { continue };
            let mut draft = Draft::new(known.entry(id).or_default());
            let mut counters = run.counters.clone();
            let over = advance::advance(plan, &mut counters, &finished[&id], run.stopping(), &mut draft);
            if !draft.unknown.is_empty() {
                unknown.extend(draft.unknown.into_iter().map(|(meant, idle)| (id, meant, idle)));
                open.push(id);
                continue;
            }
            let over = over?;
            run.counters = counters;
            for meant in draft.released {
                *releases.entry((id, meant)).or_default() += 1;
            }
            for (task, status, reason) in draft.ended {
                ends.idle(&task.idle, status, Cow::Owned(reason.clone()));
                locked.tell(id, Told::Finished { place: task.idle.place, status, reason: Some(reason) });
                if let Some((tenant, job, credential)) = task.free {
                    let target = task.idle.place.target.map(TargetId::get);
                    advanced.freed.push(id, tenant, job, target, credential);
                }
            }
            if let (Some(status), Some(run)) = (over, locked.runs.get_mut(&id)) {
                run.end(status, plan);
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

/// Tasks of a run that no worker holds, as far as they were read.
#[derive(Default)]
struct Known {
    read: HashSet<(Meant, advance::Idle)>,
    tasks: BTreeMap<TaskId, Task>,
}

/// One of them.
#[derive(Clone)]
struct Task {
    idle: Idle,
    ready: bool,
    /// The tenant, job and credential of one that was ready and that no limit holds back.
    free: Option<(i64, i64, Option<i64>)>,
}

impl Known {
    fn has_read(&self, (step, target): Meant, idle: advance::Idle) -> bool {
        let any = advance::Idle::Any;
        [((step, target), idle), ((step, None), idle), ((step, target), any), ((step, None), any)]
            .iter()
            .any(|read| self.read.contains(read))
    }
}

/// What the rules said of one run.
struct Draft<'a> {
    known: &'a Known,
    gone: HashSet<TaskId>,
    released: Vec<Meant>,
    ended: Vec<(Task, TaskStatus, String)>,
    unknown: Vec<(Meant, advance::Idle)>,
}

impl<'a> Draft<'a> {
    fn new(known: &'a Known) -> Self {
        Self { known, gone: HashSet::new(), released: Vec::new(), ended: Vec::new(), unknown: Vec::new() }
    }
}

impl Ledger for Draft<'_> {
    fn release(&mut self, step: u32, which: Waiting) -> Result<()> {
        self.released.push(meant(step, which));
        Ok(())
    }

    fn end(
        &mut self,
        step: u32,
        which: Waiting,
        idle: advance::Idle,
        status: TaskStatus,
        reason: &str,
    ) -> Result<Vec<Option<TargetId>>> {
        let (step, target) = meant(step, which);
        if !self.known.has_read((step, target), idle) {
            self.unknown.push(((step, target), idle));
            return Ok(Vec::new());
        }
        let mut targets = Vec::new();
        for task in self.known.tasks.values() {
            let place = task.idle.place;
            let wanted = place.step == step && (target.is_none() || place.target == target);
            let wanted = wanted && (idle == advance::Idle::Any || !task.ready);
            if wanted && self.gone.insert(place.task) {
                self.ended.push((task.clone(), status, reason.to_owned()));
                targets.push(place.target);
            }
        }
        Ok(targets)
    }

    fn waiting(&mut self, step: u32, targets: &[TargetId]) -> Result<Vec<TargetId>> {
        let idle = advance::Idle::Waiting;
        let unknown = targets.iter().map(|target| (step, Some(*target)));
        self.unknown
            .extend(unknown.filter(|meant| !self.known.has_read(*meant, idle)).map(|meant| (meant, idle)));
        if !self.unknown.is_empty() {
            // Without them the rules would go on to the batches behind, and want to know of all.
            return Err(Error::new(ErrorKind::Internal, "the tasks of a batch are read first"));
        }
        let waits: HashSet<_> = self
            .known
            .tasks
            .values()
            .filter(|task| {
                task.idle.place.step == step && !task.ready && !self.gone.contains(&task.idle.place.task)
            })
            .filter_map(|task| task.idle.place.target)
            .collect();
        Ok(targets.iter().copied().filter(|target| waits.contains(target)).collect())
    }
}

/// What is released in a run whose idle tasks were taken out of the queue before.
#[derive(Default)]
pub(super) struct Releases(Vec<Meant>);

impl Ledger for Releases {
    fn release(&mut self, step: u32, which: Waiting) -> Result<()> {
        self.0.push(meant(step, which));
        Ok(())
    }

    fn end(
        &mut self,
        _: u32,
        _: Waiting,
        _: advance::Idle,
        _: TaskStatus,
        _: &str,
    ) -> Result<Vec<Option<TargetId>>> {
        Ok(Vec::new())
    }

    fn waiting(&mut self, _: u32, _: &[TargetId]) -> Result<Vec<TargetId>> {
        Ok(Vec::new())
    }
}

impl Releases {
    /// Carries it out; whether a task became ready.
    pub(super) async fn write(self, store: &PgStore, tx: &mut PgConnection, run: RunId) -> DbResult<bool> {
        let mut releases: BTreeMap<(RunId, Meant), i32> = BTreeMap::new();
        for meant in self.0 {
            *releases.entry((run, meant)).or_default() += 1;
        }
        release(store, tx, &releases).await
    }
}

/// Reads the tasks that are meant.
async fn look(
    store: &PgStore,
    tx: &mut PgConnection,
    known: &mut HashMap<RunId, Known>,
    meant: Vec<(RunId, Meant, advance::Idle)>,
) -> DbResult<()> {
    for (idle, sql) in [(advance::Idle::Waiting, WAITING), (advance::Idle::Any, IDLE)] {
        let (mut runs, mut steps, mut targets) = (Vec::new(), Vec::new(), Vec::new());
        for (run, (step, target), _) in meant.iter().filter(|(_, _, wanted)| *wanted == idle) {
            runs.push(run.get());
            steps.push(columns::int(*step));
            targets.push(target.map(TargetId::get));
            known.entry(*run).or_default().read.insert(((*step, *target), idle));
        }
        if runs.is_empty() {
            continue;
        }
        let found = sqlx::query(store.statements.of(sql)).bind(&runs).bind(&steps).bind(&targets);
        for row in found.fetch_all(&mut *tx).await? {
            let mut task = Task { idle: Idle::read(&row)?, ready: false, free: None };
            if idle == advance::Idle::Any {
                task.ready = columns::get(&row, 6)?;
                if columns::get(&row, 7)? {
                    task.free =
                        Some((columns::get(&row, 8)?, columns::get(&row, 9)?, columns::get(&row, 10)?));
                }
            }
            known.entry(task.idle.run).or_default().tasks.insert(task.idle.place.task, task);
        }
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

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeMap;

use serde_json::Map;

use super::*;
use crate::{
    run::plan::{Edge, OnLost, PlannedStep, PlannedTarget, Runs},
    transport::Protocol,
};

/// A run's rows: for each task how many edges are left, or how it ended.
struct Rows {
    plan: RunPlan,
    counters: Vec<StepCounters>,
    waits: BTreeMap<(u32, Option<i64>), u32>,
    status: BTreeMap<(u32, Option<i64>), TaskStatus>,
}

struct Borrowed<'a> {
    waits: &'a mut BTreeMap<(u32, Option<i64>), u32>,
    status: &'a mut BTreeMap<(u32, Option<i64>), TaskStatus>,
}

impl Borrowed<'_> {
    fn standing(&self, step: u32, which: Waiting, wanted: TaskStatus) -> Vec<(u32, Option<i64>)> {
        self.status
            .iter()
            .filter(|(key, status)| {
                let meant = match which {
                    Waiting::One(target) => key.1 == target.map(TargetId::get),
                    Waiting::All => true,
                };
                key.0 == step && meant && **status == wanted
            })
            .map(|(key, _)| *key)
            .collect()
    }
}

impl Ledger for Borrowed<'_> {
    fn release(&mut self, step: u32, which: Waiting) -> Result<()> {
        for key in self.standing(step, which, TaskStatus::Waiting) {
            let left = self.waits.get_mut(&key).unwrap();
            *left -= 1;
            if *left == 0 {
                self.status.insert(key, TaskStatus::Queued);
            }
        }
        Ok(())
    }

    fn end(
        &mut self,
        step: u32,
        which: Waiting,
        idle: Idle,
        status: TaskStatus,
        _reason: &str,
    ) -> Result<Vec<Option<TargetId>>> {
        let mut keys = self.standing(step, which, TaskStatus::Waiting);
        if idle == Idle::Any {
            keys.extend(self.standing(step, which, TaskStatus::Queued));
        }
        for key in &keys {
            self.status.insert(*key, status);
        }
        Ok(keys.into_iter().map(|(_, target)| target.map(TargetId::new)).collect())
    }

    fn waiting(&mut self, step: u32, targets: &[TargetId]) -> Result<Vec<TargetId>> {
        let waits = self.standing(step, Waiting::All, TaskStatus::Waiting);
        Ok(targets.iter().copied().filter(|target| waits.contains(&(step, Some(target.get())))).collect())
    }
}

/// A step said shortly: the targets it runs on, and the steps it waits for.
type PlainStep<'a> = (&'a [u32], &'a [(u32, Join)]);

impl Rows {
    fn new(targets: i64, steps: &[PlainStep<'_>]) -> Self {
        let target = |id: i64| PlannedTarget {
            id: TargetId::new(id),
            name: format!("t{id}"),
            hostname: "127.0.0.1".into(),
            protocol: Protocol::Winrm,
            port: 5985,
            credential_ref: None,
            tags: vec![],
            metadata: Map::new(),
        };
        let step = |(index, (targets, edges)): (usize, &PlainStep<'_>)| PlannedStep {
            id: index.to_string(),
            name: None,
            kind: "test".into(),
            fields: Map::new(),
            targets: targets.to_vec(),
            edges: edges.iter().map(|(step, join)| Edge { step: *step, join: *join }).collect(),
            timeout_sec: 60,
            continue_on_error: false,
            on_lost: OnLost::Fail,
            idempotent: false,
            max_output_bytes: 1024,
            allow_raw: false,
            runs: Runs::OnSuccess,
            batches: Vec::new(),
            max_fail_percentage: None,
            when: None,
            retry: None,
            register: None,
        };
        let plan = RunPlan {
            job_name: "job".into(),
            job_version: 1,
            parameters: Map::new(),
            secrets: Vec::new(),
            targets: (0..targets).map(target).collect(),
            steps: steps.iter().enumerate().map(step).collect(),
            earlier: Vec::new(),
            timeout_sec: None,
            max_parallel: None,
            notify: Default::default(),
        };
        let key = |key: TaskKey| (key.step, key.target.map(TargetId::get));
        let start = |waits| if waits == 0 { TaskStatus::Queued } else { TaskStatus::Waiting };
        Self {
            counters: StepCounters::initial(&plan),
            waits: plan.tasks(false).map(|(task, waits)| (key(task), waits)).collect(),
            status: plan.tasks(false).map(|(task, waits)| (key(task), start(waits))).collect(),
            plan,
        }
    }

    fn end(&mut self, ended: &[(u32, i64, TaskStatus)]) -> Option<RunStatus> {
        let finished: Vec<_> = ended
            .iter()
            .map(|(step, target, status)| {
                self.status.insert((*step, Some(*target)), *status);
                (TaskKey { step: *step, target: Some(TargetId::new(*target)) }, *status)
            })
            .collect();
        let mut rows = Borrowed { waits: &mut self.waits, status: &mut self.status };
        advance(&self.plan, &mut self.counters, &finished, Stopping::No, &mut rows).unwrap()
    }

    /// Lets a step take its targets in batches.
    fn batches(&mut self, step: usize, batches: &[u32], max_fail_percentage: Option<u8>) {
        let planned = &mut self.plan.steps[step];
        (planned.batches, planned.max_fail_percentage) = (batches.to_vec(), max_fail_percentage);
        for (task, waits) in self.plan.tasks(false) {
            let key = (task.step, task.target.map(TargetId::get));
            self.waits.insert(key, waits);
            if waits > 0 {
                self.status.insert(key, TaskStatus::Waiting);
            }
        }
    }

    fn at(&self, step: u32, target: i64) -> TaskStatus {
        self.status[&(step, Some(target))]
    }
}

use TaskStatus::{Aborted, Failed, Lost, Queued, Succeeded, Waiting as Waits};

#[test]
fn a_target_waits_for_itself_alone_and_drops_out_when_it_fails() {
    let mut rows = Rows::new(
        3,
        &[(&[0, 1, 2], &[]), (&[0, 1, 2], &[(0, Join::PerTarget)]), (&[0, 1, 2], &[(1, Join::PerTarget)])],
    );
    assert_eq!(rows.end(&[(0, 0, Succeeded), (0, 1, Failed)]), None);
    assert_eq!((rows.at(1, 0), rows.at(1, 1), rows.at(1, 2)), (Queued, Aborted, Waits));
    assert_eq!(rows.at(2, 1), Aborted, "an abort goes on down the line");
    assert_eq!(rows.end(&[(0, 2, Succeeded)]), None);
    assert_eq!(rows.end(&[(1, 0, Succeeded), (1, 2, Succeeded)]), None);
    assert_eq!(rows.end(&[(2, 0, Succeeded), (2, 2, Succeeded)]), Some(RunStatus::Failed));
}

#[test]
fn a_barrier_waits_for_every_target() {
    let mut rows = Rows::new(3, &[(&[0, 1], &[]), (&[2], &[(0, Join::Barrier)])]);
    assert_eq!(rows.end(&[(0, 0, Succeeded)]), None);
    assert_eq!(rows.at(1, 2), Waits);
    assert_eq!(rows.end(&[(0, 1, Succeeded)]), None);
    assert_eq!(rows.at(1, 2), Queued);
    assert_eq!(rows.end(&[(1, 2, Succeeded)]), Some(RunStatus::Succeeded));
}

#[test]
fn a_barrier_is_released_once_by_a_batch_that_settles_it() {
    let mut rows =
        Rows::new(3, &[(&[0, 1], &[]), (&[0], &[]), (&[2], &[(0, Join::Barrier), (1, Join::Barrier)])]);
    assert_eq!(rows.end(&[(0, 0, Succeeded), (0, 1, Succeeded)]), None);
    assert_eq!(rows.at(2, 2), Waits, "one of two edges is left");
    assert_eq!(rows.end(&[(1, 0, Succeeded)]), None);
    assert_eq!(rows.at(2, 2), Queued);
}

#[test]
fn a_failure_behind_a_barrier_aborts_everything_after_it() {
    let mut rows =
        Rows::new(3, &[(&[0, 1], &[]), (&[2], &[(0, Join::Barrier)]), (&[2], &[(1, Join::PerTarget)])]);
    assert_eq!(rows.end(&[(0, 0, Failed)]), None);
    assert_eq!(rows.end(&[(0, 1, Succeeded)]), Some(RunStatus::Failed));
    assert_eq!((rows.at(1, 2), rows.at(2, 2)), (Aborted, Aborted));
}

#[test]
fn a_task_aborted_from_two_sides_is_counted_once() {
    let mut rows =
        Rows::new(1, &[(&[0], &[]), (&[0], &[]), (&[0], &[(0, Join::PerTarget), (1, Join::PerTarget)])]);
    assert_eq!(rows.end(&[(0, 0, Failed), (1, 0, Lost)]), Some(RunStatus::Failed));
    assert_eq!(rows.counters[2], StepCounters { aborted: 1, ..StepCounters::default() });
}

#[test]
fn continue_on_error_lets_the_run_go_on_and_succeed() {
    let mut rows = Rows::new(2, &[(&[0, 1], &[]), (&[0, 1], &[(0, Join::PerTarget)])]);
    rows.plan.steps[0].continue_on_error = true;
    assert_eq!(rows.end(&[(0, 0, Failed), (0, 1, Lost)]), None);
    assert_eq!((rows.at(1, 0), rows.at(1, 1)), (Queued, Queued));
    assert_eq!(rows.end(&[(1, 0, Succeeded), (1, 1, Succeeded)]), Some(RunStatus::Succeeded));
}

#[test]
fn a_canceled_run_that_had_ended_anyway_keeps_its_success() {
    let rows = Rows::new(1, &[(&[0], &[])]);
    let done = [StepCounters { succeeded: 1, ..StepCounters::default() }];
    let cut = [StepCounters { aborted: 1, ..StepCounters::default() }];
    assert_eq!(run_status(&rows.plan, &done, Stopping::Canceled), Some(RunStatus::Succeeded));
    assert_eq!(run_status(&rows.plan, &cut, Stopping::Canceled), Some(RunStatus::Canceled));
}

#[test]
fn the_next_batch_comes_when_the_one_before_has_ended() {
    let mut rows = Rows::new(5, &[(&[0, 1, 2, 3, 4], &[])]);
    rows.batches(0, &[2], None);
    assert_eq!((rows.at(0, 1), rows.at(0, 2)), (Queued, Waits));
    assert_eq!(rows.end(&[(0, 1, Failed)]), None);
    assert_eq!(rows.at(0, 2), Waits);
    assert_eq!(rows.end(&[(0, 0, Succeeded)]), None);
    assert_eq!((rows.at(0, 2), rows.at(0, 3), rows.at(0, 4)), (Queued, Queued, Waits));
    assert_eq!(rows.end(&[(0, 2, Failed), (0, 3, Lost)]), Some(RunStatus::Failed));
    assert_eq!(rows.at(0, 4), Aborted, "a whole batch failed");
}

#[test]
fn a_batch_of_which_nobody_is_left_is_passed_over() {
    let mut rows = Rows::new(3, &[(&[0, 1, 2], &[]), (&[0, 1, 2], &[(0, Join::PerTarget)])]);
    rows.batches(1, &[1], None);
    assert_eq!(rows.end(&[(0, 0, Failed), (0, 1, Failed), (0, 2, Succeeded)]), None);
    assert_eq!((rows.at(1, 0), rows.at(1, 1), rows.at(1, 2)), (Aborted, Aborted, Queued));
}

#[test]
fn more_failures_than_may_be_end_the_step() {
    let mut rows = Rows::new(4, &[(&[0, 1, 2, 3], &[]), (&[0, 1, 2, 3], &[(0, Join::PerTarget)])]);
    rows.batches(0, &[], Some(50));
    assert_eq!(rows.end(&[(0, 0, Failed), (0, 1, Failed)]), None);
    assert_eq!(rows.at(0, 3), Queued, "half is not more than half");
    assert_eq!(rows.end(&[(0, 2, Lost)]), Some(RunStatus::Failed));
    assert_eq!((rows.at(0, 3), rows.at(1, 3)), (Aborted, Aborted));
}

#[test]
fn a_run_stops_as_far_as_it_is_told() {
    let mut rows = Rows::new(1, &[(&[0], &[]), (&[0], &[]), (&[0], &[])]);
    (rows.plan.steps[1].runs, rows.plan.steps[2].runs) = (Runs::OnFailure, Runs::Always);
    let spared =
        |stopping: Stopping| rows.plan.steps.iter().map(|step| stopping.spares(step)).collect::<Vec<_>>();
    assert_eq!(spared(Stopping::No), [true, true, true]);
    assert_eq!(spared(Stopping::Overdue), [false, true, true]);
    assert_eq!(spared(Stopping::Canceled), [false, false, true]);
    assert_eq!(spared(Stopping::Whole), [false, false, false]);
    let left =
        |main, last| [main, 0, last].map(|remaining| StepCounters { remaining, ..StepCounters::default() });
    let next = |stopping: Stopping, counters: [StepCounters; 3]| stopping.canceled(&rows.plan, &counters);
    assert_eq!(next(Stopping::Overdue, left(1, 1)), Some(Stopping::Canceled));
    assert_eq!(next(Stopping::Canceled, left(1, 1)), None, "a repeat changes nothing");
    assert_eq!(next(Stopping::Canceled, left(0, 1)), Some(Stopping::Whole));
    assert_eq!(next(Stopping::Whole, left(0, 1)), None);
    for stopping in [Stopping::No, Stopping::Overdue, Stopping::Canceled, Stopping::Whole] {
        assert_eq!(Stopping::from_number(stopping.number()), stopping);
    }
}

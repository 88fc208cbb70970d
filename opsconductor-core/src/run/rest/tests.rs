#![allow(clippy::unwrap_used, reason = "a test may panic")]

use serde_json::Map;

use super::*;
use crate::{
    id::TargetId,
    run::{
        advance::Waiting,
        earlier::{EarlierOutput, EarlierStep, OutputPlace},
        plan::{OnLost, PlannedStep, Runs},
        state::TaskStatus,
    },
    transport::Protocol,
};

/// The places of a step's targets, and what it waits for.
type Sketch<'a> = (&'a [u32], &'a [(u32, Join)]);

/// The id of a step, the names of its targets, and what it waits for.
type Left = (String, Vec<String>, Vec<(u32, Join)>);

/// Steps over the targets 1 to `targets`, each with the places of its own and its edges.
fn plan(targets: u32, steps: &[Sketch<'_>]) -> RunPlan {
    let target = |id| PlannedTarget {
        id: TargetId::new(id),
        name: format!("t{id}"),
        hostname: String::new(),
        protocol: Protocol::Http,
        port: 80,
        credential_ref: None,
        tags: Vec::new(),
        metadata: Map::new(),
    };
    let step = |(index, (targets, edges)): (usize, &Sketch<'_>)| PlannedStep {
        id: format!("s{index}"),
        name: None,
        kind: "test".to_owned(),
        fields: Map::new(),
        targets: targets.to_vec(),
        edges: edges.iter().map(|(step, join)| Edge { step: *step, join: *join }).collect(),
        timeout_sec: 1,
        continue_on_error: false,
        on_lost: OnLost::Fail,
        idempotent: false,
        max_output_bytes: 1,
        allow_raw: false,
        runs: Runs::OnSuccess,
        batches: Vec::new(),
        max_fail_percentage: None,
        when: None,
        retry: None,
        register: None,
    };
    RunPlan {
        job_name: "j".to_owned(),
        job_version: 1,
        parameters: Map::new(),
        secrets: Vec::new(),
        targets: (1..=i64::from(targets)).map(target).collect(),
        steps: steps.iter().enumerate().map(step).collect(),
        earlier: Vec::new(),
        timeout_sec: None,
        max_parallel: None,
        notify: Default::default(),
    }
}

/// What is left when all but `left`, as (step, target, 0 for none), is done: each step with its targets and edges.
fn rest(plan: &RunPlan, left: &[(u32, i64)]) -> Vec<Left> {
    let done = |key: TaskKey| !left.contains(&(key.step, key.target.map_or(0, TargetId::get)));
    let rest = plan.rest(done).unwrap();
    let name = |at: &u32| rest.targets[*at as usize].name.clone();
    rest.steps
        .iter()
        .map(|step| {
            let edges = step.edges.iter().map(|edge| (edge.step, edge.join)).collect();
            (step.id.clone(), step.targets.iter().map(name).collect(), edges)
        })
        .collect()
}

fn texts(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn a_target_that_failed_goes_on_where_it_stopped() {
    let plan = plan(3, &[(&[0, 1, 2], &[]), (&[0, 1, 2], &[(0, Join::PerTarget)])]);
    assert_eq!(
        rest(&plan, &[(0, 2), (1, 2)]),
        [
            ("s0".to_owned(), texts(&["t2"]), vec![]),
            ("s1".to_owned(), texts(&["t2"]), vec![(0, Join::PerTarget)])
        ]
    );
    assert_eq!(rest(&plan, &[(1, 3)]), [("s1".to_owned(), texts(&["t3"]), vec![])], "the first step is done");
}

#[test]
fn each_target_goes_on_where_it_stopped() {
    let chain: &[Sketch<'_>] =
        &[(&[0, 1], &[]), (&[0, 1], &[(0, Join::PerTarget)]), (&[0, 1], &[(1, Join::PerTarget)])];
    let mut plan = plan(2, chain);
    let left = [(0, 2), (1, 1), (1, 2), (2, 1), (2, 2)];
    let (first, both) = (texts(&["t2"]), texts(&["t1", "t2"]));
    let (shared, same) = (vec![(0, Join::SharedTargets)], vec![(1, Join::PerTarget)]);
    let sorted = |mut names: Vec<String>| {
        names.sort();
        names
    };
    let found: Vec<Left> =
        rest(&plan, &left).into_iter().map(|(id, targets, edges)| (id, sorted(targets), edges)).collect();
    let expected = [
        ("s0".to_owned(), first, vec![]),
        ("s1".to_owned(), both.clone(), shared),
        ("s2".to_owned(), both, same),
    ];
    assert_eq!(found, expected);
    let rested = plan.rest(|key| !left.contains(&(key.step, key.target.map_or(0, TargetId::get)))).unwrap();
    let waits: Vec<_> =
        rested.tasks(false).map(|(key, waits)| (key.step, key.target.unwrap().get(), waits)).collect();
    assert_eq!(waits, [(0, 2, 0), (1, 1, 0), (1, 2, 1), (2, 1, 1), (2, 2, 1)]);
    assert_eq!(
        rested.begins(),
        [(0, Waiting::All), (1, Waiting::One(Some(TargetId::new(1))))],
        "what begins in its turn"
    );
    // Of what is done in any case the second step waits for the first, whole: nothing of it begins with the run.
    plan.steps.iter_mut().for_each(|step| step.runs = Runs::Always);
    plan.steps.insert(0, PlannedStep { runs: Runs::OnSuccess, ..plan.steps[0].clone() });
    for step in &mut plan.steps[1..] {
        step.edges.iter_mut().for_each(|edge| edge.step += 1);
    }
    let done =
        |key: TaskKey| key.step > 0 && !left.contains(&(key.step - 1, key.target.map_or(0, TargetId::get)));
    let rested = plan.rest(done).unwrap();
    assert!(rested.steps.iter().flat_map(|step| &step.edges).all(|edge| edge.join != Join::SharedTargets));
}

#[test]
fn a_target_does_not_overtake_what_its_own_task_had_to_wait_for() {
    let chain: &[Sketch<'_>] =
        &[(&[0, 1], &[]), (&[0, 1], &[(0, Join::PerTarget)]), (&[0, 1], &[(1, Join::PerTarget)])];
    let plan = plan(2, chain);
    // The first step is left on the one target, the second on the other.
    let found = rest(&plan, &[(0, 1), (1, 2), (2, 1), (2, 2)]);
    assert_eq!(found[2].2, [(1, Join::Barrier)]);
}

#[test]
fn what_is_done_in_between_is_looked_through() {
    let chain: &[Sketch<'_>] = &[(&[0], &[]), (&[], &[(0, Join::Barrier)]), (&[], &[(1, Join::Barrier)])];
    let plan = plan(1, chain);
    assert_eq!(
        rest(&plan, &[(0, 1), (2, 0)]),
        [("s0".to_owned(), texts(&["t1"]), vec![]), ("s2".to_owned(), vec![], vec![(0, Join::Barrier)])]
    );
}

#[test]
fn nothing_is_left_of_what_is_done() {
    let plan = plan(1, &[(&[0], &[]), (&[], &[(0, Join::Barrier)])]);
    assert_eq!(plan.rest(|_| true), None);
    assert_eq!(plan.rest(|_| false), Some(plan.clone()), "and all of what is not");
}

#[test]
fn what_follows_a_failure_and_what_is_done_in_any_case_comes_along_whole() {
    let mut whole = plan(2, &[(&[0, 1], &[]), (&[0], &[]), (&[0, 1], &[])]);
    (whole.steps[1].runs, whole.steps[2].runs) = (Runs::OnFailure, Runs::Always);
    // One target failed; the rest of the run was done.
    let left = |key: TaskKey| (key.step, key.target.map_or(0, TargetId::get));
    let rest = whole.rest(|key| left(key) != (0, 2)).unwrap();
    let sizes: Vec<_> = rest.steps.iter().map(|step| (step.runs, step.targets.len())).collect();
    assert_eq!(sizes, [(Runs::OnSuccess, 1), (Runs::OnFailure, 1), (Runs::Always, 2)]);
    // Only the cleaning failed: it is what the new run is about.
    let rest = whole.rest(|key| left(key) != (2, 1)).unwrap();
    let sizes: Vec<_> = rest.steps.iter().map(|step| (step.runs, step.targets.len())).collect();
    assert_eq!(sizes, [(Runs::OnSuccess, 1)]);
}

#[test]
fn a_step_may_wait_for_one_that_stands_after_it() {
    let steps: &[Sketch<'_>] = &[
        (&[0], &[(2, Join::Barrier)]),
        (&[1], &[]),
        (&[], &[(1, Join::Barrier), (3, Join::Barrier)]),
        (&[1], &[]),
    ];
    let plan = plan(2, steps);
    assert_eq!(
        rest(&plan, &[(0, 1), (3, 2)]),
        [
            ("s0".to_owned(), texts(&["t1"]), vec![(1, Join::Barrier)]),
            ("s3".to_owned(), texts(&["t2"]), vec![])
        ]
    );
}

#[test]
fn what_is_left_of_the_first_part_is_what_the_new_run_is_about() {
    let mut whole = plan(1, &[(&[0], &[]), (&[0], &[]), (&[0], &[])]);
    (whole.steps[1].runs, whole.steps[2].runs) = (Runs::OnFailure, Runs::Always);
    let rest = whole.rest(|key| key.step == 0).unwrap();
    let parts: Vec<_> = rest.steps.iter().map(|step| step.runs).collect();
    assert_eq!(parts, [Runs::OnSuccess, Runs::Always], "what is done in any case still comes last");
}

#[test]
fn from_a_step_on_comes_what_waits_for_it_and_every_later_part() {
    let steps: &[Sketch<'_>] = &[
        (&[0], &[]),
        (&[0], &[(0, Join::PerTarget)]),
        (&[0], &[(4, Join::Barrier)]),
        (&[0], &[(0, Join::PerTarget)]),
        (&[0], &[(1, Join::PerTarget)]),
        (&[0], &[]),
        (&[0], &[]),
    ];
    let mut plan = plan(1, steps);
    (plan.steps[5].runs, plan.steps[6].runs) = (Runs::OnFailure, Runs::Always);
    assert_eq!(
        plan.from_step(1),
        [false, true, true, false, true, true, true],
        "through one that stands later, too"
    );
    assert_eq!(plan.from_step(5), [false, false, false, false, false, true, true]);
    assert_eq!(plan.from_step(6), [false, false, false, false, false, false, true]);
    assert_eq!(plan.from_step(9), [false; 7]);
}

/// What the task of the step called `id` for a target reads: the place of a task, or what was said before.
fn read<'p>(plan: &'p RunPlan, id: &str, target: i64) -> Option<Result<u64, &'p str>> {
    plan.output_of(id, Some(TargetId::new(target))).map(|place| match place {
        OutputPlace::Task(place) => Ok(place),
        OutputPlace::Earlier(output) => Err(output.stdout.as_str()),
    })
}

#[test]
fn an_output_is_read_where_it_is() {
    let said = |target, stdout: &str| EarlierOutput {
        target: Some(TargetId::new(target)),
        status: TaskStatus::Succeeded,
        exit_code: Some(0),
        stdout: stdout.to_owned(),
        stderr: String::new(),
    };
    let mut plan = plan(3, &[(&[1], &[]), (&[0, 1], &[(0, Join::Barrier)])]);
    assert_eq!(read(&plan, "s0", 1), Some(Ok(0)), "the only target's");
    plan.earlier = vec![
        EarlierStep { id: "s0".to_owned(), register: None, per_target: true, outputs: vec![said(1, "one")] },
        EarlierStep {
            id: "sole".to_owned(),
            register: Some("was".to_owned()),
            per_target: false,
            outputs: vec![said(3, "three")],
        },
    ];
    assert_eq!(read(&plan, "s0", 1), Some(Err("one")), "done before");
    assert_eq!(read(&plan, "s0", 2), Some(Ok(0)), "done here");
    assert_eq!(read(&plan, "s0", 3), None, "what was said on another is not it");
    assert_eq!(read(&plan, "sole", 1), Some(Err("three")));
    assert_eq!(read(&plan, "none", 1), None);
    assert_eq!((plan.registered("was"), plan.registered("is")), (Some("sole"), None));
}

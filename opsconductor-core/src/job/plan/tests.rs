#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use crate::{
    Error, ErrorKind, Problem,
    clock::Timestamp,
    id::{CredentialId, TargetId},
    job::{JobSpec, StepKinds, ValidJob},
    run::plan::{Join, RunPlan, Runs},
    target::{Target, TargetSpec},
    transport::Protocol,
    vault::credential::CredentialKind,
};

fn job(parameters: &Value, steps: &[Value]) -> ValidJob {
    let steps: Vec<Value> = steps
        .iter()
        .map(|more| {
            let mut step = json!({"type": "winrm.exec", "shell": "cmd", "command": "c"});
            step.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            step
        })
        .collect();
    let definition = json!({"name": "n", "version": 3, "parameters": parameters, "steps": steps});
    JobSpec::from_value(definition).validate(&StepKinds::built_in()).unwrap()
}

fn over(steps: &[Value]) -> ValidJob {
    job(&json!({}), steps)
}

fn target(id: i64, name: &str, tags: &[&str]) -> Target {
    let mut spec = TargetSpec::winrm(name, format!("{name}.example"), CredentialId::new(1));
    spec.tags = tags.iter().map(|tag| (*tag).to_owned()).collect();
    Target { id: TargetId::new(id), spec, created_at: Timestamp::default() }
}

fn fleet() -> Vec<Target> {
    vec![target(3, "c", &["web", "prod"]), target(1, "a", &["web"]), target(2, "b", &["web", "prod"])]
}

fn plan(steps: &[Value]) -> RunPlan {
    over(steps).plan(&fleet(), Map::new()).unwrap()
}

fn names(plan: &RunPlan, step: usize) -> Vec<&str> {
    plan.steps[step].targets.iter().map(|at| plan.targets[*at as usize].name.as_str()).collect()
}

fn joins(plan: &RunPlan) -> Vec<Option<Join>> {
    plan.steps
        .iter()
        .zip(0_u32..)
        .map(|(step, index)| {
            assert!(step.edges.iter().all(|edge| edge.step + 1 == index), "a step waits for the one before");
            step.edges.first().map(|edge| edge.join)
        })
        .collect()
}

fn messages(error: &Error) -> Vec<(&str, &str)> {
    error.problems().iter().map(|problem| (problem.pointer.as_str(), problem.message.as_str())).collect()
}

#[test]
fn steps_over_the_same_targets_are_joined_per_target_and_others_by_a_barrier() {
    let plan = plan(&[
        json!({"targets": ["b", "c"]}),
        json!({"targets": {"tags": ["prod"]}}),
        json!({"targets": ["c", "b"], "wait": "all"}),
        json!({"target": "c"}),
        json!({"targets": ["c", "c"]}),
        json!({"targets": {"tags": ["web"]}}),
    ]);
    let (same, all) = (Some(Join::PerTarget), Some(Join::Barrier));
    assert_eq!(joins(&plan), [None, same, all, all, same, all]);
    assert_eq!(names(&plan, 0), ["b", "c"]);
    assert_eq!(names(&plan, 2), ["c", "b"]);
    assert_eq!(names(&plan, 4), ["c"], "a target that is named twice is one task");
    assert_eq!(names(&plan, 5), ["a", "b", "c"], "a selection is in the order of names");
    assert_eq!(plan.targets.len(), 3);
    assert_eq!(plan.tasks(false).count(), 2 + 2 + 2 + 1 + 1 + 3);
}

#[test]
fn a_plan_holds_what_the_job_and_the_targets_were() {
    let job = job(
        &json!({"svc": "Spooler", "n": 1}),
        &[
            json!({"target": "a", "id": "first", "name": "First", "timeoutSec": 9, "maxOutputBytes": 5, "command": "{{ x }}"}),
        ],
    );
    let given = Map::from_iter([("x".to_owned(), json!("y")), ("n".to_owned(), json!(2))]);
    let plan = job.plan(&fleet(), given).unwrap();
    assert_eq!((plan.job_name.as_str(), plan.job_version), ("n", 3));
    assert_eq!(Value::Object(plan.parameters), json!({"svc": "Spooler", "n": 2, "x": "y"}));
    assert_eq!((plan.targets[0].id, plan.targets[0].hostname.as_str()), (TargetId::new(1), "a.example"));
    let step = &plan.steps[0];
    assert_eq!(
        (step.id.as_str(), step.name.as_deref(), step.kind.as_str()),
        ("first", Some("First"), "winrm.exec")
    );
    assert_eq!((step.timeout_sec, step.max_output_bytes, step.allow_raw), (9, 5, false));
    assert_eq!(step.fields["command"], "{{ x }}", "fields are rendered later");
    assert_eq!(step.fields.len(), 2);
}

#[test]
fn targets_that_are_missing_or_of_another_protocol_are_problems() {
    let mut fleet = fleet();
    fleet[0].spec.protocol = Protocol::Ssh;
    let job = over(&[
        json!({"target": "zzz"}),
        json!({"targets": ["a", "c", "y"]}),
        json!({"targets": {"tags": ["web", "test"]}}),
        json!({"targets": {"tags": ["prod"]}}),
        json!({"targets": {"tags": ["web"]}}),
    ]);
    let expected = [
        ("/steps/0/target", "there is no target named `zzz`"),
        ("/steps/1/targets/1", "`c` speaks ssh, but a winrm.exec step needs a target that speaks winrm"),
        ("/steps/1/targets/2", "there is no target named `y`"),
        ("/steps/2/targets", "no target carries `web` and `test`"),
        ("/steps/3/targets", "this also selects `c`, but a winrm.exec step needs targets that speak winrm"),
        ("/steps/4/targets", "this also selects `c`, but a winrm.exec step needs targets that speak winrm"),
    ];
    let problems = job.check_targets(&fleet);
    assert_eq!(problems, expected.map(|(pointer, message)| Problem::new(pointer, message)));
    let error = job.plan(&fleet, Map::new()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidJob);
    assert_eq!(error.problems(), problems);
}

#[test]
fn credentials_that_a_step_cannot_use_are_problems_with_all_the_others() {
    let mut fleet = fleet();
    fleet[1].spec.protocol = Protocol::Ssh;
    fleet[2].spec.credential_ref = Some(CredentialId::new(2));
    let job = over(&[
        json!({"targets": ["c", "b", "y"]}),
        json!({"targets": {"tags": ["prod"]}}),
        json!({"targets": {"tags": ["web"]}}),
    ]);
    let kinds = |c, b| HashMap::from([(CredentialId::new(1), c), (CredentialId::new(2), b)]);
    let expected = [
        (
            "/steps/0/targets/1",
            "`b` has a credential of the type ssh, but a winrm.exec step needs one of the type winrm",
        ),
        ("/steps/0/targets/2", "there is no target named `y`"),
        (
            "/steps/1/targets",
            "this also selects `b` with a credential of another type, but a winrm.exec step needs one of the type winrm",
        ),
        ("/steps/2/targets", "this also selects `a`, but a winrm.exec step needs targets that speak winrm"),
        (
            "/steps/2/targets",
            "this also selects `b` with a credential of another type, but a winrm.exec step needs one of the type winrm",
        ),
    ];
    let problems = job.check_targets_with(&fleet, &kinds(CredentialKind::Winrm, CredentialKind::Ssh));
    assert_eq!(problems, expected.map(|(pointer, message)| Problem::new(pointer, message)));
    let fine = job.check_targets_with(&fleet, &kinds(CredentialKind::Winrm, CredentialKind::Winrm));
    assert_eq!(fine.len(), 2);
    assert_eq!(job.check_targets(&fleet).len(), 2, "what is not known is not looked at");
}

#[test]
fn parameters_are_the_defaults_with_the_given_over_them() {
    let job = job(
        &json!({"svc": "Spooler"}),
        &[json!({"target": "a", "command": "{{ svc }} {{ x }} {{ o | default('1') }}"})],
    );
    assert_eq!(job.required_parameters(), ["x"]);
    let given = |value: Value| job.bind(value.as_object().unwrap().clone()).map(|bound| bound.shown);
    assert_eq!(
        Value::Object(given(json!({"x": 1, "svc": "W32Time", "o": 2})).unwrap()),
        json!({"svc": "W32Time", "x": 1, "o": 2})
    );
    assert_eq!(
        Value::Object(given(json!({"x": 1, "scv": 2, "other": null})).unwrap()),
        json!({"svc": "Spooler", "x": 1, "scv": 2, "other": null}),
        "what the job does not read is kept"
    );
    let bound = given(json!({"x": 1})).unwrap();
    assert_eq!(job.bind(bound.clone()).unwrap().shown, bound, "what is bound stays as it is");

    let error = given(json!({"scv": 1, "target": 2, "other": 3})).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidParameters);
    assert_eq!(
        messages(&error),
        [
            ("", "the parameter `x` is missing: the job reads it and has no default for it"),
            ("/target", "`target` is what the engine tells templates: it cannot be given"),
        ]
    );
    assert!(given(json!({"x": "y".repeat(3_000_000)})).is_err());
    assert_eq!(job.plan(&fleet(), Map::new()).unwrap_err().kind(), ErrorKind::InvalidParameters);
}

#[test]
fn planning_a_thousand_targets_takes_each_of_them_once() {
    let targets: Vec<Target> = (0..1000).map(|id| target(id, &format!("host{id:04}"), &["web"])).collect();
    let steps = vec![json!({"targets": {"tags": ["web"]}}); 100];
    let plan = over(&steps).plan(&targets, Map::new()).unwrap();
    assert_eq!((plan.targets.len(), plan.tasks(false).count()), (1000, 100_000));
    assert!(joins(&plan).iter().skip(1).all(|join| *join == Some(Join::PerTarget)));
}

#[test]
fn a_selector_chooses_by_tags_protocol_and_name_and_leaves_out() {
    let mut fleet = fleet();
    fleet.push(target(4, "web-1", &["web"]));
    fleet.push(target(5, "db-1", &["prod"]));
    fleet[0].spec.protocol = Protocol::Ssh;
    let chosen = |selector: Value| {
        let plan = over(&[json!({"targets": selector})]).plan(&fleet, Map::new()).unwrap();
        names(&plan, 0).into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(chosen(json!({"protocol": "winrm"})), ["a", "b", "db-1", "web-1"]);
    assert_eq!(chosen(json!({"tags": ["web"], "protocol": "winrm"})), ["a", "b", "web-1"]);
    assert_eq!(chosen(json!({"name": "*-1"})), ["db-1", "web-1"]);
    assert_eq!(chosen(json!({"name": ["?", "db*"], "protocol": "winrm"})), ["a", "b", "db-1"]);
    assert_eq!(chosen(json!({"protocol": "winrm", "not": {"tags": ["prod"]}})), ["a", "web-1"]);
    assert_eq!(
        chosen(json!({"protocol": "winrm", "not": [{"name": "a"}, {"tags": ["prod"], "name": "db-*"}]})),
        ["b", "web-1"]
    );
    assert_eq!(chosen(json!({"not": [{"protocol": "ssh"}, {"name": "*-1"}]})), ["a", "b"]);
}

#[test]
fn a_selector_that_chooses_nothing_is_a_fault_unless_that_is_allowed() {
    let empty = json!({"targets": {"tags": ["x"], "protocol": "winrm", "name": "w*", "not": {"name": "a"}}});
    let problems = over(std::slice::from_ref(&empty)).check_targets(&fleet());
    assert_eq!(
        problems,
        [Problem::new(
            "/steps/0/targets",
            "no target carries `x` and speaks winrm and is named `w*`, leaving out what `not` names"
        )]
    );
    let mut allowed = empty;
    allowed["allowEmpty"] = json!(true);
    let plan = over(&[allowed, json!({"target": "a"})]).plan(&fleet(), Map::new()).unwrap();
    assert!(plan.steps[0].targets.is_empty());
    assert_eq!(plan.tasks(false).count(), 2, "one task, which is skipped, so that what follows goes on");
}

#[test]
fn a_target_comes_after_those_it_depends_on() {
    let mut fleet = fleet();
    let [c, a, b] = &mut fleet[..] else { panic!("three targets") };
    a.spec.depends_on = vec![c.id, TargetId::new(99)];
    c.spec.depends_on = vec![b.id];
    let plan = over(&[json!({"targets": {"tags": ["web"]}}), json!({"targets": ["a", "b"]})]);
    let plan = plan.plan(&fleet, Map::new()).unwrap();
    assert_eq!(names(&plan, 0), ["b", "c", "a"]);
    assert_eq!(names(&plan, 1), ["a", "b"], "only what is directly depended on counts");
    fleet[2].spec.depends_on = vec![TargetId::new(1)];
    let plan = over(&[json!({"targets": ["a", "b", "c"]})]).plan(&fleet, Map::new()).unwrap();
    assert_eq!(plan.tasks(false).count(), 3, "a circle ends somewhere");
}

#[test]
fn branches_are_joined_where_they_meet() {
    let plan = plan(&[
        json!({"id": "a", "targets": ["a", "b"]}),
        json!({"id": "left", "targets": ["a", "b"], "dependsOn": ["a"]}),
        json!({"id": "right", "target": "c", "dependsOn": ["a"]}),
        json!({"id": "end", "targets": ["b", "a"], "dependsOn": ["left", "right"]}),
    ]);
    let edges: Vec<Vec<(u32, Join)>> = plan
        .steps
        .iter()
        .map(|step| step.edges.iter().map(|edge| (edge.step, edge.join)).collect())
        .collect();
    let (same, all) = (Join::PerTarget, Join::Barrier);
    assert_eq!(edges, [vec![], vec![(0, same)], vec![(0, all)], vec![(1, same), (2, all)]]);
    assert_eq!(plan.source(1, Some(TargetId::new(2))), Some(3));
    assert_eq!(plan.source(2, Some(TargetId::new(2))), Some(4), "the only target's");
    assert_eq!(plan.source(1, Some(TargetId::new(3))), None);
}

#[test]
fn the_flow_of_a_run_is_planned() {
    let exec = |more: Value| {
        let mut step =
            json!({"type": "winrm.exec", "shell": "cmd", "command": "c", "targets": ["a", "b", "c"]});
        step.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        step
    };
    let definition = json!({
        "name": "n", "version": 1, "timeoutSec": 60, "maxParallel": 2,
        "steps": [exec(json!({"serial": ["50%", 2], "maxFailPercentage": 10}))],
        "onFailure": [exec(json!({}))],
        "finally": [exec(json!({})), exec(json!({}))]
    });
    let job = JobSpec::from_value(definition).validate(&StepKinds::built_in()).unwrap();
    let plan = job.plan(&fleet(), Map::new()).unwrap();
    assert_eq!((plan.timeout_sec, plan.max_parallel, plan.is_plain()), (Some(60), Some(2), false));
    let runs: Vec<_> = plan.steps.iter().map(|step| step.runs).collect();
    assert_eq!(runs, [Runs::OnSuccess, Runs::OnFailure, Runs::Always, Runs::Always]);
    assert_eq!((&plan.steps[0].batches[..], plan.steps[0].max_fail_percentage), (&[1, 2][..], Some(10)));
    let sizes: Vec<_> = [0, 1, 3].map(|opened| plan.steps[0].batch_after(opened)).to_vec();
    assert_eq!(sizes, [1, 2, 0]);
    // A task waits for its batch, its part of the run, or the step before it.
    let waits: Vec<_> = plan.tasks(false).map(|(_, waits)| waits).collect();
    assert_eq!(waits, [0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]);
    let in_turn: Vec<_> = plan.tasks(true).map(|(_, waits)| waits).collect();
    assert_eq!(in_turn[..4], [1, 2, 2, 1]);
}

#[test]
fn a_plain_plan_reads_and_writes_as_it_always_did() {
    let plan = plan(&[json!({"target": "a"})]);
    assert!(plan.is_plain());
    let text = serde_json::to_string(&plan).unwrap();
    for name in ["runs", "batches", "max_fail_percentage", "timeout_sec\":null", "max_parallel"] {
        assert!(!text.contains(name), "{name} is in {text}");
    }
    assert_eq!(serde_json::from_str::<RunPlan>(&text).unwrap(), plan);
}

//! What is done after a failure and in any case, and how a run flows.

use serde_json::json;

use super::{KINDS, assert_faults, exec, of_steps};
use crate::{job::JobSpec, run::plan::Runs};

fn step(id: &str, more: &str) -> String {
    exec(&format!(r#", "id": "{id}", "command": "c"{more}"#))
}

/// A job of the three lists.
fn of_lists(steps: &[String], on_failure: &[String], finally: &[String]) -> String {
    let [steps, on_failure, finally] = [steps, on_failure, finally].map(|list| list.join(","));
    format!(
        r#"{{"name": "n", "version": 1, "steps": [{steps}], "onFailure": [{on_failure}], "finally": [{finally}]}}"#
    )
}

#[test]
fn each_list_goes_by_itself_and_reads_those_before_it() {
    let reads = |id: &str, of: &str| {
        exec(&format!(r#", "id": "{id}", "command": "c {{{{ steps.{of}.exitCode }}}}""#))
    };
    let definition = of_lists(
        &[step("a", ""), step("b", "")],
        &[reads("c", "a"), step("d", "")],
        &[reads("e", "c"), step("f", "")],
    );
    let job = JobSpec::parse(&definition).unwrap().validate(&KINDS).unwrap();
    let waits: Vec<_> = job.steps().iter().map(|step| step.waits_for().to_vec()).collect();
    assert_eq!(waits, [vec![], vec![0], vec![], vec![2], vec![], vec![4]]);
    let runs: Vec<_> = (0..6).map(|index| job.runs(index)).collect();
    use Runs::{Always, OnFailure, OnSuccess};
    assert_eq!(runs, [OnSuccess, OnSuccess, OnFailure, OnFailure, Always, Always]);
}

#[test]
fn faults_are_named_in_their_list() {
    assert_faults(
        &of_lists(
            &[step("a", "")],
            &[step("b", r#", "dependsOn": ["a"]"#)],
            &[
                step("a", ""),
                r#"{"type": "acme.none"}"#.to_owned(),
                exec(r#", "command": "{{ steps.z.stdout }}""#),
            ],
        ),
        &[
            (
                "/onFailure/0/dependsOn/0",
                "`a` is in another list: `onFailure` comes after all of `steps`, and `finally` after both",
            ),
            ("/finally/0/id", "`a` is the id of step 1 already: ids must differ"),
            (
                "/finally/1/type",
                "there is no step type `acme.none`; there are `approval`, `http.request`, `sleep`, `ssh.copy`, `ssh.exec`, `ssh.fetch`, `winrm.copy`, `winrm.exec` and `winrm.fetch`",
            ),
            ("/finally/2/command", "there is no step `z`; did you mean `steps.a`?"),
        ],
    );
}

#[test]
fn what_comes_first_cannot_read_what_comes_last() {
    let early = exec(r#", "id": "early", "command": "c {{ steps.late.stdout }}""#);
    let definition = of_lists(&[early], &[], &[step("late", "")]);
    let found = JobSpec::parse(&definition).unwrap().validate(&KINDS).unwrap_err();
    assert_eq!(found.problems()[0].pointer, "/steps/0/command");
}

#[test]
fn batches_are_numbers_or_parts() {
    for wrong in ["0", "\"0%\"", "\"25\"", "[]", "true", "\"101%\"", "[1, 0]"] {
        let definition = of_steps(&step("a", &format!(r#", "serial": {wrong}"#)));
        let found = JobSpec::parse(&definition).unwrap().validate(&KINDS).unwrap_err();
        assert!(
            found.problems()[0].pointer.starts_with("/steps/0/serial"),
            "{wrong}: {:?}",
            found.problems()
        );
    }
    let job = JobSpec::parse(&of_steps(&step("a", r#", "serial": [1, "25%"], "maxFailPercentage": 30"#)));
    let job = job.unwrap().validate(&KINDS).unwrap();
    assert_eq!(job.steps()[0].batches(10), [1, 2]);
    assert_eq!(job.steps()[0].max_fail_percentage(), Some(30));
    assert!(job.steps()[0].batches(1) == [1, 1], "at least one");
}

#[test]
fn what_waits_says_for_what() {
    let definition = of_steps(
        r#"{"type": "sleep", "durationSec": 60}, {"type": "approval", "message": "Go?"},
           {"type": "approval", "message": "Go?", "timeoutSec": 60, "approvers": {"roles": ["admin"]}}"#,
    );
    let job = JobSpec::parse(&definition).unwrap().validate(&KINDS).unwrap();
    let timeouts: Vec<_> = job.steps().iter().map(|step| step.timeout_sec()).collect();
    assert_eq!(timeouts, [60, 24 * 60 * 60, 60], "a person has a day unless the step says otherwise");
    for (wrong, pointer) in [
        (r#"{"type": "sleep"}"#, "/steps/0"),
        (r#"{"type": "sleep", "durationSec": 0}"#, "/steps/0/durationSec"),
        (r#"{"type": "approval", "message": "m", "approvers": {}}"#, "/steps/0/approvers"),
        (
            r#"{"type": "approval", "message": "m", "approvers": {"roles": ["king"]}}"#,
            "/steps/0/approvers/roles/0",
        ),
        (r#"{"type": "sleep", "durationSec": 1, "serial": 1}"#, "/steps/0/serial"),
    ] {
        let found = JobSpec::parse(&of_steps(wrong)).unwrap().validate(&KINDS).unwrap_err();
        assert_eq!(found.problems()[0].pointer, pointer, "{wrong}");
    }
}

#[test]
fn a_job_says_how_long_and_how_wide_a_run_may_be() {
    let definition = json!({
        "name": "n", "version": 1, "timeoutSec": 90, "maxParallel": 4,
        "steps": [{"type": "sleep", "durationSec": 1}]
    });
    let job = JobSpec::from_value(definition).validate(&KINDS).unwrap();
    assert_eq!((job.timeout_sec(), job.max_parallel()), (Some(90), Some(4)));
}

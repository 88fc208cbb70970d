//! The members of a definition that decide what a step does: conditions, outputs of earlier steps, retries, branches.

use opsconductor_core::{
    ErrorKind,
    run::{RunStatus, TaskStatus},
};
use opsconductor_tests::fleet::{Fleet, object};
use serde_json::{Value, json};

use super::{LIMIT, quick};

on_each_store!(
    the_output_of_a_step_goes_to_those_after_it,
    an_output_that_is_not_json_fails_before_anything_is_sent,
    a_step_whose_condition_does_not_hold_is_skipped_and_the_rest_goes_on,
    a_selector_that_chooses_nothing_skips_its_step,
    a_failure_is_tried_again_as_often_as_the_step_says,
    an_unknown_outcome_is_not_what_a_retry_is_for,
    branches_run_side_by_side_and_meet,
    parameters_that_do_not_fit_start_nothing,
    a_target_cannot_come_after_itself,
);

fn job(name: &str, steps: &[Value]) -> String {
    let steps: Vec<Value> = steps
        .iter()
        .map(|more| {
            let mut step = object(json!({"type": "winrm.exec", "shell": "powershell"}));
            step.extend(object(more.clone()));
            Value::Object(step)
        })
        .collect();
    json!({"name": name, "version": 1, "steps": steps}).to_string()
}

async fn the_output_of_a_step_goes_to_those_after_it(fleet: Fleet) {
    let worker = fleet.engine.worker(quick()).unwrap();
    let web = json!({"tags": ["role:web"]});
    let definition = job(
        "outputs",
        &[
            json!({"id": "version", "target": "db-1", "command": "print 7"}),
            json!({"id": "who", "targets": web, "command": "print {{ target.name }}"}),
            json!({"id": "both", "targets": web, "register": "said",
                   "command": "print on {{ steps.who.stdout }} {{ steps.version.json + 1 }} {{ steps.who.exitCode }}"}),
            json!({"targets": web, "command": "print {{ said.stdout | quote }} {{ said.status }}"}),
        ],
    );
    let run = fleet.run(&definition, json!({})).await.unwrap();
    assert_eq!(run.wait(LIMIT).await.unwrap().status, RunStatus::Succeeded);
    let mut received = fleet.hosts.received();
    received.retain(|command| command.contains("print on") || command.contains("succeeded"));
    received.sort();
    assert_eq!(
        received,
        [
            "web-1: print 'on web-1 8 0' succeeded",
            "web-1: print on web-1 8 0",
            "web-2: print 'on web-2 8 0' succeeded",
            "web-2: print on web-2 8 0",
        ]
    );
    worker.shutdown().await;
}

async fn an_output_that_is_not_json_fails_before_anything_is_sent(fleet: Fleet) {
    let worker = fleet.engine.worker(quick()).unwrap();
    let steps = [
        json!({"target": "web-1", "command": "print n: 3"}),
        json!({"target": "web-1", "command": "print {{ steps.step1.json.n }}"}),
    ];
    let run = fleet.run(&job("not json", &steps), json!({})).await.unwrap();
    let result = run.wait(LIMIT).await.unwrap();
    let reason = result.steps[1].error.clone().unwrap();
    assert_eq!(result.steps[1].status, TaskStatus::Failed);
    assert!(
        reason.contains("the output of step step1 is read as JSON and is not JSON, at line 1"),
        "{reason}"
    );
    assert_eq!(fleet.hosts.received().len(), 1);
    worker.shutdown().await;
}

async fn a_step_whose_condition_does_not_hold_is_skipped_and_the_rest_goes_on(fleet: Fleet) {
    let worker = fleet.engine.worker(quick()).unwrap();
    let web = json!({"tags": ["role:web"]});
    let steps = [
        json!({"id": "check", "targets": web, "continueOnError": true, "command": "print {{ target.name }}"}),
        json!({"targets": web, "when": "steps.check.stdout == 'web-2' and level > 1", "command": "print mend"}),
        json!({"targets": web, "command": "print after"}),
    ];
    let run = fleet.run(&job("condition", &steps), json!({"level": 2})).await.unwrap();
    let result = run.wait(LIMIT).await.unwrap();
    assert_eq!(result.status, RunStatus::Succeeded);
    let skipped: Vec<_> = result.steps.iter().filter(|step| step.status == TaskStatus::Skipped).collect();
    assert_eq!(skipped.len(), 1);
    let reason = skipped[0].error.as_deref();
    assert_eq!(reason, Some("its condition does not hold: steps.check.stdout == 'web-2' and level > 1"));
    let received = fleet.hosts.received();
    let sent = |what: &str| received.iter().filter(|command| command.ends_with(what)).count();
    assert_eq!((sent("web-2: print mend"), sent("print mend"), sent("print after")), (1, 1, 2));
    worker.shutdown().await;
}

async fn a_selector_that_chooses_nothing_skips_its_step(fleet: Fleet) {
    let worker = fleet.engine.worker(quick()).unwrap();
    let steps = [
        json!({"targets": {"name": "mail-*", "protocol": "winrm"}, "allowEmpty": true, "command": "print x"}),
        json!({"target": "web-1", "command": "print after"}),
    ];
    let run = fleet.run(&job("empty", &steps), json!({})).await.unwrap();
    let result = run.wait(LIMIT).await.unwrap();
    assert_eq!(result.status, RunStatus::Succeeded);
    assert_eq!(result.steps[0].status, TaskStatus::Skipped);
    assert_eq!(result.steps[0].error.as_deref(), Some("the step's selector chose no target"));
    assert_eq!(fleet.hosts.received(), ["web-1: print after"]);
    worker.shutdown().await;
}

async fn a_failure_is_tried_again_as_often_as_the_step_says(fleet: Fleet) {
    let worker = fleet.engine.worker(quick()).unwrap();
    let retry = |times: u32, on: &[&str]| json!({"maxAttempts": times, "backoffSec": 0, "on": on});
    // (target, command, retry, how it ends, how many attempts)
    let cases = [
        ("web-1", "falter 2", retry(3, &["failure"]), TaskStatus::Succeeded, 3),
        ("web-2", "falter 2", retry(2, &["failure"]), TaskStatus::Failed, 2),
        ("db-1", "falter 2", retry(3, &["connection", "timeout"]), TaskStatus::Failed, 1),
        ("gone", "print x", retry(3, &["connection"]), TaskStatus::Failed, 3),
        ("gone", "print x", retry(3, &["failure"]), TaskStatus::Failed, 1),
    ];
    for (index, (target, command, retry, status, attempts)) in cases.into_iter().enumerate() {
        let step = json!({"target": target, "command": command, "retry": retry});
        let run = fleet.run(&job(&format!("retry{index}"), &[step]), json!({})).await.unwrap();
        let result = run.wait(LIMIT).await.unwrap();
        assert_eq!((result.steps[0].status, result.steps[0].attempts), (status, attempts), "case {index}");
    }
    assert_eq!(fleet.hosts.received().len(), 3 + 2 + 1);
    worker.shutdown().await;
}

async fn an_unknown_outcome_is_not_what_a_retry_is_for(fleet: Fleet) {
    let worker = fleet.engine.worker(quick()).unwrap();
    let step = json!({"target": "web-1", "command": "vanish",
        "retry": {"maxAttempts": 5, "backoffSec": 0, "on": ["failure", "connection", "timeout"]}});
    let run = fleet.run(&job("unknown", &[step]), json!({})).await.unwrap();
    let result = run.wait(LIMIT).await.unwrap();
    assert_eq!((result.steps[0].status, result.steps[0].attempts), (TaskStatus::Lost, 1));
    assert_eq!(fleet.hosts.received().len(), 1);
    worker.shutdown().await;
}

async fn branches_run_side_by_side_and_meet(fleet: Fleet) {
    let worker = fleet.engine.worker(quick()).unwrap();
    let steps = [
        json!({"id": "left", "target": "web-1", "command": "hold"}),
        json!({"id": "right", "target": "web-2", "command": "hold", "dependsOn": []}),
        json!({"id": "end", "target": "db-1", "command": "print end", "dependsOn": ["left", "right"]}),
    ];
    let run = fleet.run(&job("branches", &steps), json!({})).await.unwrap();
    fleet.hosts.holding(2).await;
    fleet.hosts.release(1);
    let one_is_over = async {
        while run.steps().await.unwrap().iter().all(|step| !step.status.is_final()) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LIMIT, one_is_over).await.unwrap();
    assert_eq!(run.steps().await.unwrap()[2].status, TaskStatus::Waiting);
    fleet.hosts.release(1);
    assert_eq!(run.wait(LIMIT).await.unwrap().status, RunStatus::Succeeded);
    assert_eq!(fleet.hosts.received().last().unwrap(), "db-1: print end");
    worker.shutdown().await;
}

async fn parameters_that_do_not_fit_start_nothing(fleet: Fleet) {
    let definition = json!({
        "name": "declared", "version": 1,
        "parameterSchema": {"properties": {"count": {"type": "integer", "default": 2}}, "additionalProperties": false},
        "steps": [{"type": "winrm.exec", "shell": "powershell", "target": "web-1", "command": "print {{ count }}"}]
    });
    let error = fleet.run(&definition.to_string(), json!({"count": "many"})).await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::InvalidParameters);
    assert_eq!(error.problems()[0].pointer, "/count");
    let worker = fleet.engine.worker(quick()).unwrap();
    let run = fleet.ops.jobs().run("declared", object(json!({})), Default::default()).await.unwrap();
    assert_eq!(run.wait(LIMIT).await.unwrap().status, RunStatus::Succeeded);
    assert_eq!(fleet.hosts.received(), ["web-1: print 2"]);
    worker.shutdown().await;
}

async fn a_target_cannot_come_after_itself(fleet: Fleet) {
    let targets = fleet.ops.targets();
    let depend = async |name: &str, on: &str| {
        let (mut spec, on) = (targets.get(name).await.unwrap().spec, targets.get(on).await.unwrap());
        spec.depends_on = vec![on.id];
        targets.update(name, spec).await
    };
    depend("web-1", "db-1").await.unwrap();
    depend("db-1", "web-2").await.unwrap();
    for (name, on) in [("web-2", "web-1"), ("web-2", "web-2")] {
        assert_eq!(depend(name, on).await.unwrap_err().kind(), ErrorKind::InvalidInput, "{name} on {on}");
    }
    depend("web-1", "web-2").await.unwrap();
}

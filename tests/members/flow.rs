//! The order of steps: `dependsOn`, `wait`, `when`, `continueOnError`, `onFailure`, `finally`.

use opsconductor_core::run::{
    RunStatus,
    TaskStatus::{Aborted, Failed, Running, Skipped, Succeeded, Waiting},
};
use serde_json::json;

use crate::scene::{LIMIT, ended, on_both, said, stand, statuses};

#[tokio::test]
pub(crate) async fn branches_go_side_by_side_and_meet() {
    on_both(async |scene, side| {
        let [left, right, meeting] = &side.hosts;
        let steps = json!([
            side.exec(json!({"id": "left", "target": left, "script": side.hold("left")})),
            side.exec(json!({"id": "right", "target": right, "script": side.hold("right"), "dependsOn": []})),
            side.exec(json!({"id": "both", "target": meeting, "script": side.append("trace", "both"),
                             "dependsOn": ["left", "right"]})),
        ]);
        let run = scene.begin(side.job("branches", json!({"steps": steps})), json!({})).await;
        said(&run, "left", left).await;
        said(&run, "right", right).await;
        side.open("left");
        ended(&run, "left", left).await;
        assert_eq!(stand(&run, "both").await, [Waiting]);
        side.open("right");
        assert_eq!(run.wait(LIMIT).await.unwrap().status, RunStatus::Succeeded);
        assert_eq!(side.lines("trace"), ["both"]);
    })
    .await;
}

#[tokio::test]
pub(crate) async fn a_step_follows_target_by_target_unless_it_waits_for_all() {
    on_both(async |scene, side| {
        for wait in [false, true] {
            let name = if wait { "together" } else { "apart" };
            let gate = |host: &str| format!("{name}-{host}");
            let first = json!({"id": "first", "targets": side.hosts, "command": side.hold(&gate("{{ target.name }}"))});
            let mut second = json!({"id": "second", "targets": side.hosts, "script": side.print("second")});
            if wait {
                second["wait"] = json!("all");
            }
            let steps = json!([side.exec(first), side.exec(second)]);
            let run = scene.begin(side.job(name, json!({"steps": steps})), json!({})).await;
            let [one, two, three] = &side.hosts;
            said(&run, "first", three).await;
            side.open(&gate(one));
            ended(&run, "first", one).await;
            if wait {
                assert_eq!(stand(&run, "second").await, [Waiting; 3]);
            } else {
                ended(&run, "second", one).await;
                assert_eq!(stand(&run, "first").await[2], Running);
                assert_eq!(stand(&run, "second").await[2], Waiting);
            }
            side.open(&gate(two));
            side.open(&gate(three));
            assert_eq!(run.wait(LIMIT).await.unwrap().status, RunStatus::Succeeded);
        }
    })
    .await;
}

#[tokio::test]
pub(crate) async fn a_step_is_skipped_where_its_condition_does_not_hold() {
    on_both(async |scene, side| {
        let condition = format!("steps.check.stdout == '{}' and level > 1", side.hosts[1]);
        let steps = json!([
            side.exec(json!({"id": "check", "targets": side.hosts, "command": "echo {{ target.name }}"})),
            side.exec(json!({"id": "mend", "targets": side.hosts, "when": condition, "script": side.append("trace", "mended")})),
            side.exec(json!({"id": "after", "targets": side.hosts, "script": side.print("after")})),
        ]);
        let job = side.job("condition", json!({"steps": steps}));
        let result = scene.good(job, json!({"level": 2})).await;
        assert_eq!(statuses(&result)[3..6], [Skipped, Succeeded, Skipped]);
        let reason = result.steps[3].error.as_deref().unwrap();
        assert!(reason.contains("its condition does not hold"), "{reason}");
        assert_eq!(side.lines("trace"), ["mended"]);
        assert!(result.steps[6..].iter().all(|task| task.stdout.trim() == "after"), "{:?}", result.steps);
    })
    .await;
}

#[tokio::test]
pub(crate) async fn a_failure_ends_the_steps_after_it_or_is_gone_on_from() {
    on_both(async |scene, side| {
        let after = side.exec(json!({"script": side.append("trace", "after")}));
        let going_on = side.exec(json!({"script": side.dialect.exit(3), "continueOnError": true}));
        let job = side.job("goes on", json!({"steps": [going_on, after]}));
        let result = scene.good(job, json!({})).await;
        assert_eq!(statuses(&result), [Failed, Succeeded]);
        assert_eq!(result.steps[0].exit_code, Some(3));
        let stopping = side.exec(json!({"script": side.dialect.exit(3)}));
        let job = side.job("stops", json!({"steps": [stopping, after]}));
        let result = scene.run(job, json!({})).await;
        assert_eq!((result.status, statuses(&result)), (RunStatus::Failed, vec![Failed, Aborted]));
        assert_eq!(side.lines("trace"), ["after"], "it was sent once");
    })
    .await;
}

#[tokio::test]
pub(crate) async fn what_is_done_after_a_failure_and_in_any_case_is_done_then() {
    on_both(async |scene, side| {
        let good = (RunStatus::Succeeded, [Succeeded, Skipped, Succeeded], vec!["good swept"]);
        let bad = (RunStatus::Failed, [Failed, Succeeded, Succeeded], vec!["bad alarm", "bad swept"]);
        let cases = [("good", 0, good), ("bad", 7, bad)];
        for (name, code, (status, ends, traces)) in cases {
            let append = |what: &str| side.append(name, &format!("{name} {what}"));
            // What comes in any case may read what went before.
            let sweep = side
                .exec(json!({"script": append("swept"), "when": format!("steps.work.exitCode == {code}")}));
            let job = side.job(
                name,
                json!({
                    "steps": [side.exec(json!({"id": "work", "script": side.dialect.exit(code)}))],
                    "onFailure": [side.exec(json!({"script": append("alarm")}))],
                    "finally": [sweep]
                }),
            );
            let result = scene.run(job, json!({})).await;
            assert_eq!((result.status, statuses(&result)), (status, ends.to_vec()), "{name}");
            assert_eq!(side.lines(name), traces);
        }
    })
    .await;
}

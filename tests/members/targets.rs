//! Which targets a step acts on, and how many at a time: `target`, `targets`, `allowEmpty`, `serial`, `maxFailPercentage`, `maxParallel`.

use opsconductor_core::{
    ErrorKind, JobSpec,
    engine::RunResult,
    run::{
        RunStatus,
        TaskStatus::{Aborted, Failed, Running, Skipped, Succeeded},
    },
};
use serde_json::{Value, json};

use crate::scene::{LIMIT, on_both, said, stand, statuses};

/// On which targets a step acted, by name.
fn acted_on(result: &RunResult, step: &str) -> Vec<String> {
    let tasks = result.steps.iter().filter(|task| task.step == step);
    let mut names: Vec<_> = tasks.filter_map(|task| task.target.clone()).collect();
    names.sort();
    names
}

#[tokio::test]
pub(crate) async fn targets_are_named_listed_and_selected() {
    on_both(async |scene, side| {
        let [one, two, three] = &side.hosts;
        let prefix = one.trim_end_matches('1');
        let protocol = side.protocol;
        // What is said of the targets, and which of them that means.
        let cases: [(&str, Value, Vec<&String>); 8] = [
            ("named", json!(one), vec![one]),
            ("listed", json!([three, one]), vec![one, three]),
            ("tagged", json!({"tags": ["role:web"], "protocol": protocol}), vec![one, two]),
            ("tags", json!({"tags": ["role:web", "env:test"], "protocol": protocol}), vec![one]),
            ("pattern", json!({"name": format!("{prefix}?")}), vec![one, two, three]),
            ("patterns", json!({"name": [one, format!("{prefix}*3")]}), vec![one, three]),
            (
                "not",
                json!({"protocol": protocol, "name": format!("{prefix}?"), "not": {"tags": ["env:test"]}}),
                vec![two, three],
            ),
            (
                "nots",
                json!({"name": format!("{prefix}*"), "not": [{"tags": ["role:web"]}, {"name": "*-gone"}]}),
                vec![three],
            ),
        ];
        let steps = cases.iter().map(|(id, targets, _)| {
            let member = if targets.is_string() { "target" } else { "targets" };
            side.exec(
                json!({"id": id, member: targets, "command": "echo {{ target.name }}", "dependsOn": []}),
            )
        });
        let steps: Vec<_> = steps.collect();
        let result = scene.good(side.job("targets", json!({"steps": steps})), json!({})).await;
        for (id, _, meant) in &cases {
            assert_eq!(acted_on(&result, id).iter().collect::<Vec<_>>(), *meant, "{id}");
        }
        assert!(result.steps.iter().all(|task| Some(task.stdout.trim()) == task.target.as_deref()));
    })
    .await;
}

#[tokio::test]
pub(crate) async fn a_selector_of_nothing_is_a_fault_unless_the_step_allows_it() {
    on_both(async |scene, side| {
        let nothing =
            json!({"targets": {"name": "mail-*", "protocol": side.protocol}, "script": side.print("never")});
        let refused = side.job("refused", json!({"steps": [side.exec(nothing.clone())]}));
        let error = scene.ops.jobs().create(&JobSpec::from_value(refused)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidJob);
        assert_eq!(error.problems()[0].pointer, "/steps/0/targets");
        let mut allowed = nothing;
        allowed["allowEmpty"] = json!(true);
        let steps = json!([side.exec(allowed), side.exec(json!({"script": side.print("after")}))]);
        let result = scene.good(side.job("allowed", json!({"steps": steps})), json!({})).await;
        assert_eq!(statuses(&result), [Skipped, Succeeded]);
    })
    .await;
}

#[tokio::test]
pub(crate) async fn batches_go_one_after_the_other() {
    on_both(async |scene, side| {
        let [one, two, three] = &side.hosts;
        let gate = |host: &str| format!("batch-{host}");
        let step = side.exec(json!({"id": "roll", "targets": side.hosts, "serial": [1, "70%"],
                                    "command": side.hold(&gate("{{ target.name }}"))}));
        let run = scene.begin(side.job("rolling", json!({"steps": [step]})), json!({})).await;
        said(&run, "roll", one).await;
        let waiting = stand(&run, "roll").await;
        assert!(waiting[0] == Running && waiting[1..].iter().all(|task| *task != Running), "{waiting:?}");
        side.open(&gate(one));
        said(&run, "roll", two).await;
        said(&run, "roll", three).await;
        side.open(&gate(two));
        side.open(&gate(three));
        assert_eq!(run.wait(LIMIT).await.unwrap().status, RunStatus::Succeeded);
    })
    .await;
}

#[tokio::test]
pub(crate) async fn too_many_failures_give_a_step_up() {
    on_both(async |scene, side| {
        let [one, two, three] = &side.hosts;
        let step = side.exec(json!({"targets": [side.gone, one, two, three], "serial": [2, 1],
                                    "maxFailPercentage": 40, "script": side.print("here")}));
        let result = scene.run(side.job("failing", json!({"steps": [step]})), json!({})).await;
        assert_eq!(result.status, RunStatus::Failed);
        // Whether the second of the first batch had begun is a matter of moments.
        let ends = statuses(&result);
        assert_eq!((ends[0], &ends[2..]), (Failed, &[Aborted, Aborted][..]));
        let reason = result.steps[3].error.as_deref().unwrap();
        assert!(reason.contains("maxFailPercentage of 40"), "{reason}");
    })
    .await;
}

#[tokio::test]
pub(crate) async fn no_more_of_a_run_go_at_once_than_it_says() {
    on_both(async |scene, side| {
        let [one, two, three] = &side.hosts;
        let gate = |host: &str| format!("narrow-{host}");
        let step = side.exec(
            json!({"id": "hold", "targets": side.hosts, "command": side.hold(&gate("{{ target.name }}"))}),
        );
        let run =
            scene.begin(side.job("narrow", json!({"maxParallel": 2, "steps": [step]})), json!({})).await;
        said(&run, "hold", one).await;
        said(&run, "hold", two).await;
        assert_ne!(stand(&run, "hold").await[2], Running);
        side.open(&gate(one));
        said(&run, "hold", three).await;
        assert_eq!(stand(&run, "hold").await, [Succeeded, Running, Running]);
        side.open(&gate(two));
        side.open(&gate(three));
        assert_eq!(run.wait(LIMIT).await.unwrap().status, RunStatus::Succeeded);
    })
    .await;
}

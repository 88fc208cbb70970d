//! What a job is, and which run goes first: `name`, `version`, `description`, `id`, `type`, `priority`, `concurrencyKey`,
//! `notify`.

use opsconductor_core::{
    run::{RunStatus, TaskStatus::Succeeded},
    store::{NotificationFilter, Page},
    tenant::DEFAULT_TENANT,
};
use serde_json::json;

use crate::scene::{LIMIT, Scene, on_both, said, settings, statuses};

#[tokio::test]
pub(crate) async fn a_job_is_kept_as_it_was_described_and_its_steps_by_their_names() {
    on_both(async |scene, side| {
        let job = json!({
            "name": side.name("described"), "version": 7, "description": "Looks, and says so.",
            "steps": [
                side.exec(json!({"id": "look", "name": "Look around", "script": side.print("nothing")})),
                side.exec(json!({"script": side.print("nobody")})),
            ]
        });
        let run = scene.begin(job.clone(), json!({})).await;
        let result = run.wait(LIMIT).await.unwrap();
        assert_eq!((result.status, statuses(&result)), (RunStatus::Succeeded, vec![Succeeded; 2]));
        let named: Vec<_> =
            result.steps.iter().map(|task| (task.step.as_str(), task.kind.as_str())).collect();
        let kind = format!("{}.exec", side.protocol);
        assert_eq!(named, [("look", kind.as_str()), ("step2", kind.as_str())]);
        let kept = scene.ops.jobs().get(&side.name("described")).await.unwrap();
        assert_eq!((&kept.definition, kept.version), (&job, 7));
        let plan = scene.engine.store().run_plan(DEFAULT_TENANT, run.id()).await.unwrap();
        assert_eq!((plan.job_version, plan.steps[0].name.as_deref()), (kept.version, Some("Look around")));
    })
    .await;
}

#[tokio::test]
pub(crate) async fn of_waiting_runs_the_one_with_the_higher_priority_goes_first() {
    let mut scene = Scene::idle().await;
    let mut runs = Vec::new();
    for side in &scene.sides {
        for (name, priority) in [("low", -5), ("usual", 0), ("high", 5)] {
            let step = side.exec(json!({"script": side.append("order", name)}));
            let job = side.job(name, json!({"priority": priority, "steps": [step]}));
            runs.push(scene.begin(job, json!({})).await);
        }
    }
    scene.work(settings().with_concurrency(1));
    for run in runs {
        assert_eq!(run.wait(LIMIT).await.unwrap().status, RunStatus::Succeeded);
    }
    for side in &scene.sides {
        assert_eq!(side.lines("order"), ["high", "usual", "low"]);
    }
    scene.end().await;
}

#[tokio::test]
pub(crate) async fn runs_with_the_same_key_go_one_after_the_other() {
    on_both(async |scene, side| {
        let gate = |number: &str| format!("turn-{number}");
        let step = side.exec(json!({"id": "deploy", "command": side.hold(&gate("{{ number }}"))}));
        let job = side.job(
            "deploy",
            json!({"concurrencyKey": format!("{} {{{{ place }}}}", side.protocol), "steps": [step]}),
        );
        let host = &side.hosts[0];
        let first = scene.begin(job, json!({"place": "north", "number": 1})).await;
        said(&first, "deploy", host).await;
        let again = async |place: &str, number: u32| {
            scene.again(&side.name("deploy"), json!({"place": place, "number": number})).await
        };
        let (second, other) = (again("north", 2).await, again("south", 3).await);
        side.open(&gate("2"));
        side.open(&gate("3"));
        assert_eq!(other.wait(LIMIT).await.unwrap().status, RunStatus::Succeeded);
        assert_eq!(second.record().await.unwrap().status, RunStatus::Queued, "it is not its turn");
        side.open(&gate("1"));
        assert_eq!(first.wait(LIMIT).await.unwrap().status, RunStatus::Succeeded);
        assert_eq!(second.wait(LIMIT).await.unwrap().status, RunStatus::Succeeded);
    })
    .await;
}

#[tokio::test]
pub(crate) async fn who_is_to_be_told_is_told_when_a_run_has_ended() {
    on_both(async |scene, side| {
        let address = |on: &str| format!("{on}.{}@example.com", side.protocol);
        let tell = |on: &str| json!({"on": on, "email": address(on)});
        let notify = [tell("failure"), tell("success"), tell("always"), tell("lost")];
        let step = side.exec(json!({"script": side.print("done")}));
        let run = scene.begin(side.job("told", json!({"notify": notify, "steps": [step]})), json!({})).await;
        assert_eq!(run.wait(LIMIT).await.unwrap().status, RunStatus::Succeeded);
        let filter = NotificationFilter { run: Some(run.id()), status: None };
        let told = scene.ops.notifications().list(filter, Page::default()).await.unwrap();
        let mut to: Vec<_> = told.items.iter().map(|one| one.dest.clone()).collect();
        to.sort_unstable();
        assert_eq!(to, [address("always"), address("success")]);
        assert_eq!(told.items[0].payload["steps_summary"]["succeeded"], 1);
    })
    .await;
}

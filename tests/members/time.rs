//! How long things may take, and what waits: `timeoutSec`, `sleep`, `approval`.

use opsconductor_core::{
    ErrorKind,
    engine::Answer,
    id::UserId,
    run::{
        RunStatus,
        TaskStatus::{Aborted, Failed, Succeeded},
    },
    tenant::{Actor, DEFAULT_TENANT, Role, Scope},
};
use serde_json::{Value, json};

use crate::{
    scene::{LIMIT, on_both, statuses, waits},
    side::with,
};

#[tokio::test]
pub(crate) async fn a_step_over_its_time_is_stopped_and_has_failed() {
    on_both(async |scene, side| {
        side.warm(scene).await;
        let steps = json!([
            side.exec(json!({"script": side.all(&[side.hold("never"), side.append("trace", "late")]), "timeoutSec": 2})),
            side.exec(json!({"script": side.append("trace", "after")})),
        ]);
        let result = scene.run(side.job("slow step", json!({"steps": steps})), json!({})).await;
        assert_eq!((result.status, statuses(&result)), (RunStatus::Failed, vec![Failed, Aborted]));
        let reason = result.steps[0].error.as_deref().unwrap();
        assert!(reason.contains("timeoutSec of 2 s"), "{reason}");
        assert_eq!(result.steps[0].stdout.trim(), "begun", "it was running");
        side.open("never");
        // A command that went on would have written its line by the time this one has.
        let trace = side.exec(json!({"script": side.all(&[side.hold("never"), side.append("trace", "next")])}));
        scene.good(side.job("next", json!({"steps": [trace]})), json!({})).await;
        assert_eq!(side.lines("trace"), ["next"]);
    })
    .await;
}

#[tokio::test]
pub(crate) async fn a_run_over_its_time_is_stopped_fails_and_cleans_up() {
    on_both(async |scene, side| {
        side.warm(scene).await;
        let job = side.job(
            "slow run",
            json!({
                "timeoutSec": 2,
                "steps": [side.exec(json!({"script": side.hold("never")})), side.exec(json!({"script": side.append("trace", "late")}))],
                "finally": [side.exec(json!({"script": side.append("trace", "swept")}))]
            }),
        );
        let result = scene.run(job, json!({})).await;
        assert_eq!((result.status, statuses(&result)), (RunStatus::Failed, vec![Aborted, Aborted, Succeeded]));
        let reason = result.steps[0].error.as_deref().unwrap();
        assert!(reason.contains("longer than its timeoutSec of 2 s"), "{reason}");
        assert_eq!(side.lines("trace"), ["swept"]);
    })
    .await;
}

#[tokio::test]
pub(crate) async fn a_sleep_passes_and_the_run_goes_on() {
    on_both(async |scene, side| {
        let steps =
            json!([{"type": "sleep", "durationSec": 1}, side.exec(json!({"script": side.print("awake")}))]);
        let run = scene.begin(side.job("sleep", json!({"steps": steps})), json!({})).await;
        assert_eq!(waits(&run).await, "sleeps for 1 s");
        let result = run.wait(LIMIT).await.unwrap();
        assert_eq!((result.status, result.steps[1].stdout.trim()), (RunStatus::Succeeded, "awake"));
    })
    .await;
}

#[tokio::test]
pub(crate) async fn an_approval_waits_for_those_it_names_and_no_longer_than_it_says() {
    on_both(async |scene, side| {
        let job = |name: &str, more: Value| {
            let ask = with(json!({"type": "approval", "id": "ask", "message": "Deploy {{ what }}?"}), more);
            side.job(
                name,
                json!({"steps": [ask, side.exec(json!({"script": side.append(name, "deployed")}))]}),
            )
        };
        let named = json!({"approvers": {"users": ["ada"], "roles": ["admin"]}});
        for (name, approver, approve) in
            [("yes", ("ada", Role::Operator), true), ("no", ("bob", Role::Admin), false)]
        {
            let run = scene.begin(job(name, named.clone()), json!({"what": "it"})).await;
            assert_eq!(waits(&run).await, "Deploy it?");
            let answer = async |(user, role): (&str, Role)| {
                let actor = Actor::User { id: UserId::new(9), name: user.to_owned(), role };
                let scoped = scene.engine.scope(Scope::new(DEFAULT_TENANT, actor));
                let run = scoped.runs().get(run.id()).await.unwrap();
                run.decide("ask", None, Answer { approve, note: None }).await.map_err(|error| error.kind())
            };
            assert_eq!(answer(("eve", Role::Operator)).await, Err(ErrorKind::Forbidden));
            assert_eq!(answer(approver).await, Ok(()));
            let result = run.wait(LIMIT).await.unwrap();
            let (status, ends) = match approve {
                true => (RunStatus::Succeeded, vec![Succeeded, Succeeded]),
                false => (RunStatus::Failed, vec![Failed, Aborted]),
            };
            assert_eq!((result.status, statuses(&result)), (status, ends));
            assert_eq!(side.lines(name).len(), usize::from(approve));
        }
        let result = scene.run(job("nobody", json!({"timeoutSec": 1})), json!({"what": "it"})).await;
        assert_eq!(result.steps[0].error.as_deref(), Some("nobody answered within 1 s"));
    })
    .await;
}

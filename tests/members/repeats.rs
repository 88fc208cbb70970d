//! What is tried again, and what becomes of a step whose outcome is unknown: `retry`, `onLost`, `idempotent`.

use std::time::{Duration, Instant};

use opsconductor_core::{
    engine::Answer,
    run::{
        RunStatus,
        TaskStatus::{Failed, Lost, Succeeded},
    },
};
use serde_json::json;

use crate::{
    scene::{LIMIT, Scene, on_both, said, waits},
    side::{Side, with},
};

#[tokio::test]
pub(crate) async fn a_command_that_fails_twice_and_then_works_is_tried_three_times() {
    on_both(async |scene, side| {
        let script = side.at_first("tries", 3, &side.dialect.exit(7));
        let retry = json!({"maxAttempts": 5, "backoffSec": 0, "on": ["failure"]});
        let job =
            side.job("third time", json!({"steps": [side.exec(json!({"script": script, "retry": retry}))]}));
        let result = scene.good(job, json!({})).await;
        let task = &result.steps[0];
        assert_eq!((task.attempts, task.exit_code, task.stdout.trim()), (3, Some(0), "done"));
        assert_eq!(side.lines("tries").len(), 3);

        let retry = json!({"maxAttempts": 2, "backoffSec": 0});
        let step =
            side.exec(json!({"script": side.at_first("few", 3, &side.dialect.exit(7)), "retry": retry}));
        let result = scene.run(side.job("too few", json!({"steps": [step]})), json!({})).await;
        let task = &result.steps[0];
        assert_eq!((task.status, task.attempts, task.exit_code), (Failed, 2, Some(7)));
    })
    .await;
}

#[tokio::test]
pub(crate) async fn only_the_failures_that_a_step_names_are_tried_again() {
    on_both(async |scene, side| {
        let retry = |on: &str| json!({"maxAttempts": 3, "backoffSec": 0, "on": [on]});
        for (on, attempts) in [("connection", 3), ("failure", 1)] {
            let step = json!({"target": side.gone, "script": side.print("never"), "retry": retry(on)});
            let result = scene.run(side.job(on, json!({"steps": [side.exec(step)]})), json!({})).await;
            assert_eq!((result.steps[0].status, result.steps[0].attempts), (Failed, attempts), "{on}");
        }
        let script = side.at_first("stuck", 2, &side.busy(Duration::from_secs(60)));
        let retry = json!({"maxAttempts": 10, "backoffSec": 0, "on": ["timeout"]});
        // The attempt that goes through has all of the time too, on a connection that is there by then.
        let step = side.exec(json!({"script": script, "timeoutSec": 6, "retry": retry}));
        let result = scene.good(side.job("stuck", json!({"steps": [step]})), json!({})).await;
        assert!(result.steps[0].attempts > 1, "{:?}", result.steps);
    })
    .await;
}

#[tokio::test]
pub(crate) async fn a_further_attempt_waits_and_no_longer_than_the_longest_wait() {
    on_both(async |scene, side| {
        let retry = json!({"maxAttempts": 2, "backoffSec": 100, "maxBackoffSec": 1});
        let script = side.at_first("waits", 2, &side.dialect.exit(1));
        let step = side.exec(json!({"script": script, "retry": retry}));
        let began = Instant::now();
        let result = scene.good(side.job("waits", json!({"steps": [step]})), json!({})).await;
        assert_eq!(result.steps[0].attempts, 2);
        let took = began.elapsed();
        assert!(took >= Duration::from_millis(500) && took < LIMIT / 2, "{took:?}");
    })
    .await;
}

/// Breaks off what runs on the hosts of a side, so that nobody knows how it ended.
fn lose(scene: &Scene, side: &Side) {
    if side.is_windows() {
        scene.windows.reboot();
    } else {
        scene.relay.cut();
    }
}

#[tokio::test]
pub(crate) async fn a_step_that_was_lost_ends_so_or_is_sent_again_or_asks() {
    on_both(async |scene, side| {
        let more = [
            ("fail", json!({})),
            ("retry", json!({"onLost": "retry", "idempotent": true})),
            ("ask", json!({"onLost": "ask"})),
        ];
        for (name, members) in more {
            // It must not end before it is lost.
            let script = side.at_first(name, 2, &side.busy(Duration::from_secs(60)));
            let step = with(side.exec(json!({"id": "work", "script": script})), members);
            let run = scene.begin(side.job(name, json!({"steps": [step]})), json!({})).await;
            said(&run, "work", &side.hosts[0]).await;
            lose(scene, side);
            if name == "ask" {
                let asks = waits(&run).await;
                assert!(asks.contains("outcome is unknown"), "{asks}");
                let answer = Answer { approve: true, note: None };
                run.decide("work", Some(&side.hosts[0]), answer).await.unwrap();
            }
            let result = run.wait(LIMIT).await.unwrap();
            let (status, task, sent) = match name {
                "fail" => (RunStatus::Failed, Lost, 1),
                _ => (RunStatus::Succeeded, Succeeded, 2),
            };
            assert_eq!((result.status, result.steps[0].status), (status, task), "{name}: {:?}", result.steps);
            assert_eq!(side.lines(name).len(), sent, "{name}");
        }
    })
    .await;
}

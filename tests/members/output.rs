//! Much output of many tasks: nothing of it is lost or ends up elsewhere.

use std::{collections::BTreeMap, fmt::Write as _, time::Duration};

use opsconductor_core::{engine::LogQuery, run::RunStatus};
use serde_json::json;

use crate::scene::Scene;

/// Times three targets.
const STEPS: usize = 17;
const LINES: usize = 50_000;

/// So much takes its time on a slow machine.
const LIMIT: Duration = Duration::from_secs(900);

#[tokio::test]
async fn fifty_tasks_of_a_megabyte_each_lose_nothing() {
    let scene = Scene::start().await;
    let unix = &scene.sides[1];
    let script = format!("seq -f \"$WHO line %.0f\" 1 {LINES}");
    let steps = (0..STEPS).map(|step| {
        let who = format!("s{step} {{{{ target.name }}}}");
        unix.exec(json!({"id": format!("s{step}"), "targets": unix.hosts, "dependsOn": [], "script": script, "env": {"WHO": who}}))
    });
    let steps: Vec<_> = steps.collect();
    let run = scene.begin(json!({"name": "much", "version": 1, "steps": steps}), json!({})).await;
    assert_eq!(run.wait(LIMIT).await.unwrap().status, RunStatus::Succeeded);
    let mut log = run.log(LogQuery::default()).await.unwrap();
    let mut said: BTreeMap<(String, String), String> = BTreeMap::new();
    while let Some(piece) = log.next().await.unwrap() {
        *said.entry((piece.step, piece.target.unwrap())).or_default() += &piece.text;
    }
    assert_eq!(said.len(), STEPS * unix.hosts.len());
    for ((step, target), text) in said {
        let mut expected = String::with_capacity(text.len());
        for line in 1..=LINES {
            writeln!(expected, "{step} {target} line {line}").unwrap();
        }
        assert!(text == expected, "{step} on {target}: {} of {} bytes", text.len(), expected.len());
    }
    scene.end().await;
}

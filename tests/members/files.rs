//! Files: `winrm.copy`, `winrm.fetch`, `ssh.copy`, `ssh.fetch`.

use std::fs;

use opsconductor_core::run::TaskStatus::{Failed, Succeeded};
use serde_json::json;

use crate::{
    scene::{Scene, on_both, statuses},
    side::with,
};

#[tokio::test]
pub(crate) async fn contents_go_to_a_host_whole_and_replace_what_may_be_replaced() {
    on_both(async |scene, side| {
        let folder = scene.folder.path().join("files");
        fs::write(folder.join(side.protocol), "from the worker").unwrap();
        let to = |name: &str| side.path(name);
        side.write("kept", "kept");
        let steps = json!([
            side.step("copy", json!({"destPath": to("{{ file }}"), "content": "hello {{ who }}"})),
            side.step("copy", json!({"destPath": to("encoded"), "contentB64": "AQJ0aHJlZQ=="})),
            side.step("copy", json!({"destPath": to("brought"), "src": side.protocol})),
            side.step("copy", json!({"destPath": to("brought"), "content": "replaced"})),
            side.step("copy", json!({"destPath": to("kept"), "content": "lost", "overwrite": false, "continueOnError": true})),
        ]);
        let job = side.job("copies", json!({"steps": steps}));
        let result = scene.good(job, json!({"file": "greeting", "who": "O'Brien"})).await;
        assert_eq!(statuses(&result), [Succeeded, Succeeded, Succeeded, Succeeded, Failed]);
        let there = ["greeting", "encoded", "brought", "kept"].map(|name| side.read(name));
        assert_eq!(there, ["hello O'Brien", "\u{1}\u{2}three", "replaced", "kept"]);
        let reason = result.steps[4].error.as_deref().unwrap();
        assert!(reason.contains("overwrite is false"), "{reason}");
    })
    .await;
}

#[tokio::test]
pub(crate) async fn a_file_comes_from_each_host_to_a_folder_of_its_name() {
    on_both(async |scene, side| {
        side.write("report", "all is well");
        let from = |more| with(json!({"srcPath": side.path("{{ file }}")}), more);
        let fetch = |more| side.step("fetch", from(more));
        let steps = json!([
            fetch(json!({"targets": side.hosts, "dest": "back/report.txt"})),
            fetch(json!({})),
            fetch(json!({"dest": "large", "maxBytes": 5, "continueOnError": true})),
            fetch(json!({"dest": "back/report.txt", "overwrite": false, "continueOnError": true})),
        ]);
        let result =
            scene.good(side.job("fetches", json!({"steps": steps})), json!({"file": "report"})).await;
        assert_eq!(statuses(&result), [Succeeded, Succeeded, Succeeded, Succeeded, Failed, Failed]);
        let folder = scene.folder.path().join("files");
        for host in &side.hosts {
            assert_eq!(fs::read_to_string(folder.join(host).join("back/report.txt")).unwrap(), "all is well");
        }
        assert_eq!(fs::read_to_string(folder.join(&side.hosts[0]).join("report")).unwrap(), "all is well");
        assert!(!folder.join(&side.hosts[0]).join("large").exists());
        let reason = result.steps[4].error.as_deref().unwrap();
        assert!(reason.contains('5'), "{reason}");
    })
    .await;
}

#[tokio::test]
pub(crate) async fn a_copy_sets_permissions_where_a_host_has_them() {
    use std::os::unix::fs::PermissionsExt as _;

    let scene = Scene::start().await;
    let unix = &scene.sides[1];
    let step = unix.step("copy", json!({"destPath": unix.path("secret"), "content": "x", "mode": "600"}));
    scene.good(json!({"name": "mode", "version": 1, "steps": [step]}), json!({})).await;
    let mode = fs::metadata(unix.path("secret")).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);
    scene.end().await;
}

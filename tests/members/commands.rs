//! What a command is given: `command`, `script`, `shell`, `env`, `stdin`, `workingDirectory`, `sudo`; and its output: `maxOutputBytes`.

use opsconductor_core::{engine::LogQuery, run::TaskStatus::Failed};
use opsconductor_tests::openssh;
use serde_json::json;

use crate::scene::{LIMIT, Scene, on_both};

#[tokio::test]
pub(crate) async fn variables_input_and_folder_reach_a_script_that_no_template_touches() {
    on_both(async |scene, side| {
        let hostile = "it's \"so\" $(id) `id` %PATH% & | < > ; -x \u{e9}";
        let script = side.all(&[
            side.print("{{ word }}"),
            side.dialect.print_variable("WORD"),
            side.dialect.print_directory(),
            side.dialect.print_input(),
        ]);
        let step = json!({
            "script": script, "env": {"WORD": "{{ word }}"}, "stdin": "read {{ word }}",
            "workingDirectory": side.dialect.other_directory(),
        });
        let job = side.job("given", json!({"parameters": {"word": "unset"}, "steps": [side.exec(step)]}));
        let result = scene.good(job, json!({"word": hostile})).await;
        let lines: Vec<_> = result.steps[0].stdout.lines().collect();
        let folder = side.dialect.other_directory();
        assert_eq!(lines, ["{{ word }}", &format!("[{hostile}]"), &folder, &format!("read {hostile}")]);
    })
    .await;
}

#[tokio::test]
pub(crate) async fn a_command_runs_in_the_shell_that_it_names() {
    let scene = Scene::start().await;
    let [windows, unix] = &scene.sides;
    let cmd = windows
        .exec(json!({"shell": "cmd", "command": "if defined OS (echo it is cmd) else echo it is not"}));
    let powershell =
        windows.exec(json!({"shell": "powershell", "command": "$PSVersionTable.PSVersion.Major"}));
    let sh = unix.exec(json!({"shell": "sh", "command": "echo \"$((6 * 7))\""}));
    let job = json!({"name": "shells", "version": 1, "steps": [cmd, powershell, sh]});
    let result = scene.good(job, json!({})).await;
    let said: Vec<_> = result.steps.iter().map(|task| task.stdout.trim()).collect();
    assert_eq!(said, ["it is cmd", "5", "42"]);
    scene.end().await;
}

/// Without a password: root needs none, and the tests about those that do make users of their own.
#[tokio::test]
pub(crate) async fn a_command_runs_as_another_user() {
    assert_eq!(openssh::me(), "root", "sudo is proved as root alone: sudo make test");
    openssh::program("sudo", "sudo");
    let scene = Scene::start().await;
    let unix = &scene.sides[1];
    let steps = json!([
        unix.exec(json!({"command": "id -un", "sudo": true, "sudoUser": "nobody"})),
        unix.exec(json!({"command": "id -un", "sudo": true})),
    ]);
    let result = scene.good(json!({"name": "sudo", "version": 1, "steps": steps}), json!({})).await;
    let said: Vec<_> = result.steps.iter().map(|task| task.stdout.trim()).collect();
    assert_eq!(said, ["nobody", "root"]);
    scene.end().await;
}

#[tokio::test]
pub(crate) async fn output_is_kept_up_to_its_limit_and_the_cut_is_marked() {
    on_both(async |scene, side| {
        let script = side.dialect.print_lines(500, "0123456789").unwrap();
        let steps = json!([
            side.exec(json!({"id": "cut", "script": script, "maxOutputBytes": 1024})),
            side.exec(json!({"id": "whole", "script": script})),
        ]);
        let run = scene.begin(side.job("output", json!({"steps": steps})), json!({})).await;
        let result = run.wait(LIMIT).await.unwrap();
        assert!(result.steps.iter().all(|task| task.status != Failed), "{:?}", result.steps);
        let text = async |step: &str| {
            let mut log =
                run.log(LogQuery { step: Some(step.to_owned()), ..LogQuery::default() }).await.unwrap();
            let mut text = String::new();
            while let Some(piece) = log.next().await.unwrap() {
                text += &piece.text;
            }
            text
        };
        let cut = text("cut").await;
        let (kept, mark) = cut.split_once("\n[output cut").unwrap();
        assert_eq!(kept.len(), 1024);
        assert!(mark.contains("1024"), "{mark}");
        let whole = text("whole").await;
        let expected = (1..=500).map(|line| format!("{line} 0123456789"));
        assert!(whole.lines().eq(expected), "{whole}");
        assert!(whole.starts_with(kept));
        let found = run.search("499 0", LogQuery::default(), 10).await.unwrap();
        assert_eq!(found.iter().map(|found| found.step.as_str()).collect::<Vec<_>>(), ["whole"]);
    })
    .await;
}

//! Configuration as code from the command line: plan, apply, drift, prune.

use std::{fs, process::Command};

use serde_json::Value;

use crate::{opsconductor, text};

#[test]
fn a_folder_is_planned_applied_and_drift_is_told_by_the_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    let files = folder.path().join("ops");
    fs::create_dir_all(files.join("hosts")).unwrap();
    fs::create_dir(files.join(".git")).unwrap();
    fs::write(files.join(".git/odd.yaml"), "{").unwrap();
    fs::write(files.join("README.md"), "not read").unwrap();
    fs::write(
        files.join("hosts/status.yml"),
        "targets: [{name: status, hostname: 10.0.0.7, protocol: http}]\n",
    )
    .unwrap();
    let job = r#"{"name": "Look", "version": 1, "steps": [{"type": "http.request", "target": "status", "path": "/"}]}"#;
    fs::write(files.join("look.json"), job).unwrap();
    let store = format!("sqlite:{}", folder.path().join("ops.db").display());
    assert!(opsconductor(&["migrate", "--store", &store]).status.success());
    let apply = |more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_opsconductor"));
        let said =
            command.args(["apply", "-f"]).arg(&files).args(["--store", &store]).args(more).output().unwrap();
        (said.status.code(), text(&said.stdout), text(&said.stderr))
    };

    let (code, said, _) = apply(&["--plan"]);
    assert_eq!((code, said.as_str()), (Some(1), "create target status\ncreate job Look\n"));
    assert_eq!(apply(&["--plan"]).0, Some(1), "a plan changes nothing");
    let (code, said, _) = apply(&["--json"]);
    let made: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(
        (code, made["changes"].as_array().map(Vec::len), &made["applied"]),
        (Some(0), Some(2), &true.into())
    );
    let (code, said, told) = apply(&["--plan", "--prune"]);
    assert_eq!((code, said.as_str()), (Some(0), ""), "{told}");

    fs::write(
        files.join("hosts/status.yml"),
        "targets: [{name: status, hostname: 10.0.0.8, protocol: http}]\n",
    )
    .unwrap();
    let (code, said, _) = apply(&["--plan"]);
    assert_eq!((code, said.as_str()), (Some(1), "update target status (hostname)\n"));
    fs::remove_file(files.join("look.json")).unwrap();
    assert_eq!(apply(&["--prune"]).1, "update target status (hostname)\ndelete job Look\n");

    fs::write(
        files.join("bad.yaml"),
        "targets: [{name: status, hostname: x}, {name: s, port: many}]\nx: 1\n",
    )
    .unwrap();
    let (code, _, told) = apply(&[]);
    assert_eq!(code, Some(2));
    for place in ["bad.yaml#/targets/1", "bad.yaml#/x"] {
        assert!(told.contains(place), "{told}");
    }
    assert!(!told.contains("many"), "{told}");
    let empty = folder.path().join("empty");
    fs::create_dir(&empty).unwrap();
    for path in [empty.to_str().unwrap(), "/nowhere/at/all"] {
        assert_eq!(opsconductor(&["apply", "-f", path, "--store", &store]).status.code(), Some(2), "{path}");
    }
}

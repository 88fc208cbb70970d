//! The program as a person meets it: what it prints, and how it exits.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    fs,
    io::Write,
    process::{Command, Output, Stdio},
};

#[cfg(feature = "sqlite")]
#[path = "cli/config.rs"]
mod config;
#[cfg(all(unix, feature = "sqlite"))]
#[path = "cli/keys.rs"]
mod keys;
#[cfg(feature = "sqlite")]
#[path = "cli/notifications.rs"]
mod notifications;
#[cfg(feature = "sqlite")]
#[path = "cli/serve.rs"]
mod serve;
#[cfg(feature = "sqlite")]
#[path = "cli/serve_services.rs"]
mod serve_services;
#[cfg(all(unix, feature = "sqlite"))]
#[path = "cli/signals.rs"]
mod signals;
#[cfg(feature = "sqlite")]
#[path = "cli/users.rs"]
mod users;

use serde_json::Value;

fn opsconductor(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_opsconductor")).args(arguments).stdin(Stdio::null()).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

const SEED: &str = r#"{"name": "Restart service on Windows", "version": 1, "parameters": {"svc": "Spooler"}, "steps": [
    {"type": "winrm.exec", "shell": "powershell", "target": "sample-windows-server",
     "command": "Restart-Service {{ svc }}; (Get-Service {{ svc }}).Status", "timeoutSec": 90},
    {"type": "winrm.copy", "target": "sample-windows-server", "destPath": "C:\\temp\\{{ svc }}.txt",
     "contentB64": "aGVsbG8=", "overwrite": true, "timeoutSec": 60}]}"#;

#[test]
fn a_definition_that_holds_exits_0_from_a_file_and_from_standard_input() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("job.json");
    fs::write(&file, SEED).unwrap();
    let said = opsconductor(&["job", "validate", file.to_str().unwrap()]);
    assert_eq!(said.status.code(), Some(0), "{}", text(&said.stderr));

    let mut piped = Command::new(env!("CARGO_BIN_EXE_opsconductor"))
        .args(["job", "validate", "-", "--json"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    piped.stdin.take().unwrap().write_all(SEED.as_bytes()).unwrap();
    let said = piped.wait_with_output().unwrap();
    let answer: Value = serde_json::from_slice(&said.stdout).unwrap();
    assert_eq!((said.status.code(), &answer["valid"]), (Some(0), &Value::Bool(true)));
}

#[test]
fn every_problem_is_shown_with_its_place_and_the_exit_code_is_2() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("job.yaml");
    let bad = r#"
name: Broken
version: 1
surprise: true
steps:
  - type: winrm.exec
    shell: powershell
    command: "Get-Service '{{ svc | quote }}'"
    target: web-1
  - type: winrm.exec
    shell: bash
    command: "{{ oops"
    timeoutSec: soon
"#;
    fs::write(&file, bad).unwrap();
    let said = opsconductor(&["job", "validate", file.to_str().unwrap(), "--json"]);
    assert_eq!(said.status.code(), Some(2));
    let answer: Value = serde_json::from_slice(&said.stdout).unwrap();
    assert_eq!(answer["valid"], false);
    let pointers: Vec<&str> = answer["problems"]
        .as_array()
        .unwrap()
        .iter()
        .map(|problem| problem["pointer"].as_str().unwrap())
        .collect();
    for pointer in [
        "/surprise",
        "/steps/0/command",
        "/steps/1",
        "/steps/1/shell",
        "/steps/1/command",
        "/steps/1/timeoutSec",
    ] {
        assert!(pointers.contains(&pointer), "{pointer} is not among {pointers:?}");
    }
    let said = text(&opsconductor(&["job", "validate", file.to_str().unwrap()]).stderr);
    assert!(said.contains("/surprise: ") && said.contains("problems"), "{said}");
}

#[test]
fn what_is_neither_json_nor_yaml_or_not_there_is_said_in_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("job");
    fs::write(&file, "{\"name\": ").unwrap();
    let said = opsconductor(&["job", "validate", file.to_str().unwrap()]);
    assert_eq!(said.status.code(), Some(2));
    assert!(text(&said.stderr).contains("line 1"), "{}", text(&said.stderr));

    let missing = folder.path().join("missing.json");
    let said = opsconductor(&["job", "validate", missing.to_str().unwrap()]);
    assert_eq!(said.status.code(), Some(2));
    assert!(text(&said.stderr).contains("missing.json"), "{}", text(&said.stderr));
    let help = text(&opsconductor(&["--help"]).stdout);
    let documented = help.lines().find(|line| line.trim_start().starts_with("2  ")).unwrap();
    assert!(documented.contains("the input cannot be read"), "{documented}");
}

#[test]
fn a_key_is_256_bits_new_each_time_and_its_file_is_private_and_never_overwritten() {
    let first = text(&opsconductor(&["key", "generate"]).stdout);
    assert_eq!(first.trim().len(), 44, "256 bits in base64");
    assert_ne!(first, text(&opsconductor(&["key", "generate"]).stdout));

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key");
    let said = opsconductor(&["key", "generate", "--out", file.to_str().unwrap()]);
    assert_eq!((said.status.code(), said.stdout.len()), (Some(0), 0), "a key in a file is not shown");
    let key = fs::read(&file).unwrap();
    #[cfg(unix)]
    assert_eq!(
        std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&file).unwrap().permissions()) & 0o777,
        0o600
    );
    let again = opsconductor(&["key", "generate", "--out", file.to_str().unwrap()]);
    assert_ne!(again.status.code(), Some(0));
    assert_eq!(fs::read(&file).unwrap(), key);
}

#[test]
fn a_reader_that_has_gone_away_ends_the_program_quietly() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let key = Command::new(env!("CARGO_BIN_EXE_opsconductor"))
        .args(["key", "generate"])
        .stdout(writer.try_clone().unwrap())
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    assert_eq!((key.status.code(), text(&key.stderr).as_str()), (Some(0), ""));

    let missing = Command::new(env!("CARGO_BIN_EXE_opsconductor"))
        .args(["job", "validate", "/nowhere/missing.json"])
        .stderr(writer)
        .status()
        .unwrap();
    assert_eq!(missing.code(), Some(2), "an error that nobody reads keeps its exit code");
}

#[cfg(target_os = "linux")]
#[test]
fn a_result_that_cannot_be_written_is_said_and_exits_3() {
    let full = || fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("job.json");
    fs::write(&file, SEED).unwrap();
    for arguments in [vec!["key", "generate"], vec!["job", "validate", "--json", file.to_str().unwrap()]] {
        let said = Command::new(env!("CARGO_BIN_EXE_opsconductor"))
            .args(&arguments)
            .stdout(full())
            .stderr(Stdio::piped())
            .output()
            .unwrap();
        let sentence = text(&said.stderr);
        assert_eq!(said.status.code(), Some(3), "{arguments:?}: {sentence}");
        assert!(sentence.contains("cannot be written to standard output"), "{sentence}");
    }
    let validated = Command::new(env!("CARGO_BIN_EXE_opsconductor"))
        .args(["job", "validate", file.to_str().unwrap()])
        .stderr(full())
        .status()
        .unwrap();
    assert_eq!(validated.code(), Some(0), "what is said to nobody changes nothing");
}

#[cfg(feature = "sqlite")]
mod demo {
    use super::*;

    #[test]
    fn the_demo_runs_both_jobs_on_three_hosts_and_exits_0() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().to_str().unwrap();
        // Twice on the same data: the second start finds what the first one wrote.
        for _ in 0..2 {
            let said = opsconductor(&["demo", "--once", "--json", "--data", data]);
            assert_eq!(said.status.code(), Some(0), "{}", text(&said.stderr));
            let answer: Value = serde_json::from_slice(&said.stdout).unwrap();
            let runs = answer["runs"].as_array().unwrap();
            assert_eq!(runs.len(), 2);
            for run in runs {
                assert_eq!(run["status"], "succeeded");
                let steps = run["steps"].as_array().unwrap();
                let mut targets: Vec<&str> =
                    steps.iter().map(|step| step["target"].as_str().unwrap()).collect();
                targets.sort_unstable();
                targets.dedup();
                assert_eq!(targets, ["db-1", "web-1", "web-2"]);
                assert!(
                    steps.iter().all(|step| step["status"] == "succeeded" && step["duration_ms"].is_number())
                );
            }
            assert!(
                text(&said.stderr).contains("Hello from Sample copy, read back to web-1"),
                "output is shown"
            );
        }
    }

    #[test]
    fn a_data_file_that_is_not_ours_is_refused_in_a_sentence_and_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("opsconductor.db");
        fs::write(&database, "a letter to my aunt, not a database").unwrap();
        let key = folder.path().join("key");
        assert!(opsconductor(&["key", "generate", "--out", key.to_str().unwrap()]).status.success());
        let said = opsconductor(&["demo", "--once", "--data", folder.path().to_str().unwrap()]);
        assert_eq!(said.status.code(), Some(3));
        let sentence = text(&said.stderr);
        assert!(sentence.contains("opsconductor.db") && !sentence.contains("panicked"), "{sentence}");
        assert_eq!(fs::read(&database).unwrap(), b"a letter to my aunt, not a database");
    }

    #[test]
    fn a_database_whose_key_is_gone_is_refused_in_a_sentence_and_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().to_str().unwrap();
        assert!(opsconductor(&["demo", "--once", "--data", data]).status.success());
        fs::remove_file(folder.path().join("key")).unwrap();
        let files = || {
            let mut files: Vec<_> = fs::read_dir(folder.path())
                .unwrap()
                .map(|entry| entry.unwrap().path())
                .map(|path| (path.clone(), fs::read(path).unwrap()))
                .collect();
            files.sort();
            files
        };
        let before = files();
        let said = opsconductor(&["demo", "--once", "--data", data]);
        let sentence = text(&said.stderr);
        assert_eq!(said.status.code(), Some(3), "{sentence}");
        assert!(sentence.contains("key") && sentence.contains("--data"), "{sentence}");
        assert!(files() == before, "neither a new key nor a change to the database");
    }
}

#[cfg(feature = "sqlite")]
#[test]
fn the_audit_record_is_checked_signed_and_exported() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (store, key, note) = (format!("sqlite:{}", path("ops.db")), path("key"), path("note"));
    let run = |arguments: &[&str]| {
        let said = opsconductor(arguments);
        (said.status.code(), text(&said.stdout), text(&said.stderr))
    };
    let audit = |command: &str, more: &[&str]| {
        run(&[&["audit", command, "--store", &store, "--key", &key], more].concat())
    };
    assert_eq!(run(&["key", "generate", "--out", &key]).0, Some(0));
    assert_eq!(run(&["migrate", "--store", &store]).0, Some(0));
    let (code, _, said) = audit("checkpoint", &[]);
    assert_eq!(code, Some(2), "nothing is there to sign: {said}");
    let job = r#"{"name": "nap", "version": 1, "steps": [{"type": "sleep", "durationSec": 1}]}"#;
    fs::write(path("job.json"), job).unwrap();
    let (code, _, said) = run(&["job", "apply", &path("job.json"), "--store", &store]);
    assert_eq!(code, Some(0), "{said}");

    let (code, signed, said) = audit("checkpoint", &[]);
    assert_eq!(code, Some(0), "{said}");
    fs::write(&note, &signed).unwrap();
    let (code, report, _) = audit("verify", &["--json", "--checkpoint", &note]);
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!((code, &report["ok"], &report["records"]), (Some(0), &Value::Bool(true), &Value::from(2)));
    let (code, lines, _) = audit("export", &[]);
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(code, Some(0));
    assert_eq!((lines.len(), lines[0]["action"].as_str()), (3, Some("jobs.create")));
    assert!(lines[2]["checkpoint"].as_str().unwrap().starts_with("opsconductor/opsconductor/1\n2\n"));
    let (code, public, _) = audit("public-key", &["--json"]);
    let public: Value = serde_json::from_str(&public).unwrap();
    assert_eq!(code, Some(0));
    assert!(public["key"].as_str().unwrap().starts_with("opsconductor/opsconductor/1+"), "{public}");

    fs::write(&note, signed.replace("/1\n1\n", "/1\n9\n")).unwrap();
    let (code, _, said) = audit("verify", &["--checkpoint", &note]);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("not signed by this key"), "{said}");
}

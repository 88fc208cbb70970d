//! Notifications from the command line: the password of the mail server comes from a file or standard input, and is never shown.

use std::{
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

use serde_json::{Value, json};

use crate::{opsconductor, text};

const CANARY: &str = "c4nary-smtp";

fn ask(folder: &Path, arguments: &[&str], input: &str) -> (Option<i32>, String, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_opsconductor"))
        .args(arguments)
        .env("OPSCONDUCTOR_STORE", format!("sqlite:{}", folder.join("ops.db").display()))
        .env_remove("OPSCONDUCTOR_KEY")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that reads nothing may have ended already.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    let (answer, said) = (text(&output.stdout), text(&output.stderr));
    assert!(!answer.contains(CANARY) && !said.contains(CANARY), "{answer} {said}");
    (output.status.code(), answer, said)
}

#[test]
fn the_mail_server_is_set_from_standard_input_and_shown_without_its_password() {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key");
    let made = opsconductor(&["key", "generate", "--out", key.to_str().unwrap()]);
    assert!(made.status.success());
    let ask = |arguments: &[&str], input: &str| ask(folder.path(), arguments, input);
    let key = key.to_str().unwrap();
    assert_eq!(ask(&["migrate"], "").0, Some(0));
    assert_eq!(ask(&["notification", "smtp", "--json"], "").1.trim(), "null");
    let mut server = json!({"host": "mail.example.com", "port": 587, "security": "starttls", "username": "ops",
        "password": CANARY, "from_email": "ops@example.com"});
    let (code, _, said) = ask(&["notification", "smtp", "-", "--key", key], &server.to_string());
    assert_eq!(code, Some(0), "{said}");
    let (_, shown, _) = ask(&["notification", "smtp", "--json"], "");
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!((&shown["host"], &shown["password"]), (&json!("mail.example.com"), &json!("********")));
    // What is shown can be sent back.
    let (code, _, said) = ask(&["notification", "smtp", "-"], &shown.to_string());
    assert_eq!(code, Some(0), "{said}");
    assert!(ask(&["notification", "smtp"], "").1.contains("********"));
    server["from_email"] = json!("a@b\r\nBcc: c@d");
    let (code, _, said) = ask(&["notification", "smtp", "-", "--key", key], &server.to_string());
    assert_eq!(code, Some(2));
    assert!(said.contains("mail address"), "{said}");
    let (code, _, said) = ask(&["notification", "smtp", "-"], &format!("{{\"password\": \"{CANARY}\", }}"));
    assert_eq!(code, Some(2));
    assert!(said.contains("line 1"), "{said}");
}

#[test]
fn rules_and_deliveries_are_shown_and_changed() {
    let folder = tempfile::tempdir().unwrap();
    let ask = |arguments: &[&str], input: &str| ask(folder.path(), arguments, input);
    assert_eq!(ask(&["migrate"], "").0, Some(0));
    let rules = json!([{"on": "failure", "channel": "webhook", "dest": "https://hooks.example.com/a"}]);
    assert_eq!(ask(&["notification", "rules", "-"], &rules.to_string()).0, Some(0));
    let (_, shown, _) = ask(&["notification", "rules", "--json"], "");
    assert_eq!(serde_json::from_str::<Value>(&shown).unwrap(), rules);
    let bad = json!([{"on": "failure", "channel": "webhook", "dest": "ftp://a"}]);
    let (code, _, said) = ask(&["notification", "rules", "-"], &bad.to_string());
    assert!(code == Some(2) && said.contains("https://"), "{said}");
    assert_eq!(ask(&["notification", "stop"], "").0, Some(0));
    assert_eq!(ask(&["notification", "stop"], "").0, Some(2));
    let (_, status, _) = ask(&["notification", "status", "--json"], "");
    assert_eq!(serde_json::from_str::<Value>(&status).unwrap()["worker_running"], false);
    assert_eq!(ask(&["notification", "start"], "").0, Some(0));
    let (_, list, _) = ask(&["notification", "list", "--status", "failed", "--json"], "");
    assert_eq!(serde_json::from_str::<Value>(&list).unwrap(), json!({"notifications": [], "total": 0}));
    let (code, _, said) = ask(&["notification", "redrive", "7"], "");
    assert!(code == Some(3) && said.contains("no such notification"), "{said}");
}

//! Accounts from the command line: a password is never among the arguments, and never shown.

use std::{
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

use serde_json::Value;

use crate::{opsconductor, text};

const CANARY: &str = "c4nary-Pa55+wörd";

/// A command on the store in `folder` with a line on standard input: its exit code, its answer, and what it said.
fn ask(folder: &Path, arguments: &[&str], line: &str) -> (Option<i32>, String, String) {
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
    let _ = child.stdin.take().unwrap().write_all(line.as_bytes());
    let output = child.wait_with_output().unwrap();
    let (answer, said) = (text(&output.stdout), text(&output.stderr));
    assert!(!answer.contains(CANARY) && !said.contains(CANARY), "{answer} {said}");
    (output.status.code(), answer, said)
}

#[test]
fn people_are_added_listed_changed_and_removed() {
    let folder = tempfile::tempdir().unwrap();
    let ask = |arguments: &[&str], line: &str| ask(folder.path(), arguments, line);
    assert_eq!(ask(&["migrate"], "").0, Some(0));
    let line = format!("{CANARY}\n");

    let (code, answer, said) =
        ask(&["user", "add", "root", "--email", "root@example.com", "--role", "admin", "--json"], &line);
    assert_eq!(code, Some(0), "{said}");
    let added: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!((&added["username"], &added["role"]), (&"root".into(), &"admin".into()));
    assert!(added.get("password").is_none() && added.get("pwd_hash").is_none(), "{answer}");

    let (code, _, said) = ask(&["user", "add", "ann", "--email", "ann@example.com"], &line);
    assert_eq!(code, Some(0), "{said}");
    let (code, _, said) = ask(&["user", "add", "ann", "--email", "other@example.com"], &line);
    assert_eq!(code, Some(2));
    assert!(said.contains("a user of this name exists already"), "{said}");
    for (line, reason) in [("", "no password is given"), ("too short\n", "at least 12 characters")] {
        let (code, _, said) = ask(&["user", "add", "bob", "--email", "bob@example.com"], line);
        assert_eq!(code, Some(2));
        assert!(said.contains(reason), "{said}");
    }

    let (_, table, _) = ask(&["user", "list"], "");
    let row = |name: &str| table.lines().find(|row| row.contains(name)).unwrap_or_default().to_owned();
    assert!(
        row("ann@example.com").contains("viewer") && row("root@example.com").contains("admin"),
        "{table}"
    );
    assert!(!table.contains("bob"), "{table}");

    assert_eq!(ask(&["user", "role", "ann", "operator"], "").0, Some(0));
    assert_eq!(ask(&["user", "disable", "ann"], "").0, Some(0));
    assert_eq!(ask(&["user", "password", "ann"], "another password\n").0, Some(0));
    let (_, answer, _) = ask(&["user", "list", "--json"], "");
    let list: Value = serde_json::from_str(&answer).unwrap();
    let ann = &list["users"][0];
    assert_eq!(
        (&list["total"], &ann["role"], &ann["is_active"]),
        (&2.into(), &"operator".into(), &false.into())
    );
    assert_eq!(ann["token_version"], 3);
    assert_eq!(ask(&["user", "enable", "ann"], "").0, Some(0));

    for last in [["user", "disable", "root"], ["user", "delete", "root"]] {
        let (code, _, said) = ask(&last, "");
        assert_eq!(code, Some(2));
        assert!(said.contains("the last active admin"), "{said}");
    }
    assert_eq!(ask(&["user", "delete", "ann"], "").0, Some(0));
    let (code, _, said) = ask(&["user", "role", "ann", "viewer"], "");
    assert_eq!(code, Some(3));
    assert!(said.contains("no such user"), "{said}");
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        assert!(!bytes.windows(CANARY.len()).any(|window| window == CANARY.as_bytes()));
    }
}

#[test]
fn a_password_is_no_argument() {
    for arguments in [
        &["user", "add", "ann", "--email", "a@b", "--password", CANARY][..],
        &["user", "password", "ann", CANARY],
    ] {
        assert_eq!(opsconductor(arguments).status.code(), Some(2));
    }
}

#[test]
fn the_table_of_rights_is_printed() {
    let table = text(&opsconductor(&["auth", "matrix"]).stdout);
    let row = |resource: &str, action: &str| {
        let mut rows = table.lines().map(|row| row.split_whitespace().collect::<Vec<_>>());
        rows.find(|row| row[..2] == [resource, action]).unwrap_or_default()[2..].to_vec()
    };
    assert_eq!(row("job", "execute"), ["-", "yes", "yes"]);
    assert_eq!(row("job", "read"), ["yes", "yes", "yes"]);
    assert_eq!(row("credential", "decrypt"), ["-", "-", "yes"]);
    let answer: Value = serde_json::from_slice(&opsconductor(&["auth", "matrix", "--json"]).stdout).unwrap();
    let rows = answer["policy"].as_array().unwrap();
    assert_eq!(rows.len() + 1, table.lines().count());
    let of = |resource: &str, action: &str| {
        let found = rows.iter().find(|row| row["resource"] == resource && row["action"] == action);
        found.unwrap()["roles"].clone()
    };
    assert_eq!(of("user", "create"), serde_json::json!(["admin"]));
    assert_eq!(of("account", "update"), serde_json::json!(["viewer", "operator", "admin"]));
}

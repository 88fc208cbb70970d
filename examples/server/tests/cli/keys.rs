//! A key is rotated from the command line.

use std::{fs, path::Path};

use serde_json::Value;

use super::{opsconductor, text};

/// A folder of the demo: a database, and the key that its credentials are sealed under.
struct Scene {
    folder: tempfile::TempDir,
    store: String,
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().to_str().unwrap();
        assert!(opsconductor(&["demo", "--once", "--data", data]).status.success());
        let store = format!("sqlite:{}", folder.path().join("opsconductor.db").display());
        Self { folder, store }
    }

    fn file(&self) -> std::path::PathBuf {
        self.folder.path().join("key")
    }

    /// `opsconductor key COMMAND …` on this store with the keys in `file`: its exit code, and its answer.
    fn key(&self, command: &[&str], file: &Path) -> (Option<i32>, Value, String) {
        let place = ["--json", "--store", &self.store, "--key", file.to_str().unwrap()];
        let said = opsconductor(&[&["key"], command, &place].concat());
        (said.status.code(), serde_json::from_slice(&said.stdout).unwrap_or_default(), text(&said.stderr))
    }

    /// Puts a new key in front of the others and answers the ids of both.
    fn flip(&self) -> (String, String) {
        let old = fs::read_to_string(self.file()).unwrap();
        let new = text(&opsconductor(&["key", "generate"]).stdout);
        fs::write(self.file(), format!("{new}# the former one\n{old}")).unwrap();
        let (code, status, said) = self.key(&["status"], &self.file());
        assert_eq!(code, Some(0), "{said}");
        let id = |place: usize| status["keys"][place]["id"].as_str().unwrap().to_owned();
        (id(0), id(1))
    }
}

/// How many credentials are sealed under each key, the current one first.
fn credentials(status: &Value) -> Vec<u64> {
    let keys = status["keys"].as_array().unwrap();
    keys.iter().map(|key| key["records"]["credential"].as_u64().unwrap_or_default()).collect()
}

#[test]
fn a_key_is_rotated_and_dropped_when_nothing_needs_it() {
    let scene = Scene::new();
    let (new, old) = scene.flip();
    let before = scene.key(&["status"], &scene.file()).1;
    let count = credentials(&before)[1];
    assert!(credentials(&before)[0] == 0 && count > 0, "{before}");
    assert_eq!((&before["keys"][0]["current"], &before["keys"][1]["current"]), (&true.into(), &false.into()));

    let keys = fs::read_to_string(scene.file()).unwrap();
    let (code, _, said) = scene.key(&["retire", &old], &scene.file());
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains(&format!("{count} record")) && said.contains("rewrap"), "{said}");
    let (code, _, said) = scene.key(&["retire", &new], &scene.file());
    assert!(code == Some(2) && said.contains("current"), "{said}");
    assert_eq!(fs::read_to_string(scene.file()).unwrap(), keys, "a refused key stays");

    let (code, moved, said) = scene.key(&["rewrap"], &scene.file());
    assert_eq!((code, &moved["left"]), (Some(0), &0.into()), "{said}");
    assert_eq!(moved["progress"]["moved"], count);
    let (code, moved, _) = scene.key(&["rewrap"], &scene.file());
    assert_eq!((code, &moved["progress"]["moved"]), (Some(0), &0.into()), "there is nothing left to do");
    assert_eq!(credentials(&scene.key(&["status"], &scene.file()).1), [count, 0]);

    let (code, answer, said) = scene.key(&["retire", &old], &scene.file());
    assert_eq!((code, &answer["removed"]), (Some(0), &true.into()), "{said}");
    let left = fs::read_to_string(scene.file()).unwrap();
    assert!(
        left == keys.lines().take(2).map(|line| format!("{line}\n")).collect::<String>(),
        "one key is left"
    );
    let (code, _, said) = scene.key(&["retire", &old], &scene.file());
    assert_eq!(code, Some(3), "{said}");
    // What was sealed under the old key opens under the new one alone.
    let data = scene.folder.path().to_str().unwrap();
    assert!(opsconductor(&["demo", "--once", "--data", data]).status.success());
}

#[test]
fn records_whose_key_is_not_there_are_named_and_stay() {
    let scene = Scene::new();
    let other = scene.folder.path().join("other");
    assert!(opsconductor(&["key", "generate", "--out", other.to_str().unwrap()]).status.success());
    let (code, status, said) = scene.key(&["status"], &other);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(status["keys"][1]["loaded"], false);
    let count = credentials(&status)[1];
    for command in ["rewrap", "reseal"] {
        let (code, moved, said) = scene.key(&[command], &other);
        assert_eq!(
            (code, &moved["left"], &moved["progress"]["failed"]),
            (Some(1), &count.into(), &count.into()),
            "{said}"
        );
        let reason = moved["not_moved"][0]["reason"].as_str().unwrap();
        assert!(reason.contains("no key with this id"), "{reason}");
    }
    let (code, moved, said) = scene.key(&["reseal"], &scene.file());
    assert_eq!((code, &moved["progress"]["moved"]), (Some(0), &count.into()), "{said}");
}

#[test]
fn a_table_lists_the_keys_for_a_person() {
    let scene = Scene::new();
    let (new, old) = scene.flip();
    let file = scene.file();
    let said = opsconductor(&["key", "status", "--store", &scene.store, "--key", file.to_str().unwrap()]);
    let table = text(&said.stdout);
    let line = |id: &str| table.lines().find(|line| line.starts_with(id)).unwrap().to_owned();
    assert!(line(&new).contains("current") && line(&old).contains("former"), "{table}");
}

//! What is opened, what is refused, and that the refused file stays as it was.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use opsconductor_core::{ErrorKind, store::Catalog};
use opsconductor_store_sqlite::{SqliteOptions, SqliteStore};
use rusqlite::Connection;
use tempfile::TempDir;

fn options() -> SqliteOptions {
    SqliteOptions::default().with_busy_timeout(Duration::from_millis(50))
}

fn place() -> (TempDir, PathBuf) {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("data.db");
    (directory, path)
}

/// The names and bytes of all that lies in a directory.
fn contents(directory: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect();
    found.sort();
    found
}

/// Opens what must be refused, and looks that nothing in its directory changed.
fn refused(path: &Path, kind: ErrorKind, words: &str) {
    let directory = path.parent().filter(|parent| parent.is_dir());
    let before = directory.map(contents);
    let error = SqliteStore::open(path, options()).expect_err("it is refused");
    assert_eq!(error.kind(), kind, "{error}");
    assert_eq!(error.is_retryable(), kind == ErrorKind::StoreUnavailable);
    let text = error.to_string();
    assert!(text.contains(words), "{text}");
    assert!(text.contains(path.to_str().unwrap()), "it names the place: {text}");
    assert!(!text.contains('\n'), "{text}");
    assert_eq!(directory.map(contents), before, "the file is as it was");
}

#[test]
fn a_file_that_is_not_sqlite_is_refused() {
    let (_directory, path) = place();
    for text in ["x", "hello, I am somebody's notes", &"a line of a longer file\n".repeat(1000)] {
        fs::write(&path, text).unwrap();
        refused(&path, ErrorKind::Store, "not a SQLite database");
    }
}

#[test]
fn a_database_of_another_application_is_refused() {
    for (id, wal) in [(0x1234, false), (0x1234, true), (0, false), (0, true)] {
        let (_directory, path) = place();
        let other = Connection::open(&path).unwrap();
        if wal {
            other.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(())).unwrap();
        }
        other.pragma_update(None, "application_id", id).unwrap();
        other.execute_batch("CREATE TABLE theirs (x); INSERT INTO theirs VALUES (1)").unwrap();
        drop(other);
        refused(&path, ErrorKind::Store, "another application");
    }
}

#[test]
fn another_application_that_is_at_work_is_not_disturbed() {
    let (_directory, path) = place();
    let other = Connection::open(&path).unwrap();
    other.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(())).unwrap();
    other.execute_batch("CREATE TABLE theirs (x); INSERT INTO theirs VALUES (1)").unwrap();
    let main = fs::read(&path).unwrap();
    let error = SqliteStore::open(&path, options()).expect_err("it is refused");
    assert!(error.to_string().contains("another application"), "what its log says counts: {error}");
    assert_eq!(fs::read(&path).unwrap(), main);
    other.execute_batch("INSERT INTO theirs VALUES (2)").unwrap();
}

#[test]
fn a_newer_schema_is_refused() {
    let (_directory, path) = place();
    drop(SqliteStore::open(&path, options()).unwrap());
    let newer = Connection::open(&path).unwrap();
    newer.execute("INSERT INTO opsconductor_migrations VALUES (999, 'from_the_future', 0)", []).unwrap();
    drop(newer);
    refused(&path, ErrorKind::Store, "newer version");
}

#[test]
fn a_locked_file_is_unavailable() {
    let (_directory, path) = place();
    drop(SqliteStore::open(&path, options()).unwrap());
    let other = Connection::open(&path).unwrap();
    other.pragma_update(None, "locking_mode", "EXCLUSIVE").unwrap();
    other.execute_batch("BEGIN EXCLUSIVE; INSERT INTO tenants (name, created_at) VALUES ('x', 0)").unwrap();
    let main = fs::read(&path).unwrap();
    let error = SqliteStore::open(&path, options()).expect_err("it is locked");
    assert_eq!(error.kind(), ErrorKind::StoreUnavailable, "{error}");
    assert!(error.is_retryable() && error.to_string().contains("locked"), "{error}");
    assert_eq!(fs::read(&path).unwrap(), main);
    other.execute_batch("ROLLBACK").unwrap();
    drop(other);
    SqliteStore::open(&path, options()).unwrap();
}

#[test]
fn an_empty_file_that_is_locked_is_unavailable() {
    let (_directory, path) = place();
    fs::write(&path, "").unwrap();
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    refused(&path, ErrorKind::StoreUnavailable, "locked");
}

#[test]
fn places_that_cannot_hold_a_file_are_refused() {
    let (directory, path) = place();
    let folder = directory.path().join("folder");
    fs::create_dir(&folder).unwrap();
    refused(&folder, ErrorKind::Store, "is a directory");
    refused(&directory.path().join("absent").join("data.db"), ErrorKind::Store, "cannot be made");
    fs::write(&path, "").unwrap();
    refused(&path.join("data.db"), ErrorKind::Store, "cannot be reached");
    assert_eq!(SqliteStore::open("", options()).expect_err("no path").kind(), ErrorKind::Store);
}

#[cfg(unix)]
#[test]
fn a_file_that_cannot_be_written_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let (_directory, path) = place();
    drop(SqliteStore::open(&path, options()).unwrap());
    fs::set_permissions(&path, fs::Permissions::from_mode(0o444)).unwrap();
    if fs::OpenOptions::new().write(true).open(&path).is_ok() {
        // The superuser may write anything, so there is nothing to refuse.
        return;
    }
    refused(&path, ErrorKind::Store, "cannot be written to");
}

#[tokio::test]
async fn what_was_made_is_opened_again() {
    let (_directory, path) = place();
    let store = SqliteStore::open(&path, options()).unwrap();
    let made = store.create_tenant("acme").await.unwrap();
    let id = store.reserve_credential_id().await.unwrap();
    drop(store);
    let store = SqliteStore::open(&path, options()).unwrap();
    assert_eq!(store.tenant_by_name("acme").await.unwrap(), made);
    assert_ne!(store.reserve_credential_id().await.unwrap(), id, "not given again after a restart");
}

#[tokio::test]
async fn a_clean_close_leaves_all_in_the_one_file() {
    let (directory, path) = place();
    let store = SqliteStore::open(&path, options()).unwrap();
    let made = store.create_tenant("acme").await.unwrap();
    drop(store);
    assert_eq!(contents(directory.path()).len(), 1, "no log is left beside it");
    let copy = directory.path().join("copy.db");
    fs::copy(&path, &copy).unwrap();
    let store = SqliteStore::open(&copy, options()).unwrap();
    assert_eq!(store.tenant_by_name("acme").await.unwrap(), made);
}

#[tokio::test]
async fn an_empty_file_and_a_strange_name_will_do() {
    let (directory, _) = place();
    let path = directory.path().join("dä ta?mode=memory#%41.db");
    fs::write(&path, "").unwrap();
    let store = SqliteStore::open(&path, options()).unwrap();
    assert_eq!(store.path(), path);
    store.create_tenant("acme").await.unwrap();
    drop(store);
    assert!(fs::metadata(&path).unwrap().len() > 0);
    let store = SqliteStore::open(&path, options()).unwrap();
    assert!(store.tenant_by_name("acme").await.is_ok());
}

#[cfg(unix)]
#[test]
fn a_new_file_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let (directory, path) = place();
    let _store = SqliteStore::open(&path, options()).unwrap();
    for (path, _) in contents(directory.path()) {
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{} has mode {mode:o}", path.display());
    }
}

#[test]
fn the_schema_is_what_it_claims() {
    let (_directory, path) = place();
    drop(SqliteStore::open(&path, options()).unwrap());
    let raw = Connection::open(&path).unwrap();
    let text = |sql: &str| raw.query_row(sql, [], |row| row.get::<_, String>(0)).unwrap();
    assert_eq!(text("PRAGMA integrity_check"), "ok");
    assert_eq!(text("PRAGMA journal_mode"), "wal");
    let broken = raw.prepare("PRAGMA foreign_key_check").unwrap().exists([]).unwrap();
    assert!(!broken);
    let id: i32 = raw.query_row("PRAGMA application_id", [], |row| row.get(0)).unwrap();
    assert_eq!(&id.to_be_bytes(), b"OPSC");
}

#[test]
fn without_migrating_a_file_that_is_not_there_or_older_is_refused_and_left_as_it_is() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("data.db");
    let look = || SqliteStore::open(&path, SqliteOptions::default().with_migrate(false));
    assert!(look().unwrap_err().report().contains("is not there"));
    assert!(!path.exists());
    drop(SqliteStore::open(&path, SqliteOptions::default()).unwrap());
    drop(look().unwrap());
    let older = Connection::open(&path).unwrap();
    older.execute("DELETE FROM opsconductor_migrations WHERE version > 1", []).unwrap();
    drop(older);
    assert!(look().unwrap_err().report().contains("older version"));
}

//! Raw SQLite and the bare disk: what is left when nothing but the writing itself is done.

use std::{fs, io::Write as _, path::Path, time::Instant};

use rusqlite::{Connection, params};

use crate::Failure;

/// How many tasks the raw drain takes and ends in one transaction.
const BATCH: u64 = 100;

fn open(path: &Path) -> Result<Connection, Failure> {
    let connection = Connection::open(path)?;
    let mode: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    if mode != "wal" {
        return Err("the raw probe has no write-ahead log".into());
    }
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.execute_batch(
        "CREATE TABLE task (id INTEGER PRIMARY KEY, state TEXT NOT NULL, payload TEXT NOT NULL) STRICT",
    )?;
    Ok(connection)
}

/// Rows a second, each in a transaction of its own.
pub(crate) fn insert_each(folder: &Path, rows: u64) -> Result<f64, Failure> {
    let connection = open(&folder.join("insert.db"))?;
    let mut insert = connection.prepare("INSERT INTO task (state, payload) VALUES ('queued', ?1)")?;
    let began = Instant::now();
    for _ in 0..rows {
        insert.execute([r#"{"nothing": true}"#])?;
    }
    Ok(rows as f64 / began.elapsed().as_secs_f64())
}

/// Rows a second that are taken and then ended, in batches.
pub(crate) fn drain(folder: &Path, rows: u64) -> Result<f64, Failure> {
    let mut connection = open(&folder.join("drain.db"))?;
    let filling = connection.transaction()?;
    for _ in 0..rows {
        filling
            .prepare_cached("INSERT INTO task (state, payload) VALUES ('queued', ?1)")?
            .execute([r#"{"nothing": true}"#])?;
    }
    filling.commit()?;
    let began = Instant::now();
    let mut first = 1;
    while first <= rows {
        for (from, to) in [("queued", "running"), ("running", "succeeded")] {
            let transaction = connection.transaction()?;
            transaction
                .prepare_cached("UPDATE task SET state = ?1 WHERE id BETWEEN ?2 AND ?3 AND state = ?4")?
                .execute(params![to, first as i64, (first + BATCH - 1) as i64, from])?;
            transaction.commit()?;
        }
        first += BATCH;
    }
    Ok(rows as f64 / began.elapsed().as_secs_f64())
}

/// How often a second the disk makes an appended page durable.
pub(crate) fn sync_each(folder: &Path, times: u64) -> Result<f64, Failure> {
    let mut file = fs::File::create(folder.join("sync"))?;
    // The file has its size, as a log that is used again has.
    file.write_all(&vec![0; usize::try_from(times)? * 4096])?;
    file.sync_all()?;
    std::io::Seek::rewind(&mut file)?;
    let began = Instant::now();
    for _ in 0..times {
        file.write_all(&[1; 4096])?;
        file.sync_data()?;
    }
    Ok(times as f64 / began.elapsed().as_secs_f64())
}

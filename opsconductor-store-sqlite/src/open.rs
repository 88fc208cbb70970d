//! From a path to connections. A file is looked at before it is opened for writing, so that one that is not ours, is
//! locked or is of a newer schema stays as it is, byte for byte.

use std::{
    ffi::OsString,
    fs,
    io::ErrorKind as IoKind,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use opsconductor_core::{Error, ErrorKind, Result};
use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::{
    error::{DbResult, Failure},
    options::{Durability, SqliteOptions},
    schema,
    steady::Steady,
};

/// "OPSC": what `file` and SQLite know our data files by.
pub(crate) const APPLICATION_ID: i32 = 0x4F50_5343;

/// The shortest database. SQLite takes a shorter file for an empty one and would write over it.
const PAGE_BYTES_MIN: u64 = 512;

/// How many statements each connection keeps prepared.
const STATEMENTS_MAX: usize = 128;

/// The write-ahead log is folded into the file when it has this many pages (of 4 KiB).
const WAL_PAGES: u32 = 4_000;

/// The log file is cut to this size after a checkpoint.
const WAL_BYTES_MAX: i64 = 64 * 1024 * 1024;

/// Opens the data file for the writer, making or upgrading it where that is right.
pub(crate) fn writer(path: &Path, options: &SqliteOptions) -> Result<(Connection, Steady)> {
    inspect(path, options).map_err(|error| error.with("path", path.display()))?;
    let open = || -> DbResult<(Connection, Steady)> {
        let mut connection = connect(path, options)?;
        if connection.is_readonly("main")? {
            return Err(refuse("the data file cannot be written to; check its permissions").into());
        }
        if !options.migrate {
            schema::require(&connection)?;
        }
        begin_wal(&connection, options.busy_timeout)?;
        let now = options.clock.now().timestamp_micros();
        schema::migrate(&mut connection, now)?;
        let steady = Steady::begin(&mut connection, options)?;
        Ok((connection, steady))
    };
    open().map_err(|failure| Error::from(failure).with("path", path.display()))
}

/// Opens a connection that only reads.
pub(crate) fn reader(path: &Path, options: &SqliteOptions) -> Result<Connection> {
    let open = || -> DbResult<Connection> {
        let connection = connect(path, options)?;
        // Not opened read-only: whichever connection closes last has to fold the log into the file.
        connection.pragma_update(None, "query_only", true)?;
        Ok(connection)
    };
    open().map_err(|failure| Error::from(failure).with("path", path.display()))
}

fn connect(path: &Path, options: &SqliteOptions) -> DbResult<Connection> {
    let connection = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    connection.busy_timeout(options.busy_timeout)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    connection.pragma_update(None, "foreign_keys", true)?;
    let synchronous = match options.durability {
        Durability::PowerLoss => "FULL",
        Durability::ProcessCrash => "NORMAL",
    };
    connection.pragma_update(None, "synchronous", synchronous)?;
    connection.pragma_update(None, "wal_autocheckpoint", WAL_PAGES)?;
    connection.pragma_update(None, "journal_size_limit", WAL_BYTES_MAX)?;
    connection.pragma_update(None, "cache_size", -16_384)?;
    Ok(connection)
}

/// Switches to the write-ahead log. Two processes that do so at once disturb each other without SQLite's own waiting,
/// so the wait is here.
fn begin_wal(connection: &Connection, patience: Duration) -> DbResult<()> {
    let began = Instant::now();
    loop {
        let mode = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get::<_, String>(0));
        match mode {
            Ok(mode) if mode == "wal" => return Ok(()),
            Ok(_) => return Err(refuse("the file system of the data file has no shared memory").into()),
            Err(error)
                if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy)
                    && began.elapsed() < patience =>
            {
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Looks at what is there without changing it; makes an empty file, readable by its owner alone, where nothing is.
fn inspect(path: &Path, options: &SqliteOptions) -> Result<()> {
    let found = match fs::metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == IoKind::NotFound && options.migrate => return create(path),
        Err(error) if error.kind() == IoKind::NotFound => {
            return Err(refuse("the data file is not there; migrate it first, which makes it"));
        }
        Err(error) => return Err(refuse("the data file cannot be reached").with_source(error)),
    };
    if found.is_dir() {
        return Err(refuse("the data file is a directory; name a file in it"));
    }
    if !found.is_file() {
        return Err(refuse("the data file is not a regular file"));
    }
    if found.len() == 0 {
        return Ok(());
    }
    let foreign = || refuse("the file is not a SQLite database; it was left as it is, name another");
    if found.len() < PAGE_BYTES_MIN {
        return Err(foreign());
    }
    look(path, options.busy_timeout).map_err(|failure| match failure {
        Failure::Sqlite(error) if error.sqlite_error_code() == Some(ErrorCode::NotADatabase) => foreign(),
        other => other.into(),
    })
}

fn look(path: &Path, patience: Duration) -> DbResult<()> {
    let flags =
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(uri(path), flags)?;
    connection.busy_timeout(patience)?;
    let id: i32 = connection.query_row("PRAGMA application_id", [], |row| row.get(0))?;
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if id == APPLICATION_ID {
        return schema::check(&connection).map(|_| ());
    }
    if id == 0 && tables == 0 {
        return Ok(());
    }
    Err(refuse("the file is a SQLite database of another application; it was left as it is, name another")
        .into())
}

fn create(path: &Path) -> Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == IoKind::AlreadyExists => Ok(()),
        Err(error) => {
            Err(refuse("the data file cannot be made; check that its directory exists and can be written to")
                .with_source(error))
        }
    }
}

/// Without a log beside it, a file is read as it lies, which takes no lock and leaves no file behind.
fn uri(path: &Path) -> String {
    let mut uri = String::from("file:");
    for byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'/' | b'.' | b'_' | b'-' => {
                uri.push(char::from(*byte))
            }
            other => uri.push_str(&format!("%{other:02X}")),
        }
    }
    let has_log = fs::metadata(log_beside(path)).is_ok_and(|log| log.len() > 0);
    uri.push_str(if has_log { "?mode=ro" } else { "?immutable=1" });
    uri
}

fn log_beside(path: &Path) -> PathBuf {
    let mut name = OsString::from(path.as_os_str());
    name.push("-wal");
    name.into()
}

fn refuse(message: &'static str) -> Error {
    Error::new(ErrorKind::Store, message)
}

//! [`Log`]: lines that outlive whoever wrote them.

use std::{
    fs::{File, OpenOptions},
    io::{self, ErrorKind, Write},
    path::Path,
};

use super::{Acknowledged, Effect};

/// A file that many processes add lines to. A line is on disk when the call returns.
#[derive(Debug)]
pub struct Log {
    file: File,
}

impl Log {
    /// The file at `path`, made if it is not there.
    ///
    /// # Errors
    ///
    /// Those of the file system.
    pub fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { file: OpenOptions::new().append(true).create(true).open(path)? })
    }

    /// Writes down that `key` was answered with `run`.
    ///
    /// # Errors
    ///
    /// Those of the file system.
    pub fn acknowledged(&self, key: &str, run: i64) -> io::Result<()> {
        self.line(&format!("{key} {run}\n"))
    }

    /// Writes down an effect, `RUN/STEP/TARGET`.
    ///
    /// # Errors
    ///
    /// Those of the file system.
    pub fn effect(&self, effect: &str) -> io::Result<()> {
        self.line(&format!("{effect}\n"))
    }

    /// One write of a short line at the end of a file is whole, whoever else writes.
    fn line(&self, line: &str) -> io::Result<()> {
        (&self.file).write_all(line.as_bytes())?;
        self.file.sync_data()
    }
}

/// What producers wrote down.
///
/// # Errors
///
/// Those of the file system; `InvalidData` for a line that is none of theirs.
pub fn read_acknowledged(path: &Path) -> io::Result<Vec<Acknowledged>> {
    lines(path, |line| {
        let (key, run) = line.split_once(' ')?;
        Some(Acknowledged { key: key.to_owned(), run: run.parse().ok()? })
    })
}

/// What steps wrote down.
///
/// # Errors
///
/// Those of the file system; `InvalidData` for a line that is none of theirs.
pub fn read_effects(path: &Path) -> io::Result<Vec<Effect>> {
    lines(path, |line| {
        let (run, rest) = line.split_once('/')?;
        let (step, target) = rest.split_once('/')?;
        Some(Effect { run: run.parse().ok()?, step: step.parse().ok()?, target: target.to_owned() })
    })
}

fn lines<T>(path: &Path, parse: impl Fn(&str) -> Option<T>) -> io::Result<Vec<T>> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
        Err(error) => return Err(error),
    };
    let wrong = |line: &str| io::Error::new(ErrorKind::InvalidData, format!("no line of this log: {line:?}"));
    text.lines().map(|line| parse(line).ok_or_else(|| wrong(line))).collect()
}

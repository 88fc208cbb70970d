//! How the program ends: its exit codes, and the one place where an error is shown.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use opsconductor_core::{Error, ErrorKind};

/// How a command ended without an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// As it should: 0.
    Well,
    /// It worked, and what it ran failed: 1.
    RunFailed,
    /// What it was given does not hold, and it has said why: 2.
    InputRefused,
}

/// The exit codes, as `--help` shows them.
pub(crate) const CODES: &str = "Exit codes:\n  \
    0  everything succeeded\n  \
    1  a run failed, was canceled or was cut short; a record could not be moved to another key; the audit record was tampered with\n  \
    2  the command line or the input is not acceptable, or the input cannot be read\n  \
    3  something the program needs is not there or does not answer (key, store, host, standard output)";

/// Shows the error, if there is one, and picks the exit code.
pub(crate) fn code(ended: Result<Ended, Error>) -> ExitCode {
    match ended {
        Ok(Ended::Well) => ExitCode::SUCCESS,
        Ok(Ended::RunFailed) => ExitCode::from(1),
        Ok(Ended::InputRefused) => ExitCode::from(2),
        Err(error) => {
            say(&format!("error: {}", error.report()));
            match error.kind() {
                ErrorKind::InvalidInput
                | ErrorKind::InvalidJob
                | ErrorKind::InvalidParameters
                | ErrorKind::Schedule
                | ErrorKind::Template
                | ErrorKind::Conflict => ExitCode::from(2),
                _ => ExitCode::from(3),
            }
        }
    }
}

/// Writes a line for the person at the terminal. When standard error is closed or full, nobody is left to be told.
pub(crate) fn say(line: &str) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// Writes a result. A reader that has gone away, as `head` does, wants no more of it: that is no error.
pub(crate) fn answer(line: &str) -> Result<(), Error> {
    pour(&format!("{line}\n")).map(drop)
}

/// Writes a part of a long result as it is, and says whether anyone reads on.
pub(crate) fn pour(text: &str) -> Result<bool, Error> {
    let mut output = io::stdout().lock();
    match output.write_all(text.as_bytes()).and_then(|()| output.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => {
            let message = "the result cannot be written to standard output";
            Err(Error::new(ErrorKind::Internal, message).with_source(error))
        }
    }
}

//! How the program ends: its exit codes, and the one place where an error is shown.

use std::process::ExitCode;

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
    1  a run failed or was canceled\n  \
    2  the command line or the input is not acceptable\n  \
    3  something the program needs is not there or does not answer (file, key, store, host)";

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
                | ErrorKind::Template
                | ErrorKind::Conflict => ExitCode::from(2),
                _ => ExitCode::from(3),
            }
        }
    }
}

/// Writes a line for the person at the terminal.
pub(crate) fn say(line: &str) {
    eprintln!("{line}");
}

/// Writes a result.
pub(crate) fn answer(line: &str) {
    println!("{line}");
}

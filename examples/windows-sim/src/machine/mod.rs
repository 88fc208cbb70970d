//! The machine behind the endpoint: files, services, processes, `cmd.exe` and a model of Windows PowerShell 5.1.

mod process;

pub use process::{CONTROL_C_EXIT, Process, ProcessControl, STDIN_PIECE_BYTES, STDIN_PIECES, SpawnRequest, StreamName};

/// One simulated Windows machine.
#[derive(Debug)]
pub struct Machine {
    name: String,
}

impl Machine {
    /// The host name.
    pub fn name(&self) -> &str {
        &self.name
    }
}

//! How much of everything one user may have.

use std::time::Duration;

/// The limits of the WinRM service, with the defaults of Windows Server 2012 and later.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Quotas {
    /// `MaxShellsPerUser`: fault 2150859173 beyond.
    pub shells_per_user_max: usize,
    /// `MaxConcurrentOperationsPerUser`: fault 2150859174 beyond. A text shell does not give an operation back
    /// when its command ends, only when the shell is closed.
    pub operations_per_user_max: usize,
    /// `MaxProcessesPerShell`: fault 2150859241 beyond.
    pub processes_per_shell_max: usize,
    /// `IdleTimeout`: a shell without a message for that long is closed. A client may ask for less.
    pub shell_idle_timeout: Duration,
    /// `MaxTimeoutms`: the longest a message may wait.
    pub operation_timeout_max: Duration,
    /// `MaxEnvelopeSizekb`: status 413 beyond.
    pub envelope_bytes_max: usize,
    /// How long a connection may stay silent before it is closed.
    pub connection_idle_timeout: Duration,
}

impl Default for Quotas {
    fn default() -> Self {
        Self {
            shells_per_user_max: 30,
            operations_per_user_max: 1500,
            processes_per_shell_max: 25,
            shell_idle_timeout: Duration::from_secs(2 * 3600),
            operation_timeout_max: Duration::from_secs(60),
            envelope_bytes_max: 500 * 1024,
            connection_idle_timeout: Duration::from_secs(120),
        }
    }
}

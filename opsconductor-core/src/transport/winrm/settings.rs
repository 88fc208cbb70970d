//! What a host program may set.

use std::time::Duration;

use crate::{Error, ErrorKind, Result};

/// Limits and habits of a [`WinrmConnector`](super::WinrmConnector). The defaults suit Windows' own defaults.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct WinrmSettings {
    /// How long the host may hold one request open before it answers "nothing yet". A silent command outlives it:
    /// it is asked again. Between 1 and 60 s.
    pub operation_timeout: Duration,
    /// The largest envelope, in bytes, sent or asked for. The host's `MaxEnvelopeSizekb` must not be smaller.
    pub envelope_bytes_max: usize,
    /// How many idle sessions (connection and shell) are kept for each host and credential. 0 keeps none.
    pub idle_sessions_max: usize,
    /// How long an idle session is kept. Hosts close idle connections after 120 s.
    pub idle_timeout: Duration,
    /// How many commands one shell runs before it is replaced: Windows counts each against
    /// `MaxConcurrentOperationsPerUser` until the shell goes.
    pub commands_per_shell_max: u32,
    /// After how long without a sign of us the host throws a shell away.
    pub shell_idle_timeout: Duration,
    /// How often a request is tried again when the host has no room for it (shells, operations, busy).
    pub quota_retries_max: u32,
    /// For how long a credential that a host refused is not shown to it again, whoever connects: many tasks with one wrong
    /// password would lock the account. A probe tries at once, and zero lets everyone try.
    pub refused_logon_pause: Duration,
    /// How many sessions with one host and credential are in use at a time; the next one waits for its turn. Keep it below
    /// the host's `MaxShellsPerUser`, for other programs' shells count as well.
    pub sessions_per_host_max: usize,
    /// How long a command whose connection was lost is looked for again before its outcome is unknown. A host that
    /// restarts has forgotten it, so this is for networks that fail for a while.
    pub reconnect_max: Duration,
    /// From how many bytes on one file is sent through several shells side by side, where a round trip takes more than 5 ms.
    pub parallel_copy_bytes_min: u64,
}

impl Default for WinrmSettings {
    fn default() -> Self {
        Self {
            operation_timeout: Duration::from_secs(20),
            envelope_bytes_max: 500 * 1024,
            idle_sessions_max: 4,
            idle_timeout: Duration::from_secs(60),
            commands_per_shell_max: 1000,
            shell_idle_timeout: Duration::from_secs(15 * 60),
            quota_retries_max: 5,
            refused_logon_pause: Duration::from_secs(30),
            sessions_per_host_max: 25,
            reconnect_max: Duration::from_secs(120),
            parallel_copy_bytes_min: 64 * 1024 * 1024,
        }
    }
}

impl WinrmSettings {
    pub(super) fn check(&self) -> Result<()> {
        let complain = |message: &str| Err(Error::new(ErrorKind::InvalidInput, message));
        if !(Duration::from_secs(1)..=Duration::from_secs(60)).contains(&self.operation_timeout) {
            return complain("the WinRM operation timeout must lie between 1 and 60 seconds");
        }
        if !(32 * 1024..=8 * 1024 * 1024).contains(&self.envelope_bytes_max) {
            return complain("the WinRM envelope size must lie between 32 KiB and 8 MiB");
        }
        if self.shell_idle_timeout < Duration::from_secs(60) {
            return complain("the WinRM shell idle timeout must be 60 seconds or more");
        }
        if self.idle_timeout > Duration::from_secs(115) {
            return complain("the WinRM idle timeout must be below 115 seconds, for hosts hang up at 120");
        }
        if self.commands_per_shell_max == 0 {
            return complain("a WinRM shell must be allowed one command or more");
        }
        if self.sessions_per_host_max == 0 {
            return complain("a WinRM host must be allowed one session or more");
        }
        Ok(())
    }

    /// How many bytes of standard input fit one envelope: base64 takes four for three, and the headers their own.
    pub(super) fn input_bytes_max(&self) -> usize {
        (self.envelope_bytes_max - 8 * 1024) / 4 * 3
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use std::time::Duration;

    use super::WinrmSettings;

    #[test]
    fn the_defaults_hold_and_nonsense_does_not() {
        WinrmSettings::default().check().unwrap();
        let bad = [
            WinrmSettings { operation_timeout: Duration::ZERO, ..Default::default() },
            WinrmSettings { envelope_bytes_max: 100, ..Default::default() },
            WinrmSettings { idle_timeout: Duration::from_secs(120), ..Default::default() },
            WinrmSettings { shell_idle_timeout: Duration::from_secs(1), ..Default::default() },
            WinrmSettings { commands_per_shell_max: 0, ..Default::default() },
            WinrmSettings { sessions_per_host_max: 0, ..Default::default() },
        ];
        assert!(bad.iter().all(|settings| settings.check().is_err()));
    }

    #[test]
    fn a_full_piece_of_input_fits_the_envelope() {
        let settings = WinrmSettings::default();
        assert!(settings.input_bytes_max().div_ceil(3) * 4 + 4096 < settings.envelope_bytes_max);
    }
}

//! What a host program may set.

use std::{path::PathBuf, time::Duration};

use crate::{Error, ErrorKind, Result};

/// What becomes of a host whose key is in no list of known hosts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum HostKeyPolicy {
    /// It is refused, and the error names the key's fingerprint.
    #[default]
    Strict,
    /// Its key is written to the first of [`SshSettings::known_hosts`] and trusted from then on. A host whose key is another
    /// than the one that is known is refused all the same.
    AcceptNew,
}

/// Limits and habits of an [`SshConnector`](super::SshConnector).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SshSettings {
    /// Files of known hosts in OpenSSH's form, read each time a connection is opened. One that is not there is empty.
    pub known_hosts: Vec<PathBuf>,
    /// What becomes of a host that is in none of them.
    pub host_keys: HostKeyPolicy,
    /// The socket of an SSH agent that credentials with a public key may be signed by. None is used unless it is named here.
    pub agent: Option<PathBuf>,
    /// How often a host that says nothing is asked whether it is still there. Between 1 s and 10 min.
    pub keepalive: Duration,
    /// After how many questions in a row without an answer the connection counts as lost.
    pub keepalive_max: u32,
    /// How long a connection is kept that no session uses; zero closes it with its last session.
    pub idle_timeout: Duration,
    /// How many sessions share one connection; the next one opens another. Servers allow 10 unless told otherwise
    /// (`MaxSessions`), and stopping a command takes one of its own.
    pub sessions_per_connection_max: usize,
    /// How many sessions with one host and credential are in use at a time; the next one waits for its turn.
    pub sessions_per_host_max: usize,
    /// For how long a credential that a host refused is not shown to it again, whoever connects: many tasks with one wrong
    /// password would lock the account. A probe tries at once, and zero lets everyone try.
    pub refused_logon_pause: Duration,
}

impl Default for SshSettings {
    fn default() -> Self {
        let mut known_hosts = Vec::new();
        known_hosts.extend(std::env::home_dir().map(|home| home.join(".ssh").join("known_hosts")));
        known_hosts.push(PathBuf::from("/etc/ssh/ssh_known_hosts"));
        Self {
            known_hosts,
            host_keys: HostKeyPolicy::Strict,
            agent: None,
            keepalive: Duration::from_secs(15),
            keepalive_max: 3,
            idle_timeout: Duration::from_secs(60),
            sessions_per_connection_max: 8,
            sessions_per_host_max: 32,
            refused_logon_pause: Duration::from_secs(30),
        }
    }
}

impl SshSettings {
    pub(super) fn check(&self) -> Result<()> {
        let complain = |message: &str| Err(Error::new(ErrorKind::InvalidInput, message));
        if !(Duration::from_secs(1)..=Duration::from_secs(600)).contains(&self.keepalive) {
            return complain("the SSH keep-alive must lie between 1 second and 10 minutes");
        }
        if self.keepalive_max == 0 {
            return complain("an SSH host must be allowed to miss one keep-alive or more");
        }
        if self.sessions_per_connection_max == 0 || self.sessions_per_host_max == 0 {
            return complain("an SSH host must be allowed one session or more");
        }
        if self.host_keys == HostKeyPolicy::AcceptNew && self.known_hosts.is_empty() {
            return complain("to accept new host keys, name a file of known hosts that they are written to");
        }
        Ok(())
    }

    /// How long a connection may hear nothing at all, answers to its own questions included.
    pub(super) fn silence_max(&self) -> Duration {
        self.keepalive * (self.keepalive_max + 2)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use std::time::Duration;

    use super::{HostKeyPolicy, SshSettings};

    #[test]
    fn the_defaults_hold_and_nonsense_does_not() {
        SshSettings::default().check().unwrap();
        let bad = [
            SshSettings { keepalive: Duration::ZERO, ..Default::default() },
            SshSettings { keepalive_max: 0, ..Default::default() },
            SshSettings { sessions_per_connection_max: 0, ..Default::default() },
            SshSettings { sessions_per_host_max: 0, ..Default::default() },
            SshSettings {
                host_keys: HostKeyPolicy::AcceptNew,
                known_hosts: Vec::new(),
                ..Default::default()
            },
        ];
        assert!(bad.iter().all(|settings| settings.check().is_err()));
    }
}

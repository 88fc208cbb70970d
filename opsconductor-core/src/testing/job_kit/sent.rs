//! What the hosts of a test received.

use std::{collections::BTreeMap, fmt, time::Duration};

use crate::transport::Shell;

/// Something that a target received. Secrets stand in it as `[secret]`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sent {
    /// The name of the target.
    pub target: String,
    /// When, since the run began, by its own clock.
    pub at: Duration,
    /// What.
    pub what: What,
}

/// What was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum What {
    /// A command or a script.
    Command {
        /// What runs it.
        shell: Shell,
        /// The command, rendered.
        command: String,
        /// Its environment variables.
        env: BTreeMap<String, String>,
        /// Its standard input.
        stdin: Option<String>,
        /// The directory it starts in.
        working_directory: Option<String>,
        /// The user of `sudo`, if it runs through that.
        sudo: Option<String>,
    },
    /// A file that was written.
    Copy {
        /// Its path on the host.
        path: String,
        /// What it holds, as far as it is text.
        content: String,
    },
    /// A file that was brought.
    Fetch {
        /// Its path on the host.
        path: String,
    },
    /// A request.
    Request {
        /// The method.
        method: String,
        /// The path and the query.
        path: String,
        /// The headers.
        headers: Vec<(String, String)>,
        /// The body, as far as it is text.
        body: Option<String>,
    },
}

impl fmt::Display for Sent {
    /// The target and what it received, in one line: `web1: Get-Service Spooler`, `web1: copy C:\temp\a.txt`,
    /// `api: GET /health`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.target)?;
        match &self.what {
            What::Command { command, .. } => f.write_str(command),
            What::Copy { path, .. } => write!(f, "copy {path}"),
            What::Fetch { path } => write!(f, "fetch {path}"),
            What::Request { method, path, .. } => write!(f, "{method} {path}"),
        }
    }
}

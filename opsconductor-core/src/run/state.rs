//! The states of runs and tasks and the moves between them.
//!
//! ```text
//! run:   queued ──▶ running ──▶ succeeded | failed | canceled
//!           └──────────────────────────────────────▶ canceled | failed
//!
//! task:  waiting ──▶ queued ──▶ running ──▶ succeeded | failed | skipped | aborted | lost
//!           │           │  ▲       │
//!           │           │  └───────┘  given back, rescued or retried
//!           │           └────────────▶ aborted          canceled before it began
//!           └──▶ aborted | skipped                      a step before it failed, or a cancel
//!        running ──▶ waiting                            until a person answers
//! ```

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{Error, ErrorKind, Result};

/// The state of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum RunStatus {
    /// No task has started.
    Queued,
    /// At least one task has started.
    Running,
    /// Every task ended well, or was allowed to fail.
    Succeeded,
    /// A task failed or was lost, and nothing said to go on.
    Failed,
    /// It was canceled.
    Canceled,
}

/// The state of a task: one step on one target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum TaskStatus {
    /// It waits for tasks before it, or for a person.
    Waiting,
    /// It is ready and waits for a worker.
    Queued,
    /// A worker holds it.
    Running,
    /// It did what it should.
    Succeeded,
    /// It did not.
    Failed,
    /// It never ran, or was stopped: a task before it failed, or the run was canceled.
    Aborted,
    /// Its condition said no.
    Skipped,
    /// It was dispatched and nobody knows how it ended. It is never sent again unasked.
    Lost,
}

impl RunStatus {
    /// Every state.
    pub const ALL: [Self; 5] = [Self::Queued, Self::Running, Self::Succeeded, Self::Failed, Self::Canceled];

    /// The name as it stands in the database and the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Canceled => "canceled",
        }
    }

    /// Whether nothing more will happen to the run.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Canceled)
    }

    /// Whether a run may go from this state to `next`.
    pub fn can_become(self, next: Self) -> bool {
        match self {
            // A run whose every task is aborted before it starts ends without ever running.
            Self::Queued => matches!(next, Self::Running | Self::Canceled | Self::Failed),
            Self::Running => next.is_final(),
            Self::Succeeded | Self::Failed | Self::Canceled => false,
        }
    }
}

impl TaskStatus {
    /// Every state.
    pub const ALL: [Self; 8] = [
        Self::Waiting,
        Self::Queued,
        Self::Running,
        Self::Succeeded,
        Self::Failed,
        Self::Aborted,
        Self::Skipped,
        Self::Lost,
    ];

    /// The name as it stands in the database and the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Aborted => "aborted",
            Self::Skipped => "skipped",
            Self::Lost => "lost",
        }
    }

    /// Whether nothing more will happen to the task.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Aborted | Self::Skipped | Self::Lost)
    }

    /// Whether a task may go from this state to `next`.
    pub fn can_become(self, next: Self) -> bool {
        match self {
            Self::Waiting => matches!(next, Self::Queued | Self::Aborted | Self::Skipped),
            Self::Queued => matches!(next, Self::Running | Self::Aborted),
            Self::Running => next == Self::Queued || next == Self::Waiting || next.is_final(),
            _ => false,
        }
    }
}

macro_rules! text_form {
    ($name:ident, $what:literal) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = Error;

            fn from_str(text: &str) -> Result<Self> {
                Self::ALL.into_iter().find(|status| status.as_str() == text).ok_or_else(|| {
                    Error::new(ErrorKind::InvalidInput, concat!("not a ", $what, " status"))
                        .with("given", text)
                })
            }
        }
    };
}

text_form!(RunStatus, "run");
text_form!(TaskStatus, "task");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn final_states_are_final() {
        for from in TaskStatus::ALL {
            for to in TaskStatus::ALL {
                assert!(!(from.is_final() && from.can_become(to)), "{from} to {to}");
            }
        }
        for from in RunStatus::ALL {
            for to in RunStatus::ALL {
                assert!(!(from.is_final() && from.can_become(to)), "{from} to {to}");
            }
        }
    }

    #[test]
    fn the_picture_and_the_code_list_the_same_moves() {
        use TaskStatus::*;
        let moves = [
            (Waiting, vec![Queued, Aborted, Skipped]),
            (Queued, vec![Running, Aborted]),
            (Running, vec![Waiting, Queued, Succeeded, Failed, Aborted, Skipped, Lost]),
        ];
        for (from, expected) in moves {
            let mut found: Vec<_> = TaskStatus::ALL.into_iter().filter(|to| from.can_become(*to)).collect();
            found.sort_by_key(|status| status.as_str());
            let mut expected = expected;
            expected.sort_by_key(|status| status.as_str());
            assert_eq!(found, expected, "from {from}");
        }
    }

    #[test]
    fn names_go_there_and_back() {
        for status in TaskStatus::ALL {
            assert_eq!(status.as_str().parse::<TaskStatus>().ok(), Some(status));
        }
        for status in RunStatus::ALL {
            assert_eq!(status.as_str().parse::<RunStatus>().ok(), Some(status));
        }
        assert_eq!("done".parse::<RunStatus>().map_err(|error| error.kind()), Err(ErrorKind::InvalidInput));
    }
}

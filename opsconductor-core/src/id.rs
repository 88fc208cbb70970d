//! Identifiers: 64-bit integers that cannot be mixed up.

use std::{fmt, num::ParseIntError, str::FromStr};

use serde::{Deserialize, Serialize};

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(i64);

        impl $name {
            /// Wraps the number that a store gave.
            pub const fn new(value: i64) -> Self {
                Self(value)
            }

            /// The number.
            pub const fn get(self) -> i64 {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = ParseIntError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }
    )+};
}

ids! {
    /// A tenant.
    TenantId,
    /// A user.
    UserId,
    /// A credential.
    CredentialId,
    /// A target.
    TargetId,
    /// A job.
    JobId,
    /// A run of a job.
    RunId,
    /// One step of a run on one target.
    TaskId,
    /// A dead letter.
    LetterId,
    /// A token that a program calls with.
    ApiTokenId,
    /// A notification.
    NotificationId,
}

/// A worker process, unique per start: a version 7 UUID, so that ids sort by start time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WorkerId(uuid::Uuid);

impl WorkerId {
    /// A new id for a worker that starts now.
    pub fn generate() -> Self {
        Self(uuid::Uuid::now_v7())
    }
}

impl fmt::Display for WorkerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for WorkerId {
    type Err = crate::Error;

    fn from_str(text: &str) -> crate::Result<Self> {
        text.parse().map(Self).map_err(|source| {
            crate::Error::new(crate::ErrorKind::InvalidInput, "a worker id is a UUID").with_source(source)
        })
    }
}

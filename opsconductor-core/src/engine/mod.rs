//! The engine: what binds the store, the vault, the transports and the step kinds together.
//!
//! ```text
//!            enqueue                claim                    act                     complete
//!  Scoped ────────────▶ Store ────────────▶ worker ─────────────────▶ host ─┐   ┌───────────────▶ Store
//!   jobs().run()          ▲                  │ open credential, render,     │   │ in batches
//!                         │                  │ commit the dispatch intent   ▼   │
//!                         │                  └──────────────▶ output ─▶ redact ─┘
//!                         └── renew (heartbeat) · take over what expired (rescue)
//! ```
//!
//! Everything a person does goes through [`Scoped`], which asks [`authorize`](crate::auth::policy::authorize) first.
//! Workers are small loops with one job each: `claims` of a [`worker`] take tasks, `execute` runs one task, `complete` records ends in
//! batches, `lease` keeps what is held, `rescue` takes over what others let go: `resume` goes on with a command that still runs,
//! `abandon` frees what a lost one holds.

mod abandon;
mod accounts;
mod answer;
mod api_tokens;
mod approvals;
mod audit;
mod beginning;
mod builder;
mod canonical;
mod claims;
mod complete;
mod config;
mod credentials;
mod dead_letters;
mod definitions;
mod deliver;
mod earlier;
mod ending;
mod events;
mod execute;
mod expiry;
mod feed;
mod jobs;
mod keys;
mod lease;
mod log;
mod login;
mod noted;
mod notices;
mod notifications;
mod outputs;
mod plans;
mod preview;
mod queue;
mod recorder;
mod redactors;
mod repeat;
mod rescue;
mod resume;
mod retention;
mod roster;
mod run;
mod scoped;
mod secrets;
mod sequencer;
mod settings;
mod targets;
mod tokens;
mod users;
mod uses;
mod waiting;
pub mod worker;

use std::{collections::HashMap, fmt, sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

pub use accounts::AccountSettings;
pub use answer::Answer;
pub use api_tokens::{ApiTokenInfo, ApiTokens, NewToken, TokenRequest};
pub use approvals::{Approvals, OpenApproval};
pub use audit::{AuditExport, AuditTrail};
pub use builder::EngineBuilder;
pub use config::{Config, ConfigAction, ConfigChange};
pub use credentials::{CredentialInfo, Credentials, VersionInfo};
pub use dead_letters::DeadLetterBox;
pub use events::{RunEvent, RunEvents};
pub use expiry::Expired;
pub use feed::TenantEvent;
pub use jobs::{JobOptions, Jobs, RunOptions};
pub use keys::{KeyInfo, KeyProgress, KeyStatus, Keys, Moved, NotMoved};
pub use log::{LogMatch, LogPiece, LogPlace, LogQuery, RunLog};
pub use login::LoggedIn;
pub use notifications::{DeliveryStatus, Notifications, Password, Smtp, SmtpInfo};
pub use preview::{Preview, PreviewTask};
pub use queue::{QueueControl, QueuePart};
pub use repeat::RerunTargets;
pub use roster::Workers;
pub use run::{RESULT_TEXT_BYTES_MAX, Run, RunResult, Runs, StepResult};
pub use scoped::Scoped;
pub use settings::WorkerSettings;
pub use targets::Targets;
pub use tokens::TokenPair;
pub use users::{AccountChange, NewAccount, UserInfo, Users};
pub use worker::Worker;

use crate::{
    Error, ErrorKind, Result,
    clock::Clock,
    job::{StepKinds, WorkerFiles},
    store::{Keep, Store},
    tenant::Scope,
    transport::{Connector, Protocol},
    vault::Vault,
};

/// The engine. Cheap to clone; every clone is the same engine.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) vault: Vault,
    pub(crate) kinds: StepKinds,
    pub(crate) connectors: HashMap<Protocol, Arc<dyn Connector>>,
    pub(crate) files: Option<WorkerFiles>,
    pub(crate) keep: Keep,
    pub(crate) keep_versions: Duration,
    pub(crate) expiry: expiry::Expiry,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) redactors: redactors::Redactors,
    pub(crate) definitions: definitions::Definitions,
    pub(crate) opening: credentials::Opening,
    pub(crate) people: accounts::People,
    pub(crate) uses: uses::Uses,
    pub(crate) strict_audit: bool,
    pub(crate) notices: notices::Notices,
    pub(crate) notifiers: deliver::Notifiers,
}

impl Engine {
    /// Begins an engine.
    pub fn builder() -> EngineBuilder {
        EngineBuilder::default()
    }

    /// The engine as `scope` may use it.
    pub fn scope(&self, scope: Scope) -> Scoped {
        Scoped::new(Arc::clone(&self.inner), scope)
    }

    /// The engine as the program that embeds it uses it: the local administrator of the default tenant.
    pub fn local(&self) -> Scoped {
        self.scope(Scope::local())
    }

    /// Starts a worker in this process, on the current tokio runtime.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for settings that cannot work.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn worker(&self, settings: WorkerSettings) -> Result<Worker> {
        Worker::start(Arc::clone(&self.inner), settings)
    }

    /// Ends what the transports keep warm, such as shells on remote hosts, and waits, bounded, until that is done; chains what is
    /// left of the audit record. Call it once its workers have been shut down.
    pub async fn close(&self) {
        if let Err(error) = sequencer::chain_all(&self.inner).await {
            tracing::warn!(error = %error.report(), "audit records could not be chained; another process will do it");
        }
        for connector in self.inner.connectors.values() {
            connector.shutdown().await;
        }
    }

    /// Removes every run that `keep` does not keep, in small batches, and says how many went. Runs that are not over stay.
    /// Workers do so by themselves with [`EngineBuilder::keep`].
    ///
    /// # Errors
    ///
    /// Those of the store; what was removed before stays removed.
    pub async fn remove_old_runs(&self, keep: &Keep) -> Result<u64> {
        retention::remove_all(&self.inner, keep, &CancellationToken::new()).await
    }

    /// The step kinds that this engine runs.
    pub fn step_kinds(&self) -> &StepKinds {
        &self.inner.kinds
    }

    /// The store beneath.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.inner.store
    }
}

impl Inner {
    pub(crate) fn connector(&self, protocol: Protocol) -> Result<&Arc<dyn Connector>> {
        self.connectors.get(&protocol).ok_or_else(|| {
            Error::new(
                ErrorKind::Unsupported,
                format!("this engine was built without a connector for {protocol}; add one with `connector`"),
            )
        })
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("store", &self.inner.store.name()).finish_non_exhaustive()
    }
}

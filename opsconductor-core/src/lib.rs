//! An IT-operations engine to embed: credentials in a vault, targets, jobs as validated data, a durable queue, and
//! workers that run the steps on many hosts at once.
//!
//! # The smallest embedding
//!
//! ```rust,no_run
//! //! Restarts a service on a Windows host.
//! #![forbid(unsafe_code)]
//!
//! use std::{env, time::Duration};
//!
//! use opsconductor_core::{
//!     Engine, JobSpec, Result,
//!     engine::WorkerSettings,
//!     store::memory::MemoryStore,
//!     target::TargetSpec,
//!     transport::winrm::WinrmConnector,
//!     vault::{Credential, Keyring},
//! };
//!
//! #[tokio::main]
//! async fn main() -> Result<()> {
//!     let variable = |name: &str| env::var(name).unwrap_or_else(|_| panic!("set {name}"));
//!
//!     // The parts: where runs are kept, the key that seals credentials, how hosts are reached.
//!     let engine = Engine::builder()
//!         .store(MemoryStore::default())
//!         .keys(Keyring::generate()?)
//!         .connector(WinrmConnector::new())
//!         .build()?;
//!     let ops = engine.local();
//!
//!     // What to work with: a credential, a host, a job.
//!     let account = Credential::winrm(variable("WINRM_USER"), variable("WINRM_PASSWORD").into());
//!     let credential = ops.credentials().create("win-admin", &account).await?;
//!     ops.targets().create(TargetSpec::winrm("web-1", variable("WINRM_HOST"), credential.id)).await?;
//!     let job = JobSpec::parse(
//!         r#"{"name": "Restart a service", "version": 1, "steps": [
//!             {"type": "winrm.exec", "shell": "powershell", "target": "web-1",
//!              "command": "Restart-Service {{ svc }}; (Get-Service {{ svc }}).Status"}]}"#,
//!     )?;
//!     ops.jobs().create(&job).await?;
//!
//!     // A worker in this process, a run, its result.
//!     let worker = engine.worker(WorkerSettings::default())?;
//!     let parameters = [("svc".to_owned(), "Spooler".into())].into_iter().collect();
//!     let run = ops.jobs().run("Restart a service", parameters, Default::default()).await?;
//!     let result = run.wait(Duration::from_secs(60)).await?;
//!     for step in &result.steps {
//!         println!("{} {}: {}", step.step, step.status, step.error.as_deref().unwrap_or(&step.stdout));
//!     }
//!     worker.shutdown().await;
//!     engine.close().await;
//!     Ok(())
//! }
//! ```
//!
//! [`MemoryStore`](store::memory::MemoryStore) forgets everything when the process ends. A store crate keeps it:
//! `opsconductor-store-sqlite` puts the same engine on a file, and a run that [`Jobs::run`](engine::Jobs::run)
//! acknowledged is then never lost, whoever dies.
//!
//! # How a run goes
//!
//! 1. A [`JobSpec`] is checked as a whole: [`JobSpec::validate`] gives every problem with its JSON pointer, or a
//!    [`ValidJob`](job::ValidJob). The engine takes nothing else.
//! 2. [`Jobs::run`](engine::Jobs::run) freezes a [`RunPlan`](run::RunPlan) (the job's version, its parameters, the
//!    targets' addresses) and writes the run with one task per (step, target), in one transaction.
//! 3. A [`Worker`](engine::Worker) claims tasks under a lease, opens the credential, renders templates for the sink
//!    they go to, commits the dispatch intent, and acts through a [`Session`](transport::Session).
//! 4. Output is redacted and stored as it comes. The end of a task, what follows from it, and the end of the run are
//!    one transaction, guarded by the lease.
//! 5. A worker that dies lets its lease run out. What it had not sent is queued again; what it had sent ends as `lost`,
//!    or is sent again if, and only if, the step is declared `idempotent` with `onLost: retry`.
//!
//! [`ARCHITECTURE.md`](https://github.com/opsconductor/opsconductor/blob/main/opsconductor-core/ARCHITECTURE.md) has
//! the map of the code.
//!
//! # Features
//!
//! | feature | default | what it adds |
//! |---|---|---|
//! | `email` | no | [`notify::EmailNotifier`]: mails for notifications, by SMTP. Brings TLS and a C compiler for `ring`. |
//! | `fuzzing` | no | Doors to parsers that are not public, for the repository's own fuzz targets. Outside the semver promise. |
//! | `http` | no | [`transport::http`]: the connector for `http.request`, and webhooks for notifications. Brings TLS and a C compiler for `ring`. |
//! | `kerberos` | no | Kerberos for the WinRM connector, beside NTLM. |
//! | `winrm` | yes | [`transport::winrm`]: the WinRM connector. Brings TLS and a C compiler for `ring`. |
//! | `winrm-rs` | no | `transport::winrm_rs`: a second WinRM connector, on the `winrm-rs` crate, which declares a newer Rust. |
//! | `testing` | no | `testing`: unit tests of job definitions, conformance suites and a manual clock. Outside the semver promise. |
//!
//! Without features there is no TLS, HTTP or SQL in the tree.
//!
//! # Secrets
//!
//! A [`Secret`] cannot be printed or serialized. What a task writes passes a [redactor](run::redact) that knows the
//! task's secrets, its credential's and its run's secret parameters, in their usual encodings. Rendered commands are never stored. The `sspi` crate, which does NTLM, can
//! print plaintext in its own diagnostics: a host that collects `tracing` events caps the target `sspi` at `warn`.
#![forbid(unsafe_code)]
// A library speaks through results and `tracing`, never on its host's terminal.
#![warn(clippy::print_stdout, clippy::print_stderr)]

pub mod audit;
pub mod auth;
pub mod clock;
pub mod config;
pub mod engine;
pub mod error;
pub mod id;
pub mod job;
pub mod notify;
pub mod run;
pub mod schedule;
pub mod store;
pub mod target;
pub mod template;
pub mod tenant;
#[cfg(feature = "testing")]
pub mod testing;
pub mod transport;
pub mod vault;

pub use engine::Engine;
pub use error::{Error, ErrorKind, Problem, Result};
pub use job::JobSpec;
pub use tenant::Scope;
pub use vault::secret::Secret;

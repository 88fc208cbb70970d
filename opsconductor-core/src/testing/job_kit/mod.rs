//! Unit tests of job definitions: [`JobKit`].
//!
//! A test names the targets, says what they answer, runs the definition and looks at what was sent. The engine is the real
//! one, with every check, template, condition and retry; the hosts are scripted, and time goes on only when the test says so.
//! There is nothing to wait for and nothing to `await`: every call returns once all has happened that needs no time to pass.
//!
//! ```
//! use std::time::Duration;
//!
//! use opsconductor_core::{run::RunStatus, testing::job_kit::JobKit};
//! use serde_json::json;
//!
//! // In a test of your own: `include_str!("restart.yaml")`.
//! const JOB: &str = r#"
//! name: Restart a service
//! version: 1
//! steps:
//!   - id: before
//!     type: winrm.exec
//!     shell: powershell
//!     targets: {tags: [web]}
//!     command: (Get-Service {{ svc }}).Status
//!   - {id: settle, type: sleep, durationSec: 30}
//!   - id: start
//!     type: winrm.exec
//!     shell: powershell
//!     targets: {tags: [web]}
//!     when: steps.before.stdout == "Stopped"
//!     command: Start-Service {{ svc }}
//!     retry: {maxAttempts: 3, backoffSec: 10, on: [failure]}
//! "#;
//!
//! let kit = JobKit::new().windows("web1").tagged("web").windows("web2").tagged("web");
//! kit.on("web1").command("(Get-Service Spooler).Status").prints("Running\r\n");
//! kit.on("web2").command("(Get-Service Spooler).Status").prints("Stopped\r\n");
//! kit.on("web2").command_containing("Start-Service").prints_error("busy").exits(1).times(1);
//! kit.on("web2").command_containing("Start-Service");
//!
//! let mut run = kit.run(JOB, json!({"svc": "Spooler"}))?;
//! assert_eq!(run.status()?, RunStatus::Running, "it sleeps");
//! run.advance(Duration::from_secs(30))?;
//! assert_eq!(run.commands("web1"), ["(Get-Service Spooler).Status"]);
//! assert_eq!(run.commands("web2"), ["(Get-Service Spooler).Status", "Start-Service Spooler"]);
//!
//! // It failed once and is tried again after its back-off.
//! assert_eq!(run.finish()?, RunStatus::Succeeded);
//! assert_eq!(run.step_on("start", "web2")?.attempts, 2);
//! assert_eq!(run.step_on("start", "web1")?.error.as_deref(), Some(r#"its condition does not hold: steps.before.stdout == "Stopped""#));
//! # Ok::<(), opsconductor_core::Error>(())
//! ```
//!
//! What a host is asked and the test does not answer is an error of the run, which names the command, the target and the line
//! that says it. What was sent can be looked at as it was rendered ([`KitRun::commands`], [`KitRun::sent`], [`KitRun::file`]),
//! with `[secret]` where a secret stands. A step that waits for a person is answered with [`KitRun::approve`],
//! [`KitRun::refuse`] or [`KitRun::answer`].
//!
//! A definition that does not hold is an error with every problem, as when it is saved; so is a parameter that is missing.

mod hosts;
mod kit;
mod person;
mod run;
mod script;
mod sent;
mod session;
mod still;

pub use kit::JobKit;
pub use person::{PersonAnswer, Question};
pub use run::KitRun;
pub use script::{CommandAnswer, On, RequestAnswer};
pub use sent::{Sent, What};

//! Jobs: what a person wants done, as validated data.
//!
//! [`JobSpec`] is a definition as it was written, in JSON or YAML. [`JobSpec::validate`] answers with every fault it has,
//! each with its JSON pointer and a plain sentence, or with a [`ValidJob`], the only form that can become a run.
//!
//! ```
//! use opsconductor_core::job::{JobSpec, StepKinds};
//!
//! let kinds = StepKinds::built_in();
//! let job = JobSpec::parse(
//!     r#"
//! name: Restart a service
//! version: 1
//! steps:
//!   - type: winrm.exec
//!     shell: powershell
//!     target: web1
//!     command: Restart-Service {{ svc }}
//! "#,
//! )?
//! .validate(&kinds)?;
//! assert_eq!(job.required_parameters(), ["svc"]);
//!
//! let faulty = JobSpec::parse(r#"{"name": "Nothing to do", "version": 1, "steps": []}"#)?;
//! assert_eq!(faulty.validate(&kinds).unwrap_err().problems()[0].pointer, "/steps");
//! # Ok::<(), opsconductor_core::Error>(())
//! ```
//!
//! [`guide`] describes the definition member by member.
//!
//! What a step does is up to its kind, a [`StepHandler`] in a [`StepKinds`] registry: `winrm.exec`, `winrm.copy`,
//! `winrm.fetch`, their twins with `ssh`, `http.request`, `sleep` and `approval` are built in, and a host registers its own beside
//! them.

mod bind;
mod compose;
pub mod concurrency;
mod explain;
mod faults;
pub mod fields;
mod files;
mod graph;
pub mod guide;
pub mod kinds;
mod known;
mod lists;
mod members;
mod names;
pub(crate) mod nearest;
mod notices;
mod parameters;
mod place;
mod plan;
mod read;
mod registry;
pub mod reserved;
mod secrets;
mod selector;
mod serial;
mod shape;
mod spec;
pub mod step;
mod strict;
mod valid;
mod validate;

pub use bind::BoundParameters;
pub use fields::StepTemplates;
pub use files::WorkerFiles;
pub(crate) use place::join as pointer;
pub use registry::StepKinds;
pub use secrets::{SECRET_PARAMETERS_BYTES_MAX, SECRET_SHOWN, secret_parameters};
pub use selector::Selector;
pub(crate) use spec::read_document;
pub use spec::{DEFINITION_BYTES_MAX, DEFINITION_DEPTH_MAX, JobSpec};
pub use step::{StepContext, StepHandler, StepOutcome, TemplateField, Waits};
pub use valid::{TargetChoice, ValidJob, ValidStep};

//! `opsconductor._core`: what Python calls of the library.
//!
//! Thin on purpose: each function takes Python values, calls the core and gives Python values back. What people see, with its
//! names, defaults and documentation, is in `python/opsconductor/`.
//!
//! Every call that can wait is a [`pending::Pending`]: waited for with the interpreter let go, or awaited on asyncio.
#![forbid(unsafe_code)]

mod connect;
mod engine;
mod errors;
mod events;
mod json;
mod logs;
mod ops;
mod pending;
mod records;
mod runs;
mod runtime;
mod standalone;
mod steps;
mod workers;

use pyo3::prelude::*;

/// The native half of `opsconductor`.
#[pymodule]
mod _core {
    #[pymodule_export]
    use super::{
        connect::{open_memory, open_postgres, open_sqlite},
        engine::Native,
        events::Events,
        logs::{flush_logs, log_level, start_logs},
        ops::Ops,
        pending::Pending,
        runs::RunHandle,
        runtime::stop,
        standalone::{
            Template, Vault, generate_key, hash_password, next_fires, render, validate_job, verify_password,
        },
        steps::StepCall,
        workers::WorkerHandle,
    };

    use pyo3::prelude::*;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}

//! Every member of a job definition, from end to end: a worker on a SQLite file, a simulated Windows host over WinRM, Debian's
//! OpenSSH server, and a service on loopback. What the engine makes of each answer, on each store, stands in `engine`.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod commands;
mod coverage;
mod files;
mod flow;
mod jobs;
mod output;
mod repeats;
mod scene;
mod services;
mod side;
mod targets;
mod time;
mod values;

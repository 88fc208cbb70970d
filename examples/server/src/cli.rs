//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::{
    approvals::ApprovalsOptions,
    audit::AuditCommand,
    auth::AuthCommand,
    config::ConfigOptions,
    exit,
    job::{ApplyOptions, PlanOptions, RunOptions},
    key::KeyOptions,
    notification::NotificationCommand,
    run::{CancelOptions, DecideOptions, LogsOptions, RetryOptions},
    serve::ServeOptions,
    user::UserCommand,
    worker::{MigrateOptions, WorkerOptions, WorkersOptions},
};

/// Runs commands and copies files on many machines, durably and without leaking a secret.
#[derive(Debug, Parser)]
#[command(name = "opsconductor", version, about, after_help = exit::CODES)]
pub(crate) struct Arguments {
    /// Say more on standard error; twice: still more.
    #[arg(short, long, action = clap::ArgAction::Count, global = true)]
    pub(crate) verbose: u8,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run two sample jobs on three simulated Windows hosts.
    #[cfg(feature = "sqlite")]
    Demo(DemoOptions),
    /// Work with job definitions.
    #[command(subcommand)]
    Job(JobCommand),
    /// Make targets, jobs and rules for notifications what files say, or say what differs.
    Apply(ConfigOptions),
    /// Work with runs of jobs.
    #[command(subcommand)]
    Run(RunCommand),
    /// List the steps that wait for a person's answer, which `run decide` gives.
    Approvals(ApprovalsOptions),
    /// Check, export and sign the record of what was done.
    #[command(subcommand)]
    Audit(AuditCommand),
    /// See who was told of runs, and say who is to be.
    #[command(subcommand)]
    Notification(NotificationCommand),
    /// Work with people's accounts.
    #[command(subcommand)]
    User(UserCommand),
    /// Look at who may do what.
    #[command(subcommand)]
    Auth(AuthCommand),
    /// Work with the key that seals credentials.
    #[command(subcommand)]
    Key(KeyCommand),
    /// Bring a store to this program's version; it is made when it is not there.
    Migrate(MigrateOptions),
    /// Take tasks from a store and run them, until told to stop. Many may work on one store, on many machines.
    Worker(WorkerOptions),
    /// Serve the API over HTTP, with a worker in the same process, until told to stop.
    Serve(ServeOptions),
    /// List the workers on a store: host, version, load, last heartbeat.
    Workers(WorkersOptions),
}

/// What `demo` can be told.
#[derive(Debug, Args)]
#[cfg_attr(not(feature = "sqlite"), allow(dead_code, reason = "only demo reads it"))]
pub(crate) struct DemoOptions {
    /// Where the database and the key are kept; a temporary folder when it is not said.
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// Exit when the jobs have run: 0 when all succeeded, 1 when not.
    #[arg(long)]
    pub(crate) once: bool,
    /// Print the result as one JSON object on standard output.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum JobCommand {
    /// Check a job definition (JSON or YAML) and show every problem. Whether its targets exist is checked when it is saved.
    Validate {
        /// The file, or `-` for standard input.
        file: PathBuf,
        /// Print the result as one JSON object on standard output.
        #[arg(long)]
        json: bool,
    },
    /// Print the JSON Schema of job definitions, for editors.
    Schema,
    /// Show the tasks that a run of a definition would be, with their commands, and a digest of it all. Nothing is stored.
    Plan(PlanOptions),
    /// Save a job definition: a new job, or a new version of the one of its name.
    Apply(ApplyOptions),
    /// Enqueue a run of a saved job.
    Run(RunOptions),
}

#[derive(Debug, Subcommand)]
pub(crate) enum RunCommand {
    /// Cancel a run: what waits ends at once, what runs is stopped on its host.
    Cancel(CancelOptions),
    /// Answer a step that waits for a person.
    Decide(DecideOptions),
    /// Show the output of a run, or the lines in which a text occurs.
    Logs(LogsOptions),
    /// Do again what did not succeed in a run that is over, or a step and all that follows it: a new run.
    Retry(RetryOptions),
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Make a new key of 256 bits, in base64.
    Generate {
        /// Write it to this file, readable by its owner alone, instead of standard output. A file that exists is kept.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// List the keys, and how many records of the store are sealed under each.
    Status(KeyOptions),
    /// Move every record of the store under the current key, while everything goes on. It may be cut off and begun again.
    #[command(after_help = MOVING_CODES)]
    Rewrap(KeyOptions),
    /// Seal every record of the store anew, under fresh data keys and the current key.
    #[command(after_help = MOVING_CODES)]
    Reseal(KeyOptions),
    /// Drop a former key: take it out of the key file, if no record of the store is sealed under it any more.
    #[command(after_help = "Exit codes:\n  \
        0  nothing needs the key; it is out of the file that --key names\n  \
        2  records are still sealed under it, or it is the current key\n  \
        3  nobody knows a key of this id, or the keys or the store cannot be used")]
    Retire {
        /// The id of the key, as `key status` shows it.
        id: String,
        #[command(flatten)]
        options: KeyOptions,
    },
}

/// The exit codes of commands that move records.
const MOVING_CODES: &str = "Exit codes:\n  \
    0  every record is under the current key\n  \
    1  some could not be moved, or were sealed meanwhile by a process that has no such key\n  \
    3  the keys or the store cannot be used; what was moved stays moved";

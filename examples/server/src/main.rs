//! The `opsconductor` program.
#![forbid(unsafe_code)]

mod approvals;
mod audit;
mod auth;
mod cli;
mod config;
#[cfg(feature = "sqlite")]
mod demo;
mod exit;
mod interrupt;
mod job;
mod key;
mod logging;
mod notification;
mod run;
mod runtime;
mod serve;
mod show;
mod store;
mod user;
mod worker;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let arguments = cli::Arguments::parse();
    logging::start(arguments.verbose);
    let ended = match arguments.command {
        #[cfg(feature = "sqlite")]
        cli::Command::Demo(options) => demo::run(options),
        cli::Command::Apply(options) => config::apply(&options),
        cli::Command::Job(command) => job::obey(command),
        cli::Command::Run(command) => run::obey(command),
        cli::Command::Approvals(options) => approvals::list(&options),
        cli::Command::Audit(command) => audit::obey(command),
        cli::Command::Auth(command) => auth::obey(&command),
        cli::Command::Notification(command) => notification::obey(command),
        cli::Command::User(command) => user::obey(command),
        cli::Command::Migrate(options) => worker::migrate(&options),
        cli::Command::Worker(options) => worker::work(options),
        cli::Command::Workers(options) => worker::list(&options),
        cli::Command::Key(command) => key::obey(command),
        cli::Command::Serve(options) => serve::serve(options),
    };
    exit::code(ended)
}

//! `opsconductor job`: definitions checked, shown, saved and run.

mod parameters;
mod plan;
mod run;

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use opsconductor_core::{
    Error, ErrorKind, Problem,
    job::{JobSpec, StepKinds},
};
use serde_json::json;

pub(crate) use self::{
    plan::PlanOptions,
    run::{ApplyOptions, RunOptions, engine, follow},
};
use crate::{
    cli::JobCommand,
    exit::{Ended, answer, say},
};

/// The longest definition that is read: what the library accepts, and a byte to see that there is more.
const READ_MAX: u64 = 2 * 1024 * 1024 + 1;

/// Does what was asked.
pub(crate) fn obey(command: JobCommand) -> Result<Ended, Error> {
    match command {
        JobCommand::Validate { file, json } => validate(&file, json),
        JobCommand::Schema => {
            answer(&format!("{:#}", StepKinds::built_in().job_schema()))?;
            Ok(Ended::Well)
        }
        JobCommand::Plan(options) => plan::plan(&options),
        JobCommand::Apply(options) => run::apply(&options),
        JobCommand::Run(options) => run::run(options),
    }
}

/// Checks a definition and shows every problem.
fn validate(file: &Path, as_json: bool) -> Result<Ended, Error> {
    match parse(file).and_then(|spec| spec.validate(&StepKinds::built_in())) {
        Ok(job) => {
            let needed = job.required_parameters();
            if as_json {
                answer(&json!({"valid": true, "problems": [], "required_parameters": needed}).to_string())?;
            } else if needed.is_empty() {
                say(&format!("{} holds: {} steps", job.name(), job.steps().len()));
            } else {
                say(&format!(
                    "{} holds: {} steps; a run needs {}",
                    job.name(),
                    job.steps().len(),
                    needed.join(", ")
                ));
            }
            Ok(Ended::Well)
        }
        Err(error) => refused(error, as_json),
    }
}

/// A definition or parameters that do not hold: every problem is shown.
fn refused(error: Error, as_json: bool) -> Result<Ended, Error> {
    if !matches!(error.kind(), ErrorKind::InvalidJob | ErrorKind::InvalidParameters) {
        return Err(error);
    }
    show(error.problems(), as_json)?;
    Ok(Ended::InputRefused)
}

fn parse(file: &Path) -> Result<JobSpec, Error> {
    JobSpec::parse(&read(file).map_err(|error| error.with("file", file.display()))?)
}

fn show(problems: &[Problem], as_json: bool) -> Result<(), Error> {
    if as_json {
        return answer(&json!({"valid": false, "problems": problems}).to_string());
    }
    for problem in problems {
        say(&problem.to_string());
    }
    say(&match problems.len() {
        1 => "1 problem".to_owned(),
        many => format!("{many} problems"),
    });
    Ok(())
}

fn read(file: &Path) -> Result<String, Error> {
    let mut bytes = Vec::new();
    let done = if file == Path::new("-") {
        io::stdin().lock().take(READ_MAX).read_to_end(&mut bytes)
    } else {
        File::open(file).and_then(|opened| opened.take(READ_MAX).read_to_end(&mut bytes))
    };
    done.map_err(|source| Error::new(ErrorKind::InvalidInput, "it cannot be read").with_source(source))?;
    String::from_utf8(bytes)
        .map_err(|_| Error::new(ErrorKind::InvalidInput, "it is not UTF-8 text; save it as UTF-8"))
}

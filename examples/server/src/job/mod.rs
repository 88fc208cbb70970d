//! `opsconductor job validate`.

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

use crate::exit::{Ended, answer, say};

/// The longest definition that is read: what the library accepts, and a byte to see that there is more.
const READ_MAX: u64 = 2 * 1024 * 1024 + 1;

/// Checks a definition and shows every problem.
pub(crate) fn validate(file: &Path, as_json: bool) -> Result<Ended, Error> {
    let text = read(file).map_err(|error| error.with("file", file.display()))?;
    match JobSpec::parse(&text).and_then(|spec| spec.validate(&StepKinds::built_in())) {
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
        Err(error) if error.kind() == ErrorKind::InvalidJob => {
            show(error.problems(), as_json)?;
            Ok(Ended::InputRefused)
        }
        Err(error) => Err(error),
    }
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
    done.map_err(|source| {
        Error::new(ErrorKind::InvalidInput, "the definition cannot be read").with_source(source)
    })?;
    String::from_utf8(bytes).map_err(|_| {
        Error::new(ErrorKind::InvalidInput, "the definition is not UTF-8 text; save it as UTF-8")
    })
}

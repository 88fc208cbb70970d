//! The parameters of a run, from the command line.

use std::{env, path::PathBuf};

use clap::Args;
use opsconductor_core::{
    Error, ErrorKind,
    job::{JobSpec, secret_parameters},
};
use serde_json::{Map, Value};

use super::read;

/// Where the parameters of a run are.
#[derive(Debug, Args)]
pub(super) struct ParameterOptions {
    /// A parameter: NAME=TEXT, or NAME:=JSON for what is no text. Everyone on this machine can read it, so a secret one is
    /// refused here.
    #[arg(short, long = "parameter", value_name = "NAME=TEXT")]
    parameter: Vec<String>,
    /// A parameter whose text is in a variable of the environment, as a secret may be.
    #[arg(long, value_name = "NAME=VARIABLE")]
    parameter_env: Vec<String>,
    /// A file with parameters, an object in JSON or YAML; `-` for standard input. It may hold secret ones. Those given singly go
    /// over them.
    #[arg(long, value_name = "FILE")]
    parameters: Option<PathBuf>,
}

impl ParameterOptions {
    /// Whether some stand among the arguments, where no secret may be.
    pub(super) fn are_in_arguments(&self) -> bool {
        !self.parameter.is_empty()
    }

    /// Refuses arguments that `definition` calls secret. The value is not repeated.
    pub(super) fn check(&self, definition: &Value) -> Result<(), Error> {
        for given in &self.parameter {
            let name = given.split_once('=').map_or("", |(name, _)| name.strip_suffix(':').unwrap_or(name));
            if secret_parameters(definition).any(|secret| secret == name) {
                let message = "the parameter is secret, and everyone on this machine can read the arguments: give it with \
                               --parameters FILE (`-` for standard input) or --parameter-env NAME=VARIABLE";
                return Err(refuse(message).with("parameter", name));
            }
        }
        Ok(())
    }

    pub(super) fn read(&self) -> Result<Map<String, Value>, Error> {
        let mut parameters = match &self.parameters {
            None => Map::new(),
            Some(file) => {
                let at = |error: Error| error.with("file", file.display());
                let text = read(file).map_err(at)?;
                // The same reader as for definitions: JSON or YAML, within its limits.
                match JobSpec::parse(&text).map_err(|error| unreadable(&error)).map_err(at)?.as_value() {
                    Value::Object(members) => members.clone(),
                    _ => return Err(at(refuse("the parameters are an object: names and values"))),
                }
            }
        };
        for given in &self.parameter_env {
            let Some((name, variable)) = given.split_once('=') else {
                return Err(refuse("a parameter from the environment is given as NAME=VARIABLE"));
            };
            parameters.insert(name.to_owned(), Value::String(text_in(variable)?));
        }
        for given in &self.parameter {
            let (name, value) = one(given)?;
            parameters.insert(name, value);
        }
        Ok(parameters)
    }
}

/// What a parser says of parameters could repeat one, which may be secret: only the place is told.
fn unreadable(error: &Error) -> Error {
    let said = error.problems().first().map_or("", |problem| problem.message.as_str());
    let place = said.split_once(": ").map_or("", |(place, _)| place);
    let what = if place.starts_with("this is not valid") { place } else { "they are neither JSON nor YAML" };
    let hint = "text that begins with a mark such as `*`, `!` or `{` goes into quotes";
    Error::new(ErrorKind::InvalidInput, format!("the parameters cannot be read: {what}; {hint}"))
}

fn text_in(variable: &str) -> Result<String, Error> {
    match env::var(variable) {
        Ok(text) => Ok(text),
        Err(env::VarError::NotPresent) => {
            Err(refuse("there is no such variable in the environment").with("variable", variable))
        }
        Err(env::VarError::NotUnicode(_)) => {
            Err(refuse("the variable is not UTF-8 text").with("variable", variable))
        }
    }
}

fn one(given: &str) -> Result<(String, Value), Error> {
    let Some((name, text)) = given.split_once('=') else {
        // It is not repeated, for it could be a secret that was given in the wrong place.
        return Err(refuse("a parameter is given as NAME=TEXT or NAME:=JSON"));
    };
    let Some(name) = name.strip_suffix(':') else {
        return Ok((name.to_owned(), Value::String(text.to_owned())));
    };
    let value = serde_json::from_str(text).map_err(|_| {
        refuse("what follows := is not JSON; text is given as NAME=TEXT").with("parameter", name)
    })?;
    Ok((name.to_owned(), value))
}

fn refuse(message: &'static str) -> Error {
    Error::new(ErrorKind::InvalidInput, message)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use serde_json::json;

    use super::*;

    #[test]
    fn text_stays_text_and_json_is_read() {
        assert_eq!(one("version=1.10").unwrap(), ("version".to_owned(), json!("1.10")));
        assert_eq!(one("filter=a=b").unwrap(), ("filter".to_owned(), json!("a=b")));
        assert_eq!(one("count:=3").unwrap(), ("count".to_owned(), json!(3)));
        assert_eq!(one("names:=[\"a\"]").unwrap(), ("names".to_owned(), json!(["a"])));
        for wrong in ["count", "count:=many"] {
            assert_eq!(one(wrong).unwrap_err().kind(), ErrorKind::InvalidInput, "{wrong}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_placed_and_never_repeated() {
        for text in [
            "password: *hunter2",
            "password: !hunter2 x",
            "{\"password\": \"hunter2\", hunter2",
            "a: [hunter2",
        ] {
            let error = JobSpec::parse(text).expect_err(text);
            let said = unreadable(&error).report();
            assert!(said.contains("line 1") && !said.contains("hunter2"), "{said}");
        }
    }

    #[test]
    fn a_secret_is_refused_among_the_arguments_in_either_form() {
        let definition =
            json!({"parameterSchema": {"properties": {"pw": {"type": "string", "secret": true}, "svc": {}}}});
        let options = |given: &str| ParameterOptions {
            parameter: vec!["svc=pw".to_owned(), given.to_owned()],
            parameter_env: Vec::new(),
            parameters: None,
        };
        for given in ["pw=hunter2", "pw:=\"hunter2\""] {
            let error = options(given).check(&definition).unwrap_err();
            assert!(
                error.report().contains("--parameter-env") && !error.report().contains("hunter2"),
                "{error:?}"
            );
        }
        options("other=pw").check(&definition).unwrap();
    }
}

//! The parameters of a run, from the command line.

use std::path::PathBuf;

use clap::Args;
use opsconductor_core::{Error, ErrorKind, job::JobSpec};
use serde_json::{Map, Value};

use super::read;

/// Where the parameters of a run are.
#[derive(Debug, Args)]
pub(super) struct ParameterOptions {
    /// A parameter: NAME=TEXT, or NAME:=JSON for what is no text. Everyone on this machine can read it; what is secret goes into
    /// a file.
    #[arg(short, long = "parameter", value_name = "NAME=TEXT")]
    parameter: Vec<String>,
    /// A file with parameters, an object in JSON or YAML; `-` for standard input. Those given singly go over them.
    #[arg(long, value_name = "FILE")]
    parameters: Option<PathBuf>,
}

impl ParameterOptions {
    pub(super) fn read(&self) -> Result<Map<String, Value>, Error> {
        let mut parameters = match &self.parameters {
            None => Map::new(),
            Some(file) => {
                let at = |error: Error| error.with("file", file.display());
                let text = read(file).map_err(at)?;
                // The same reader as for definitions: JSON or YAML, within its limits.
                match JobSpec::parse(&text).map_err(at)?.as_value() {
                    Value::Object(members) => members.clone(),
                    _ => return Err(at(refuse("the parameters are an object: names and values"))),
                }
            }
        };
        for given in &self.parameter {
            let (name, value) = one(given)?;
            parameters.insert(name, value);
        }
        Ok(parameters)
    }
}

fn one(given: &str) -> Result<(String, Value), Error> {
    let Some((name, text)) = given.split_once('=') else {
        return Err(refuse("a parameter is given as NAME=TEXT or NAME:=JSON").with("given", given));
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
}

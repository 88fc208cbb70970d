#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![allow(clippy::needless_pass_by_value, reason = "json! literals are handed over")]

mod language;
mod limits;
mod places;
mod quoting;
mod values;

use serde_json::{Map, Value, json};

use super::{Sink, Template, TemplateOptions, render};
use crate::error::{Error, ErrorKind};

fn map(value: Value) -> Map<String, Value> {
    let Value::Object(map) = value else { panic!("a map is needed") };
    map
}

fn compile(source: &str, sink: Sink) -> Result<Template, Error> {
    Template::compile(source, sink, TemplateOptions::default())
}

fn run(source: &str, values: Value, sink: Sink) -> Result<String, Error> {
    render(source, &map(values), sink, TemplateOptions::default())
}

fn text(source: &str, values: Value) -> String {
    run(source, values, Sink::Text).unwrap()
}

/// The error of compiling, which must be of the right kind and say where.
fn compile_error(source: &str, sink: Sink) -> String {
    let error = match compile(source, sink) {
        Ok(_) => panic!("compiled for {sink}: {source}"),
        Err(error) => error,
    };
    assert_eq!(error.kind(), ErrorKind::Template, "{error}");
    error.to_string()
}

/// The error of rendering with `x`; the template must compile, and the error name `x` and hide its value.
fn refused(source: &str, x: Value, sink: Sink) -> String {
    let template = compile(source, sink).unwrap_or_else(|error| panic!("{sink}: {source}: {error}"));
    let error = match template.render(&map(json!({ "x": x }))) {
        Ok(out) => panic!("rendered for {sink}: {source} gave {out}"),
        Err(error) => error,
    };
    assert_eq!(error.kind(), ErrorKind::Template);
    let error = error.to_string();
    assert!(error.contains("`x`"), "{error}");
    if let Some(value) = x.as_str().filter(|value| value.len() > 3) {
        assert!(!error.contains(value), "the error shows the value: {error}");
    }
    error
}

//! The cmdlets.

mod commands;
mod confirmation;
mod construction;
mod content;
mod dates;
mod files;
mod hashing;
mod invocation;
mod json;
mod listing;
mod members;
mod messages;
mod objects;
mod paths;
mod processes;
mod random;
mod selection;
mod services;
mod session;
mod shaping;
mod table;
mod variables;

use std::sync::OnceLock;

use super::error::Result;
use super::eval::{Bound, Emits, Interpreter, Run};
use super::value::Value;

pub(super) use members::visible_properties;
pub(super) use selection::select_one;
pub(super) use services::service_method;
pub(super) use table::{alias, find};

/// The module a cmdlet comes with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Module {
    /// What the engine itself brings, which needs no import.
    Core,
    Management,
    Security,
    Utility,
}

/// A cmdlet: its name, module, .NET type, parameters and code.
pub(super) struct Cmdlet {
    pub(super) name: &'static str,
    pub(super) module: Module,
    pub(super) type_name: &'static str,
    /// Words `Name[/Alias…][@position][?][^]`: `?` marks a switch, `^` takes the pipeline's value, `...` takes more.
    spec: &'static str,
    pub(super) body: Body,
    parsed: OnceLock<Vec<Parameter>>,
}

/// The code of a cmdlet.
#[derive(Clone, Copy)]
pub(super) enum Body {
    /// Once for each value of the pipeline, or once when nothing is piped.
    Each(fn(&mut Interpreter, &Bound, &mut Emits) -> Result<()>),
    /// Once at the end, with all values.
    All(fn(&mut Interpreter, &Bound, Vec<Value>, &mut Emits) -> Result<()>),
    /// The same, for those that wait.
    Wait(for<'a> fn(&'a mut Interpreter, Bound, Vec<Value>, &'a mut Emits) -> Run<'a, ()>),
    /// See `eval::streaming`.
    Streaming,
}

#[derive(Debug)]
pub(super) struct Parameter {
    pub(super) name: &'static str,
    pub(super) aliases: Vec<&'static str>,
    pub(super) position: Option<usize>,
    pub(super) switch: bool,
    from_pipeline: bool,
}

impl Cmdlet {
    const fn new(
        name: &'static str,
        module: Module,
        type_name: &'static str,
        spec: &'static str,
        body: Body,
    ) -> Self {
        Self { name, module, type_name, spec, body, parsed: OnceLock::new() }
    }

    pub(super) fn parameters(&self) -> &[Parameter] {
        self.parsed
            .get_or_init(|| self.spec.split_whitespace().filter(|w| *w != "...").map(parameter).collect())
    }

    pub(super) fn takes_rest(&self) -> bool {
        self.spec.ends_with("...")
    }

    /// Puts a value from the pipeline where the cmdlet wants it.
    pub(super) fn bind_input(&self, bound: &mut Bound, value: Value) {
        if let Some(parameter) = self.parameters().iter().find(|p| p.from_pipeline) {
            bound.set(parameter.name, value);
        }
    }
}

fn parameter(word: &'static str) -> Parameter {
    let from_pipeline = word.contains('^');
    let switch = word.contains('?');
    let word = word.trim_end_matches(['^', '?']);
    let (names, position) = match word.split_once('@') {
        Some((names, position)) => (names, position.trim_end_matches(['^', '?']).parse().ok()),
        None => (word, None),
    };
    let mut names = names.split('/');
    let name = names.next().unwrap_or_default();
    Parameter { name, aliases: names.collect(), position, switch, from_pipeline }
}

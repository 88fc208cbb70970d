//! An expression that holds or does not: [`Condition`].

use std::{fmt, sync::Arc};

use serde_json::{Map, Value};

use super::{Compiled, Template, TemplateOptions, names, sink::Sink, syntax, tree::Node};
use crate::error::Result;

/// An expression of the template language without the braces: `svc == "Spooler" and steps.check.exitCode != 0`. It is
/// true or false as Jinja2's `if` takes it.
#[derive(Clone)]
pub struct Condition(Template);

impl Condition {
    /// Checks everything that can be checked without values.
    ///
    /// # Errors
    /// [`ErrorKind::Template`](crate::ErrorKind::Template), with line and column.
    pub fn compile(source: &str) -> Result<Self> {
        let test = syntax::read_expression(source, TemplateOptions::default())?;
        let nodes =
            vec![Node::If { test, then: vec![Node::Text(HOLDS.into())], otherwise: Vec::new(), line: 1 }];
        let names = names::collect(&nodes);
        let compiled = Compiled { nodes, sink: Sink::Text, names, source_bytes: HOLDS.len() };
        Ok(Self(Template(Arc::new(compiled))))
    }

    /// What it reads, as of a template.
    pub fn reads(&self) -> &Template {
        &self.0
    }

    /// Whether it holds for `values`.
    ///
    /// # Errors
    /// As [`Template::render`].
    pub fn holds(&self, values: &Map<String, Value>) -> Result<bool> {
        Ok(self.0.render(values)? == HOLDS)
    }
}

/// What is written when it holds.
const HOLDS: &str = "1";

impl fmt::Debug for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Condition").field("names", &self.0.names()).finish_non_exhaustive()
    }
}

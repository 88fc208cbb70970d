//! Templates: text with placeholders, rendered for a [`Sink`] so that a value never becomes code.
//!
//! The language is Jinja2's, parsed by `minijinja`; it is evaluated here, from a list of what templates may do
//! (`if`, `for`, `set`, `with`, operators, about thirty filters, `range`), each part counted against a budget. No
//! template takes more than a second or 64 MiB, whatever it holds.
//!
//! * A value that is plain for the sink goes in as it is. Any other needs `| quote`, or `| raw` where the job
//!   allows it; else rendering fails and names the parameter.
//! * Text around placeholders is read as the sink reads it when the template is compiled. Inside a quoted literal or
//!   a comment only plain values go in, and `| quote` is an error there.
//! * Every name must have a value; `default` and `is defined` are the ways around it. Values are data: braces in them
//!   mean nothing.
//! * Booleans are written `True` and `False`, as Jinja2 does, but `true` and `false` in [`Sink::Json`]. `null` has no
//!   text and is an error outside JSON. Lists and maps are compact JSON in [`Sink::Text`], quoted JSON
//!   in [`Sink::Json`], and an error elsewhere. One newline at the end of a template is dropped, as in Jinja2.
//!
//! ```
//! use opsconductor_core::template::{Sink, Template, TemplateOptions};
//!
//! let template = Template::compile("Restart-Service {{ svc }}", Sink::PowerShell, TemplateOptions::default())?;
//! assert_eq!(template.names(), ["svc"]);
//!
//! let values = |svc: &str| serde_json::Map::from_iter([("svc".to_owned(), svc.into())]);
//! assert_eq!(template.render(&values("Spooler"))?, "Restart-Service Spooler");
//! assert!(template.render(&values("Spooler; Stop-Computer")).is_err());
//! # Ok::<(), opsconductor_core::Error>(())
//! ```

mod budget;
mod condition;
mod eval;
mod filter;
mod guard;
mod names;
mod operate;
mod place;
mod predicate;
mod simple;
mod sink;
mod syntax;
mod tree;
mod value;

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use serde_json::{Map, Value};

pub use self::condition::Condition;
pub(crate) use self::sink::percent_encode;
pub use self::sink::{Sink, is_plain, quote};
use self::tree::Node;
use crate::error::Result;

/// What a job allows its templates.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TemplateOptions {
    /// Whether `| raw` may write a value unquoted and unchecked: the job's `allowRaw`.
    pub allow_raw: bool,
}

impl TemplateOptions {
    /// The options with `allow_raw` set so.
    #[must_use]
    pub fn with_allow_raw(mut self, allow_raw: bool) -> Self {
        self.allow_raw = allow_raw;
        self
    }
}

/// A template that was checked and can be rendered many times. Cloning it is cheap.
#[derive(Clone)]
pub struct Template(Arc<Compiled>);

struct Compiled {
    nodes: Vec<Node>,
    sink: Sink,
    names: names::Names,
    source_bytes: usize,
}

impl Template {
    /// Checks everything that can be checked without values: syntax, size, nesting, which filters are used, and the
    /// quoting of the text around placeholders.
    ///
    /// # Errors
    /// [`ErrorKind::Template`](crate::ErrorKind::Template), with line and column.
    pub fn compile(source: &str, sink: Sink, options: TemplateOptions) -> Result<Self> {
        let mut nodes = syntax::read(source, sink, options)?;
        place::check(&mut nodes, sink)?;
        let names = names::collect(&nodes);
        Ok(Self(Arc::new(Compiled { nodes, sink, names, source_bytes: source.len() })))
    }

    /// Top-level names the template reads and does not itself define, sorted.
    pub fn names(&self) -> &[String] {
        &self.0.names.names
    }

    /// Those of [`names`](Self::names) that the template can do without: read only through `default`, or asked for
    /// with `is defined`. Sorted.
    pub fn optional_names(&self) -> &[String] {
        &self.0.names.optional
    }

    /// The dotted paths the template reads, as far as they are static, sorted: `svc`, `steps.build.stdout`.
    pub fn paths(&self) -> &[String] {
        &self.0.names.paths
    }

    /// Whether there is nothing to render: the template is text.
    pub fn is_literal(&self) -> bool {
        self.0.nodes.iter().all(|node| matches!(node, Node::Text(_)))
    }

    /// The sink it was compiled for.
    pub fn sink(&self) -> Sink {
        self.0.sink
    }

    /// Renders the template with `values`.
    ///
    /// # Errors
    /// [`ErrorKind::Template`](crate::ErrorKind::Template), naming the parameter: a name without a value, a value that
    /// is not plain where it stands, an operation that does not fit its operands, or a limit that was reached. The
    /// message never holds a value.
    pub fn render(&self, values: &Map<String, Value>) -> Result<String> {
        let compiled = &*self.0;
        eval::Evaluation::new(values, compiled.sink, compiled.source_bytes + 32).run(&compiled.nodes)
    }
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Template")
            .field("sink", &self.0.sink)
            .field("names", &self.0.names.names)
            .finish_non_exhaustive()
    }
}

/// Compiles and renders `source` once.
///
/// # Errors
/// As [`Template::compile`] and [`Template::render`].
pub fn render(
    source: &str,
    values: &Map<String, Value>,
    sink: Sink,
    options: TemplateOptions,
) -> Result<String> {
    Template::compile(source, sink, options)?.render(values)
}

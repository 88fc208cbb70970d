//! What a template is compiled to: a small tree of our own, so that nothing runs that is not listed here.

use std::sync::Arc;

use serde_json::Value as Json;

use super::filter::Filter;
use super::predicate::Predicate;
use crate::error::{Error, ErrorKind};

/// One piece of a template.
#[derive(Debug)]
pub(super) enum Node {
    Text(Box<str>),
    Emit(Emit),
    If { test: Expr, then: Vec<Node>, otherwise: Vec<Node>, line: u32 },
    For(Box<For>),
    Set { target: Target, value: Expr },
    Capture { name: Arc<str>, body: Vec<Node>, filters: Option<Expr> },
    With { bindings: Vec<(Target, Expr)>, body: Vec<Node> },
}

/// A loop.
#[derive(Debug)]
pub(super) struct For {
    pub(super) target: Target,
    pub(super) over: Expr,
    pub(super) filter: Option<Expr>,
    pub(super) body: Vec<Node>,
    pub(super) otherwise: Vec<Node>,
    pub(super) line: u32,
}

/// What a statement assigns to.
#[derive(Debug)]
pub(super) enum Target {
    Name(Arc<str>),
    Unpack(Vec<Arc<str>>),
}

/// A placeholder.
#[derive(Debug)]
pub(super) struct Emit {
    pub(super) expr: Expr,
    pub(super) how: How,
    /// What the place demands of an unquoted value; filled in by the analysis of the text around it.
    pub(super) needs: Needs,
    /// Where it stands, for errors.
    pub(super) line: u32,
    pub(super) column: u32,
}

impl Emit {
    /// An error about its value. `why` completes the sentence "`svc` …".
    #[cold]
    pub(super) fn blame(&self, why: &str) -> Error {
        let label = self.expr.label().map_or_else(|| "the value".to_owned(), |label| format!("`{label}`"));
        Error::new(ErrorKind::Template, format!("{label} {why}"))
            .with("line", self.line)
            .with("column", self.column)
    }
}

/// How a value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// As it is, if it is plain.
    Plain,
    /// Through the sink's quoting.
    Quote,
    /// As it is, as the job allows.
    Raw,
    /// Into a `{% set %}` block: it is checked when that is written.
    Collect,
}

/// Demands that a place makes of an unquoted value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Needs {
    /// An empty value would change how the text around it is read.
    pub(super) something: bool,
    /// Only a number can stand here; a word would be run as a command.
    pub(super) number: bool,
    /// Only a JSON number, `true`, `false` or `null` can stand here.
    pub(super) json_token: bool,
    /// It stands inside a literal, where quoting is no way out.
    pub(super) literal: bool,
}

impl Needs {
    pub(super) fn add(&mut self, other: Self) {
        self.something |= other.something;
        self.number |= other.number;
        self.json_token |= other.json_token;
        self.literal |= other.literal;
    }
}

/// An expression.
#[derive(Debug)]
pub(super) enum Expr {
    Const(Json),
    Var(Arc<str>),
    Loop(LoopField),
    Attr(Box<Expr>, Arc<str>),
    Item(Box<Expr>, Box<Expr>),
    Slice(Box<Expr>, Box<[Option<Expr>; 3]>),
    Not(Box<Expr>),
    Neg(Box<Expr>),
    And(Box<Expr>, Box<Expr>),
    Or(Box<Expr>, Box<Expr>),
    Math(Math, Box<Expr>, Box<Expr>),
    Compare(Box<Expr>, Vec<(Comparison, Expr)>),
    If {
        test: Box<Expr>,
        then: Box<Expr>,
        otherwise: Option<Box<Expr>>,
    },
    Filter {
        filter: Filter,
        on: Box<Expr>,
        args: Args,
    },
    Test {
        test: Predicate,
        on: Box<Expr>,
        args: Vec<Expr>,
    },
    Range(Vec<Expr>),
    List(Vec<Expr>),
    Map(Vec<(Expr, Expr)>),
    /// The value a filter chain on a block starts from.
    Block,
}

/// Arguments of a filter.
#[derive(Debug, Default)]
pub(super) struct Args {
    pub(super) positional: Vec<Expr>,
    pub(super) named: Vec<(Box<str>, Expr)>,
}

/// An arithmetic operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Math {
    Add,
    Sub,
    Mul,
    Div,
    FloorDiv,
    Rem,
    Pow,
    Concat,
}

/// A comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    In,
    NotIn,
}

/// A member of `loop`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LoopField {
    Index,
    Index0,
    RevIndex,
    RevIndex0,
    First,
    Last,
    Length,
    Depth,
}

impl Expr {
    /// The dotted name of what is read, such as `steps.build.stdout`; `None` when it is not a plain path.
    pub(super) fn path(&self) -> Option<String> {
        match self {
            Self::Var(name) => Some(name.to_string()),
            Self::Attr(on, name) => Some(format!("{}.{name}", on.path()?)),
            Self::Item(on, item) => match &**item {
                Self::Const(Json::String(name)) => Some(format!("{}.{name}", on.path()?)),
                Self::Const(Json::Number(index)) => Some(format!("{}[{index}]", on.path()?)),
                _ => on.path(),
            },
            _ => None,
        }
    }

    /// The first name that is read in the expression: what an error about its value should name.
    pub(super) fn label(&self) -> Option<String> {
        if let Some(path) = self.path() {
            return Some(path);
        }
        let mut found = None;
        self.children(&mut |child| {
            if found.is_none() {
                found = child.label();
            }
        });
        found
    }

    /// Calls `visit` for each direct part, in the order of the source.
    pub(super) fn children<'a>(&'a self, visit: &mut dyn FnMut(&'a Expr)) {
        match self {
            Self::Const(_) | Self::Var(_) | Self::Loop(_) | Self::Block => {}
            Self::Attr(on, _) | Self::Not(on) | Self::Neg(on) => visit(on),
            Self::Item(left, right)
            | Self::And(left, right)
            | Self::Or(left, right)
            | Self::Math(_, left, right) => {
                visit(left);
                visit(right);
            }
            Self::Slice(on, parts) => {
                visit(on);
                parts.iter().flatten().for_each(visit);
            }
            Self::Compare(first, rest) => {
                visit(first);
                rest.iter().for_each(|(_, expr)| visit(expr));
            }
            Self::If { test, then, otherwise } => {
                visit(then);
                visit(test);
                if let Some(otherwise) = otherwise {
                    visit(otherwise);
                }
            }
            Self::Filter { on, args, .. } => {
                visit(on);
                args.positional.iter().for_each(&mut *visit);
                args.named.iter().for_each(|(_, expr)| visit(expr));
            }
            Self::Test { on, args, .. } => {
                visit(on);
                args.iter().for_each(visit);
            }
            Self::Range(items) | Self::List(items) => items.iter().for_each(visit),
            Self::Map(entries) => entries.iter().for_each(|(key, value)| {
                visit(key);
                visit(value);
            }),
        }
    }
}

//! The tree of a script.

use std::sync::Arc;

use super::value::Value;

/// The text of a script, kept for the position lines of errors.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) text: Vec<char>,
    /// The file it came from.
    pub(super) file: Option<String>,
}

/// A range of characters of the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: usize,
    pub(super) end: usize,
}

/// The body of a script block, a function or a script.
#[derive(Debug)]
pub(super) struct ScriptAst {
    pub(super) source: Arc<Source>,
    pub(super) span: Span,
    pub(super) parameters: Vec<Parameter>,
    pub(super) begin: Option<Block>,
    pub(super) process: Option<Block>,
    pub(super) end: Block,
    /// `[CmdletBinding()]` or a `[Parameter()]` makes unknown parameters an error.
    pub(super) advanced: bool,
    /// `[CmdletBinding(SupportsShouldProcess)]` gives `-WhatIf` and `-Confirm`.
    pub(super) should_process: bool,
}

#[derive(Debug)]
pub(super) struct Parameter {
    pub(super) name: Arc<str>,
    pub(super) type_name: Option<Arc<str>>,
    pub(super) default: Option<Expr>,
    pub(super) mandatory: bool,
    pub(super) from_pipeline: bool,
    pub(super) aliases: Vec<String>,
}

#[derive(Debug, Default)]
pub(super) struct Block {
    pub(super) statements: Vec<Statement>,
}

#[derive(Debug)]
pub(super) struct Statement {
    pub(super) kind: StatementKind,
    pub(super) span: Span,
}

#[derive(Debug)]
pub(super) enum StatementKind {
    Pipeline(Vec<Element>),
    Assign {
        target: Expr,
        operator: Option<BinaryOp>,
        value: Box<Statement>,
    },
    If {
        branches: Vec<(Statement, Block)>,
        otherwise: Option<Block>,
    },
    While {
        label: Option<String>,
        condition: Box<Statement>,
        body: Block,
    },
    Do {
        label: Option<String>,
        body: Block,
        condition: Box<Statement>,
        until: bool,
    },
    For {
        label: Option<String>,
        init: Option<Box<Statement>>,
        condition: Option<Box<Statement>>,
        step: Option<Box<Statement>>,
        body: Block,
    },
    ForEach {
        label: Option<String>,
        variable: VariableName,
        values: Box<Statement>,
        body: Block,
    },
    Switch {
        label: Option<String>,
        mode: SwitchMode,
        value: Box<Statement>,
        cases: Vec<(Expr, Block)>,
        default: Option<Block>,
    },
    Try {
        body: Block,
        catches: Vec<(Vec<Arc<str>>, Block)>,
        finally: Option<Block>,
    },
    Function {
        name: Arc<str>,
        body: Arc<ScriptAst>,
    },
    Return(Option<Box<Statement>>),
    Break(Option<String>),
    Continue(Option<String>),
    Throw(Option<Box<Statement>>),
    Exit(Option<Box<Statement>>),
}

#[derive(Debug, Clone, Copy, Default)]
pub(super) struct SwitchMode {
    pub(super) regex: bool,
    pub(super) wildcard: bool,
    pub(super) case_sensitive: bool,
}

/// One part of a pipeline.
#[derive(Debug)]
pub(super) enum Element {
    Expression(Expr, Vec<Redirection>),
    Command(Command),
}

#[derive(Debug)]
pub(super) struct Command {
    pub(super) call: CallKind,
    pub(super) name: Expr,
    pub(super) arguments: Vec<Argument>,
    pub(super) redirections: Vec<Redirection>,
    pub(super) span: Span,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CallKind {
    Name,
    Ampersand,
    Dot,
}

#[derive(Debug)]
pub(super) enum Argument {
    Parameter(Arc<str>, Option<Expr>),
    Value(Expr),
    Splat(VariableName),
}

#[derive(Debug)]
pub(super) struct Redirection {
    /// The stream redirected: 1 output, 2 errors, 3 warnings … and 0 for all (`*`).
    pub(super) stream: u8,
    pub(super) append: bool,
    /// None is `&1`.
    pub(super) file: Option<Expr>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct VariableName {
    pub(super) scope: VariableScope,
    /// As written; compared without regard to case.
    pub(super) name: Arc<str>,
    /// In lower case.
    pub(super) key: Arc<str>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum VariableScope {
    Any,
    Global,
    Script,
    Local,
    Environment,
    Function,
}

#[derive(Debug)]
pub(super) struct Expr {
    pub(super) kind: ExprKind,
    pub(super) span: Span,
}

#[derive(Debug)]
pub(super) enum ExprKind {
    Constant(Value),
    /// A bare word of a command line.
    Expand(Vec<Piece>),
    Variable(VariableName),
    Comma(Vec<Expr>),
    ArrayOf(Block),
    Sub(Block),
    Paren(Box<Statement>),
    Hash(Vec<(Expr, Statement)>),
    Script(Arc<ScriptAst>),
    Type(Arc<str>),
    Cast(Arc<str>, Box<Expr>),
    Unary(UnaryOp, Box<Expr>),
    Binary(BinaryOp, Box<Expr>, Box<Expr>),
    Logical(LogicalOp, Box<Expr>, Box<Expr>),
    Index(Box<Expr>, Box<Expr>),
    Member {
        target: Box<Expr>,
        name: Box<Expr>,
        is_static: bool,
    },
    Invoke {
        target: Box<Expr>,
        name: Box<Expr>,
        arguments: Vec<Expr>,
        is_static: bool,
    },
    Step {
        target: Box<Expr>,
        delta: i32,
        prefix: bool,
    },
}

/// A part of an expandable string.
#[derive(Debug)]
pub(super) enum Piece {
    Text(Arc<str>),
    Expr(Expr),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LogicalOp {
    And,
    Or,
    Xor,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum UnaryOp {
    Not,
    Minus,
    Plus,
    BitNot,
    Comma,
    Split,
    Join,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BinaryOp {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    Format,
    Range,
    BitAnd,
    BitOr,
    BitXor,
    ShiftLeft,
    ShiftRight,
    Is,
    IsNot,
    As,
    Join,
    /// A comparison, and whether it minds the case.
    Compare(Comparison, bool),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Eq,
    Ne,
    Gt,
    Ge,
    Lt,
    Le,
    Like,
    NotLike,
    Match,
    NotMatch,
    Replace,
    Split,
    Contains,
    NotContains,
    In,
    NotIn,
}

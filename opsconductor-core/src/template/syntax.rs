//! From the parser's syntax tree to ours. What is not listed here cannot be written in a template.

use std::sync::Arc;

use minijinja::machinery::{Span, ast, parse, parse_expr};
use minijinja::syntax::SyntaxConfig;
use serde_json::Value as Json;

use super::TemplateOptions;
use super::filter::Filter;
use super::guard;
use super::predicate::Predicate;
use super::simple;
use super::sink::Sink;
use super::tree::{Args, Comparison, Emit, Expr, For, How, LoopField, Math, Needs, Node, Target};
use crate::error::{Error, ErrorKind, Result};

/// Parses `source` and keeps what templates may do.
pub(super) fn read(source: &str, sink: Sink, options: TemplateOptions) -> Result<Vec<Node>> {
    simple::read(source).map_or_else(|| parse_any(source, sink, options), Ok)
}

/// As [`read`], by the parser whatever it is.
pub(super) fn parse_any(source: &str, sink: Sink, options: TemplateOptions) -> Result<Vec<Node>> {
    guard::check(source)?;
    let parsed = parse(source, "template", SyntaxConfig::default()).map_err(|error| syntax_error(&error))?;
    let ast::Stmt::Template(template) = parsed else {
        return Err(Error::new(ErrorKind::Internal, "the template parser gave no template"));
    };
    Reader { sink, options, loops: 0, captures: 0 }.nodes(&template.children)
}

/// Parses an expression that stands alone.
pub(super) fn read_expression(source: &str, options: TemplateOptions) -> Result<Expr> {
    guard::check_expression(source)?;
    let parsed = parse_expr(source).map_err(|error| syntax_error(&error))?;
    Reader { sink: Sink::Text, options, loops: 0, captures: 0 }.expr(&parsed)
}

/// An error at a place of the source.
pub(super) fn at(span: Span, message: &str) -> Error {
    Error::new(ErrorKind::Template, message)
        .with("line", span.start_line)
        .with("column", u32::from(span.start_col) + 1)
}

/// What the parser said, with its line.
pub(super) fn syntax_error(error: &minijinja::Error) -> Error {
    let detail = error.detail().unwrap_or("the template does not parse");
    let line = error.line().unwrap_or(1);
    Error::new(ErrorKind::Template, format!("template syntax: {detail}")).with("line", line)
}

struct Reader {
    sink: Sink,
    options: TemplateOptions,
    loops: usize,
    captures: usize,
}

impl Reader {
    fn nodes(&mut self, statements: &[ast::Stmt<'_>]) -> Result<Vec<Node>> {
        statements.iter().map(|statement| self.node(statement)).collect()
    }

    fn node(&mut self, statement: &ast::Stmt<'_>) -> Result<Node> {
        Ok(match statement {
            ast::Stmt::EmitRaw(text) => Node::Text(text.raw.into()),
            ast::Stmt::EmitExpr(emit) => Node::Emit(self.emit(&emit.expr, emit.span())?),
            ast::Stmt::IfCond(cond) => Node::If {
                test: self.expr(&cond.expr)?,
                then: self.nodes(&cond.true_body)?,
                otherwise: self.nodes(&cond.false_body)?,
                line: u32::from(cond.span().start_line),
            },
            ast::Stmt::ForLoop(each) => self.each(each, each.span())?,
            ast::Stmt::Set(set) => Node::Set { target: target(&set.target)?, value: self.expr(&set.expr)? },
            ast::Stmt::SetBlock(set) => {
                let Target::Name(name) = target(&set.target)? else {
                    return Err(at(set.span(), "a {% set %} block takes one name"));
                };
                self.captures += 1;
                let body = self.nodes(&set.body)?;
                self.captures -= 1;
                let filters = set.filter.as_ref().map(|filter| self.expr(filter)).transpose()?;
                Node::Capture { name, body, filters }
            }
            ast::Stmt::WithBlock(with) => {
                let bindings = with.assignments.iter();
                let bindings = bindings.map(|(to, value)| Ok((target(to)?, self.expr(value)?)));
                Node::With { bindings: bindings.collect::<Result<_>>()?, body: self.nodes(&with.body)? }
            }
            _ => {
                return Err(Error::new(
                    ErrorKind::Template,
                    "the template uses a statement that is not available: templates have if, for, set and with",
                ));
            }
        })
    }

    fn each(&mut self, each: &ast::ForLoop<'_>, span: Span) -> Result<Node> {
        if each.recursive {
            return Err(at(span, "a recursive loop is not available: write the levels out"));
        }
        let target = target(&each.target)?;
        let over = self.expr(&each.iter)?;
        let filter = each.filter_expr.as_ref().map(|filter| self.expr(filter)).transpose()?;
        self.loops += 1;
        let body = self.nodes(&each.body);
        self.loops -= 1;
        let otherwise = self.nodes(&each.else_body)?;
        let line = u32::from(span.start_line);
        Ok(Node::For(Box::new(For { target, over, filter, body: body?, otherwise, line })))
    }

    /// A placeholder. `quote` and `raw` say how it is written, so they stand last and cover all of it.
    fn emit(&mut self, expr: &ast::Expr<'_>, span: Span) -> Result<Emit> {
        let (how, inner) = match expr {
            ast::Expr::Filter(filter) if matches!(filter.name, "quote" | "raw") => {
                if !filter.args.is_empty() {
                    return Err(at(span, &format!("\"{}\" takes no arguments", filter.name)));
                }
                let how = if filter.name == "quote" { How::Quote } else { How::Raw };
                (Some(how), filter.expr.as_ref())
            }
            ast::Expr::Filter(filter)
                if filter.name == "tojson" && self.sink == Sink::Json && self.captures == 0 =>
            {
                (Some(How::Quote), filter.expr.as_ref())
            }
            ast::Expr::Filter(filter) if filter.name == "urlencode" && self.sink == Sink::Url => {
                return Err(at(
                    span,
                    "in a URL use \"| quote\" in place of \"| urlencode\": it encodes slashes too",
                ));
            }
            _ => (None, Some(expr)),
        };
        if how == Some(How::Raw) && !self.options.allow_raw {
            return Err(at(span, "\"| raw\" needs \"allowRaw\" in the job; \"| quote\" is the safe way"));
        }
        if how.is_some() && self.captures > 0 {
            return Err(at(
                span,
                "inside a {% set %} block nothing is written yet: put \"| quote\" where the name is written",
            ));
        }
        let expr = match inner {
            Some(inner) => self.expr(inner)?,
            None => return Err(at(span, "a filter needs a value")),
        };
        let how = how.unwrap_or(if self.captures > 0 { How::Collect } else { How::Plain });
        Ok(Emit {
            expr,
            how,
            needs: Needs::default(),
            line: span.start_line.into(),
            column: u32::from(span.start_col) + 1,
        })
    }

    fn boxed(&mut self, expr: &ast::Expr<'_>) -> Result<Box<Expr>> {
        self.expr(expr).map(Box::new)
    }

    fn exprs(&mut self, exprs: &[ast::Expr<'_>]) -> Result<Vec<Expr>> {
        exprs.iter().map(|expr| self.expr(expr)).collect()
    }

    fn expr(&mut self, expr: &ast::Expr<'_>) -> Result<Expr> {
        Ok(match expr {
            ast::Expr::Var(var) if matches!(var.id, "loop" | "self") => {
                return Err(at(
                    var.span(),
                    "\"loop\" and \"self\" are no values: read a member, as in loop.index",
                ));
            }
            ast::Expr::Var(var) => Expr::Var(var.id.into()),
            ast::Expr::Const(constant) => Expr::Const(constant_json(&constant.value, constant.span())?),
            ast::Expr::Slice(slice) => {
                let mut part =
                    |part: &Option<ast::Expr<'_>>| part.as_ref().map(|part| self.expr(part)).transpose();
                let parts = [part(&slice.start)?, part(&slice.stop)?, part(&slice.step)?];
                Expr::Slice(self.boxed(&slice.expr)?, Box::new(parts))
            }
            ast::Expr::UnaryOp(unary) => {
                let on = self.boxed(&unary.expr)?;
                match unary.op {
                    ast::UnaryOpKind::Not => Expr::Not(on),
                    ast::UnaryOpKind::Neg => Expr::Neg(on),
                }
            }
            ast::Expr::BinOp(binary) => self.binary(binary)?,
            ast::Expr::Compare(compare) => {
                let first = self.boxed(&compare.expr)?;
                let rest = compare.ops.iter().map(|op| Ok((comparison(op.op), self.expr(&op.expr)?)));
                Expr::Compare(first, rest.collect::<Result<_>>()?)
            }
            ast::Expr::IfExpr(cond) => Expr::If {
                test: self.boxed(&cond.test_expr)?,
                then: self.boxed(&cond.true_expr)?,
                otherwise: cond.false_expr.as_ref().map(|expr| self.boxed(expr)).transpose()?,
            },
            ast::Expr::Filter(filter) => self.filter(filter, filter.span())?,
            ast::Expr::Test(test) => {
                let span = test.span();
                let known = Predicate::from_name(test.name)
                    .ok_or_else(|| at(span, &format!("there is no test \"{}\" in templates", test.name)))?;
                let on = self.boxed(&test.expr)?;
                let args = self.positional(&test.args, span)?;
                if args.len() != known.arity() {
                    return Err(at(
                        span,
                        &format!("the test \"{}\" takes {} arguments", test.name, known.arity()),
                    ));
                }
                Expr::Test { test: known, on, args }
            }
            ast::Expr::GetAttr(get) => self.attribute(get)?,
            ast::Expr::GetItem(get) => Expr::Item(self.boxed(&get.expr)?, self.boxed(&get.subscript_expr)?),
            ast::Expr::Call(call) => self.call(call, call.span())?,
            ast::Expr::List(list) => Expr::List(self.exprs(&list.items)?),
            ast::Expr::Tuple(tuple) => Expr::List(self.exprs(&tuple.items)?),
            ast::Expr::Map(map) => {
                let (keys, values) = (self.exprs(&map.keys)?, self.exprs(&map.values)?);
                Expr::Map(keys.into_iter().zip(values).collect())
            }
        })
    }

    fn binary(&mut self, binary: &ast::BinOp<'_>) -> Result<Expr> {
        let (left, right) = (self.boxed(&binary.left)?, self.boxed(&binary.right)?);
        let compared =
            |left: Box<Expr>, comparison, right: Box<Expr>| Expr::Compare(left, vec![(comparison, *right)]);
        Ok(match binary.op {
            ast::BinOpKind::Eq => compared(left, Comparison::Eq, right),
            ast::BinOpKind::Ne => compared(left, Comparison::Ne, right),
            ast::BinOpKind::Lt => compared(left, Comparison::Lt, right),
            ast::BinOpKind::Lte => compared(left, Comparison::Le, right),
            ast::BinOpKind::Gt => compared(left, Comparison::Gt, right),
            ast::BinOpKind::Gte => compared(left, Comparison::Ge, right),
            ast::BinOpKind::In => compared(left, Comparison::In, right),
            ast::BinOpKind::ScAnd => Expr::And(left, right),
            ast::BinOpKind::ScOr => Expr::Or(left, right),
            ast::BinOpKind::Add => Expr::Math(Math::Add, left, right),
            ast::BinOpKind::Sub => Expr::Math(Math::Sub, left, right),
            ast::BinOpKind::Mul => Expr::Math(Math::Mul, left, right),
            ast::BinOpKind::Div => Expr::Math(Math::Div, left, right),
            ast::BinOpKind::FloorDiv => Expr::Math(Math::FloorDiv, left, right),
            ast::BinOpKind::Rem => Expr::Math(Math::Rem, left, right),
            ast::BinOpKind::Pow => Expr::Math(Math::Pow, left, right),
            ast::BinOpKind::Concat => Expr::Math(Math::Concat, left, right),
        })
    }

    fn attribute(&mut self, get: &ast::GetAttr<'_>) -> Result<Expr> {
        match &get.expr {
            ast::Expr::Var(var) if var.id == "loop" => {
                if self.loops == 0 {
                    return Err(at(var.span(), "\"loop\" is known only inside a {% for %} loop"));
                }
                loop_field(get.name).map(Expr::Loop).ok_or_else(|| {
                    at(
                        var.span(),
                        &format!(
                            "\"loop.{}\" is not available: loop has index, index0, revindex, \
                                             revindex0, first, last, length and depth",
                            get.name
                        ),
                    )
                })
            }
            on => Ok(Expr::Attr(self.boxed(on)?, get.name.into())),
        }
    }

    fn filter(&mut self, filter: &ast::Filter<'_>, span: Span) -> Result<Expr> {
        if matches!(filter.name, "quote" | "raw") {
            return Err(at(
                span,
                &format!(
                    "\"| {}\" must be the last thing in a placeholder and cover all of it: put what stands before it \
                     in parentheses",
                    filter.name
                ),
            ));
        }
        let known = Filter::from_name(filter.name)
            .ok_or_else(|| at(span, &format!("there is no filter \"{}\" in templates", filter.name)))?;
        let on = match &filter.expr {
            Some(on) => self.boxed(on)?,
            None => Box::new(Expr::Block),
        };
        let args = self.args(known, filter.name, &filter.args, span)?;
        Ok(Expr::Filter { filter: known, on, args })
    }

    fn call(&mut self, call: &ast::Call<'_>, span: Span) -> Result<Expr> {
        match &call.expr {
            ast::Expr::Var(var) if var.id == "range" => {
                let args = self.positional(&call.args, span)?;
                if !(1..=3).contains(&args.len()) {
                    return Err(at(span, "range() takes one to three numbers"));
                }
                Ok(Expr::Range(args))
            }
            ast::Expr::Var(var) => {
                Err(at(span, &format!("there is no function \"{}\" in templates: they have range()", var.id)))
            }
            ast::Expr::GetAttr(get) => {
                let on = self.boxed(&get.expr)?;
                let affix = match get.name {
                    "startswith" => Some(Predicate::StartingWith),
                    "endswith" => Some(Predicate::EndingWith),
                    _ => None,
                };
                if let Some(test) = affix {
                    let args = self.positional(&call.args, span)?;
                    if args.len() != 1 {
                        return Err(at(span, &format!("\"{}\" takes one argument", get.name)));
                    }
                    return Ok(Expr::Test { test, on, args });
                }
                let known = Filter::from_method(get.name)
                    .ok_or_else(|| at(span, &format!("there is no method \"{}\" in templates", get.name)))?;
                let args = self.args(known, get.name, &call.args, span)?;
                Ok(Expr::Filter { filter: known, on, args })
            }
            _ => Err(at(span, "only range() and methods of values can be called")),
        }
    }

    fn positional(&mut self, args: &[ast::CallArg<'_>], span: Span) -> Result<Vec<Expr>> {
        let only = |arg: &ast::CallArg<'_>| match arg {
            ast::CallArg::Pos(expr) => self.expr(expr),
            _ => Err(at(span, "only plain arguments are taken here, no names and no stars")),
        };
        args.iter().map(only).collect()
    }

    fn args(&mut self, filter: Filter, name: &str, args: &[ast::CallArg<'_>], span: Span) -> Result<Args> {
        let (count, names) = filter.parameters();
        let mut known = Args::default();
        for arg in args {
            match arg {
                ast::CallArg::Pos(expr) => known.positional.push(self.expr(expr)?),
                ast::CallArg::Kwarg(arg, expr) if names.contains(arg) => {
                    known.named.push(((*arg).into(), self.expr(expr)?));
                }
                ast::CallArg::Kwarg(arg, _) => {
                    return Err(at(span, &format!("\"{name}\" has no argument \"{arg}\"")));
                }
                _ => return Err(at(span, "arguments with stars are not available")),
            }
        }
        if !count.contains(&(known.positional.len() + known.named.len())) {
            let wanted = match (count.start(), count.end()) {
                (least, most) if least == most => least.to_string(),
                (least, most) => format!("{least} to {most}"),
            };
            return Err(at(span, &format!("\"{name}\" takes {wanted} arguments")));
        }
        Ok(known)
    }
}

fn target(expr: &ast::Expr<'_>) -> Result<Target> {
    let name = |expr: &ast::Expr<'_>| match expr {
        ast::Expr::Var(var) => Ok(Arc::from(var.id)),
        other => Err(at(other.span(), "only a name, or several between commas, can be assigned to")),
    };
    match expr {
        ast::Expr::List(list) => Ok(Target::Unpack(list.items.iter().map(name).collect::<Result<_>>()?)),
        ast::Expr::Tuple(tuple) => Ok(Target::Unpack(tuple.items.iter().map(name).collect::<Result<_>>()?)),
        other => name(other).map(Target::Name),
    }
}

fn constant_json(value: &minijinja::Value, span: Span) -> Result<Json> {
    match serde_json::to_value(value) {
        Ok(Json::Null) if !value.is_none() => Err(at(span, "the number is too large")),
        Ok(json @ (Json::Null | Json::Bool(_) | Json::String(_))) => Ok(json),
        Ok(Json::Number(number)) if number.is_i64() || number.is_u64() || number.is_f64() => {
            Ok(Json::Number(number))
        }
        _ => Err(at(span, "the constant is too large or of a kind that templates do not have")),
    }
}

fn comparison(op: ast::CompareOpKind) -> Comparison {
    match op {
        ast::CompareOpKind::Eq => Comparison::Eq,
        ast::CompareOpKind::Ne => Comparison::Ne,
        ast::CompareOpKind::Lt => Comparison::Lt,
        ast::CompareOpKind::Lte => Comparison::Le,
        ast::CompareOpKind::Gt => Comparison::Gt,
        ast::CompareOpKind::Gte => Comparison::Ge,
        ast::CompareOpKind::In => Comparison::In,
        ast::CompareOpKind::NotIn => Comparison::NotIn,
    }
}

fn loop_field(name: &str) -> Option<LoopField> {
    Some(match name {
        "index" => LoopField::Index,
        "index0" => LoopField::Index0,
        "revindex" => LoopField::RevIndex,
        "revindex0" => LoopField::RevIndex0,
        "first" => LoopField::First,
        "last" => LoopField::Last,
        "length" => LoopField::Length,
        "depth" => LoopField::Depth,
        _ => return None,
    })
}

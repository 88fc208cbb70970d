//! Expressions: the value of each kind.

use std::sync::Arc;

use super::super::ast::{Element, Expr, ExprKind, LogicalOp, Piece, Statement, StatementKind, UnaryOp};
use super::super::error::{ErrorRecord, Result};
use super::super::types::native::Native;
use super::super::types::{convert, names};
use super::super::value::{Hash, Value};
use super::index::index_value;
use super::output::Collect;
use super::{Interpreter, Run};

/// The longest text one value may become.
const TEXT_BYTES_MAX: usize = 512 * 1024 * 1024;

impl Interpreter {
    /// The value of an expression.
    pub(super) fn eval<'a>(&'a mut self, expr: &'a Expr) -> Run<'a, Value> {
        Box::pin(async move {
            Ok(match &expr.kind {
                ExprKind::Constant(value) => value.clone(),
                ExprKind::Variable(name) => match self.variable(name) {
                    Some(value) => value,
                    None if self.strictness > 0 => {
                        let record = ErrorRecord::runtime(
                            format!(
                                "The variable '${}' cannot be retrieved because it has not been set.",
                                name.name
                            ),
                            "VariableIsUndefined",
                            "InvalidOperation",
                        );
                        return record
                            .target(&*name.name, "String")
                            .throw()
                            .map_err(|f| self.placed(f, expr.span));
                    }
                    None => Value::Null,
                },
                ExprKind::Expand(pieces) => self.expand(pieces).await?.into(),
                ExprKind::Comma(items) => {
                    let mut values = Vec::with_capacity(items.len());
                    for item in items {
                        values.push(self.eval(item).await?);
                    }
                    Value::array(values)
                }
                ExprKind::ArrayOf(block) => {
                    let mut out = Collect::default();
                    self.block(block, &mut out).await?;
                    Value::array(out.values)
                }
                ExprKind::Sub(block) => {
                    let mut out = Collect::default();
                    self.block(block, &mut out).await?;
                    Value::from_outputs(out.values)
                }
                ExprKind::Paren(statement) => self.value_of(statement).await?,
                ExprKind::Hash(entries) => self.hash(entries, false).await?,
                ExprKind::Script(script) => Value::Script(script.clone()),
                ExprKind::Type(name) => match names::resolve(name) {
                    Some(full) => Value::Type(full.into()),
                    None => return convert::unknown_type(name).map_err(|f| self.placed(f, expr.span)),
                },
                ExprKind::Cast(type_name, inner) => {
                    self.cast(type_name, inner).await.map_err(|f| self.placed(f, expr.span))?
                }
                ExprKind::Unary(operator, inner) => {
                    let value = self.eval(inner).await?;
                    self.unary(*operator, &value).map_err(|f| self.placed(f, expr.span))?
                }
                ExprKind::Binary(operator, left, right) => {
                    let left = self.eval(left).await?;
                    let right = self.eval(right).await?;
                    self.binary(*operator, &left, &right).map_err(|f| self.placed(f, expr.span))?
                }
                ExprKind::Logical(operator, left, right) => {
                    let left = self.eval(left).await?.truthy();
                    Value::Bool(match operator {
                        LogicalOp::And => left && self.eval(right).await?.truthy(),
                        LogicalOp::Or => left || self.eval(right).await?.truthy(),
                        LogicalOp::Xor => left ^ self.eval(right).await?.truthy(),
                    })
                }
                ExprKind::Index(target, index) => {
                    let target = self.eval(target).await?;
                    let index = self.eval(index).await?;
                    index_value(&target, &index).map_err(|f| self.placed(f, expr.span))?
                }
                ExprKind::Member { target, name, is_static } => {
                    let target = self.eval(target).await?;
                    let name = self.eval(name).await?.to_text();
                    self.member(&target, &name, *is_static).map_err(|f| self.placed(f, expr.span))?
                }
                ExprKind::Invoke { target, name, arguments, is_static } => {
                    let target = self.eval(target).await?;
                    let name = self.eval(name).await?.to_text();
                    let mut values = Vec::with_capacity(arguments.len());
                    for argument in arguments {
                        values.push(self.eval(argument).await?);
                    }
                    let result = self.invoke(&target, &name, &values, *is_static).await;
                    result.map_err(|f| self.placed(f, expr.span))?
                }
                ExprKind::Step { target, delta, prefix } => {
                    let old = self.eval(target).await?;
                    let number = if old.is_null() { Value::Int(0) } else { old.clone() };
                    let new = super::arithmetic::add(&number, &Value::Int(*delta))
                        .map_err(|f| self.placed(f, expr.span))?;
                    self.assign(target, new.clone()).await?;
                    if *prefix { new } else { number }
                }
            })
        })
    }

    async fn cast(&mut self, type_name: &str, inner: &Expr) -> Result<Value> {
        let ordered = type_name.eq_ignore_ascii_case("ordered");
        // `[ordered]@{}` and `[pscustomobject]@{}` keep the order of the literal.
        if let ExprKind::Hash(entries) = &inner.kind {
            if ordered {
                return self.hash(entries, true).await;
            }
            let hash = self.hash(entries, true).await?;
            return match names::resolve(type_name).as_deref() {
                Some("System.Collections.Hashtable") => self.hash(entries, false).await,
                _ => convert::cast(&hash, type_name),
            };
        }
        let value = self.eval(inner).await?;
        convert::cast(&value, type_name)
    }

    async fn expand(&mut self, pieces: &[Piece]) -> Result<String> {
        let mut text = String::new();
        for piece in pieces {
            match piece {
                Piece::Text(piece) => text.push_str(piece),
                Piece::Expr(expr) => {
                    let value = self.eval(expr).await?;
                    text.push_str(&self.expanded_text(&value));
                }
            }
            if text.len() > TEXT_BYTES_MAX {
                return out_of_memory();
            }
        }
        Ok(text)
    }

    /// The text of a value inside a string; arrays are joined with `$OFS`.
    fn expanded_text(&self, value: &Value) -> String {
        match value {
            Value::Array(_) | Value::Bytes(_) => {
                let separator = self.named_variable("ofs").map_or(" ".to_owned(), |v| v.to_text());
                value.items().iter().map(Value::to_text).collect::<Vec<_>>().join(&separator)
            }
            other => other.to_text(),
        }
    }

    async fn hash(&mut self, entries: &[(Expr, Statement)], ordered: bool) -> Result<Value> {
        let hash = Hash::new(ordered);
        for (key, value) in entries {
            let key = self.eval(key).await?;
            let value = self.value_of(value).await?;
            if hash.get(&key).is_some() {
                return ErrorRecord::runtime(
                    format!(
                        "Item has already been added. Key in dictionary: '{0}'  Key being added: '{0}'",
                        key.to_text()
                    ),
                    "DuplicateKeyInHashLiteral",
                    "InvalidOperation",
                )
                .throw();
            }
            hash.set(key, value);
        }
        Ok(Value::Hash(Arc::new(hash)))
    }

    /// The value of a statement: of an expression as it is, of a pipeline what it gives.
    pub(super) fn value_of<'a>(&'a mut self, statement: &'a Statement) -> Run<'a, Value> {
        Box::pin(async move {
            match &statement.kind {
                StatementKind::Pipeline(elements) => {
                    if let [Element::Expression(expr, redirections)] = &elements[..]
                        && redirections.is_empty()
                    {
                        let value = self.eval(expr).await?;
                        self.succeeded = true;
                        return Ok(value);
                    }
                }
                StatementKind::Assign { target, .. } => {
                    let mut out = Collect::default();
                    self.statement(statement, &mut out).await?;
                    return self.eval(target).await;
                }
                _ => {}
            }
            let mut out = Collect::default();
            self.statement(statement, &mut out).await?;
            Ok(Value::from_outputs(out.values))
        })
    }

    fn unary(&self, operator: UnaryOp, value: &Value) -> Result<Value> {
        Ok(match operator {
            UnaryOp::Not => Value::Bool(!value.truthy()),
            UnaryOp::Comma => Value::array(vec![value.clone()]),
            UnaryOp::Minus => return super::arithmetic::subtract(&Value::Int(0), value),
            UnaryOp::Plus => return super::arithmetic::add(&Value::Int(0), value),
            UnaryOp::BitNot => Value::number(!value.as_long().unwrap_or(0)),
            UnaryOp::Join => value.items().iter().map(Value::to_text).collect::<String>().into(),
            UnaryOp::Split => {
                let words: Vec<Value> = value
                    .items()
                    .iter()
                    .flat_map(|v| v.to_text().split_whitespace().map(Value::from).collect::<Vec<_>>())
                    .collect();
                Value::array(words)
            }
        })
    }
}

pub(super) fn out_of_memory<T>() -> Result<T> {
    ErrorRecord::new(
        "System.OutOfMemoryException",
        "Exception of type 'System.OutOfMemoryException' was thrown.",
        "System.OutOfMemoryException",
        "NotSpecified",
    )
    .throw()
}

/// `@{}` taken apart: `Key`, `Value` and `Name` of each entry.
pub(in super::super) fn hash_entries(hash: &Hash) -> Vec<Value> {
    let entry = |(key, value): (Value, Value)| {
        Value::object(
            "System.Collections.DictionaryEntry",
            vec![("Name".into(), key.clone()), ("Key".into(), key), ("Value".into(), value)],
            Native::None,
        )
    };
    hash.entries().into_iter().map(entry).collect()
}

//! Expressions.

use std::sync::Arc;

use super::super::ast::{Element, Expr, ExprKind, LogicalOp, Piece, Statement, StatementKind, UnaryOp};
use super::super::error::{ErrorRecord, Exception, Flow, Result};
use super::super::types::native::Native;
use super::super::types::{convert, instance, names, properties, statics};
use super::super::value::{Hash, Value, lock};
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
                    let new = super::operators::add(&number, &Value::Int(*delta))
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
            UnaryOp::Minus => return super::operators::subtract(&Value::Int(0), value),
            UnaryOp::Plus => return super::operators::add(&Value::Int(0), value),
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

    fn member(&mut self, target: &Value, name: &str, is_static: bool) -> Result<Value> {
        if is_static {
            let Value::Type(full) = target else {
                return ErrorRecord::runtime(
                    "The static member cannot be found.",
                    "MissingMember",
                    "InvalidOperation",
                )
                .throw();
            };
            return match statics::get(self, full, name) {
                Some(value) => Ok(value),
                None if self.strictness < 2 => Ok(Value::Null),
                None => missing_property(name),
            };
        }
        match properties::get(self, target, name)? {
            Some(value) => Ok(value),
            None if self.strictness < 2 => Ok(Value::Null),
            None => missing_property(name),
        }
    }

    async fn invoke(
        &mut self,
        target: &Value,
        name: &str,
        arguments: &[Value],
        is_static: bool,
    ) -> Result<Value> {
        if target.is_null() {
            return ErrorRecord::runtime(
                "You cannot call a method on a null-valued expression.",
                "InvokeMethodOnNull",
                "InvalidOperation",
            )
            .throw();
        }
        let outcome = match target {
            Value::Type(full) if is_static => {
                let full = full.clone();
                if &*full == "System.Console" {
                    instance::console_static(self, name, arguments).await
                } else if &*full == "System.Threading.Thread" && name.eq_ignore_ascii_case("sleep") {
                    let millis =
                        arguments.first().and_then(Value::as_long).and_then(|n| u64::try_from(n).ok());
                    tokio::time::sleep(std::time::Duration::from_millis(millis.unwrap_or(0))).await;
                    Ok(Some(Value::Null))
                } else {
                    statics::invoke(self, &full, name, arguments)
                }
            }
            other => instance::invoke(self, other, name, arguments).await,
        };
        match outcome {
            Ok(Some(value)) => Ok(value),
            Ok(None) => self.missing_method(target, name, arguments),
            Err(Flow::Throw(record)) => wrap_method_error(name, arguments.len(), *record),
            Err(flow) => Err(flow),
        }
    }

    fn missing_method(&self, target: &Value, name: &str, arguments: &[Value]) -> Result<Value> {
        let shown = match target {
            Value::Type(full) => full.to_string(),
            other => other.type_name().to_string(),
        };
        // A script method or a property that holds a script block.
        if is_known_method(&shown, name) {
            return ErrorRecord::new(
                "System.Management.Automation.MethodException",
                format!(
                    "Cannot find an overload for \"{name}\" and the argument count: \"{}\".",
                    arguments.len()
                ),
                "MethodCountCouldNotFindBest",
                "NotSpecified",
            )
            .throw();
        }
        ErrorRecord::runtime(
            format!("Method invocation failed because [{shown}] does not contain a method named '{name}'."),
            "MethodNotFound",
            "InvalidOperation",
        )
        .target(name, "String")
        .throw()
    }

    /// Puts a value where an assignment's left side says.
    pub(super) fn assign<'a>(&'a mut self, target: &'a Expr, value: Value) -> Run<'a, ()> {
        Box::pin(async move {
            match &target.kind {
                ExprKind::Variable(name) => {
                    self.set_variable(name, value).map_err(|f| self.placed(f, target.span))
                }
                ExprKind::Cast(type_name, inner) => {
                    let value = convert::cast(&value, type_name).map_err(|f| self.placed(f, target.span))?;
                    if let ExprKind::Variable(name) = &inner.kind {
                        self.constrain(name, type_name);
                    }
                    self.assign(inner, value).await
                }
                ExprKind::Comma(targets) => {
                    let mut values = value.items();
                    for (i, target) in targets.iter().enumerate() {
                        let last = i + 1 == targets.len();
                        let part = if last && values.len() > 1 {
                            Value::array(std::mem::take(&mut values))
                        } else if values.is_empty() {
                            Value::Null
                        } else {
                            values.remove(0)
                        };
                        self.assign(target, part).await?;
                    }
                    Ok(())
                }
                ExprKind::Member { target: object, name, is_static } => {
                    let object = self.eval(object).await?;
                    let name = self.eval(name).await?.to_text();
                    let outcome = match &object {
                        Value::Type(full) if *is_static => {
                            if statics::set(self, &full.clone(), &name, &value) {
                                Ok(())
                            } else {
                                missing_property(&name).map(|_| ())
                            }
                        }
                        other => properties::set(self, other, &name, value),
                    };
                    outcome.map_err(|f| self.placed(f, target.span))
                }
                ExprKind::Index(object, index) => {
                    let object = self.eval(object).await?;
                    let index = self.eval(index).await?;
                    set_index(&object, &index, value).map_err(|f| self.placed(f, target.span))
                }
                _ => ErrorRecord::runtime(
                    "The assignment expression is not valid.",
                    "InvalidLeftHandSide",
                    "InvalidOperation",
                )
                .throw(),
            }
        })
    }
}

fn missing_property(name: &str) -> Result<Value> {
    ErrorRecord::new(
        "System.Management.Automation.PropertyNotFoundException",
        format!("The property '{name}' cannot be found on this object. Verify that the property exists."),
        "PropertyNotFoundStrict",
        "NotSpecified",
    )
    .throw()
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

/// An exception out of .NET comes as `Exception calling "x" with "n" argument(s): "…"`; errors of the language do not.
fn wrap_method_error(name: &str, count: usize, record: ErrorRecord) -> Result<Value> {
    let inner = &record.exception;
    if record.ends_script
        || record.position.is_some()
        || inner.type_name.starts_with("System.Management.Automation.")
        || record.is_parse_error
    {
        // A script that does not parse is wrapped all the same.
        if !record.is_parse_error {
            return record.throw();
        }
    }
    let name = if name.eq_ignore_ascii_case("new") { ".ctor" } else { name };
    let id = if record.is_parse_error {
        "ParseException"
    } else {
        inner.type_name.rsplit('.').next().unwrap_or_default()
    };
    let mut wrapped = ErrorRecord::new(
        "System.Management.Automation.MethodInvocationException",
        format!("Exception calling \"{name}\" with \"{count}\" argument(s): \"{}\"", inner.message),
        id,
        "NotSpecified",
    );
    wrapped.exception = Arc::new(Exception {
        type_name: wrapped.exception.type_name.clone(),
        message: wrapped.exception.message.clone(),
        inner: Some(inner.clone()),
    });
    wrapped.throw()
}

fn is_known_method(type_name: &str, method: &str) -> bool {
    let lower = method.to_ascii_lowercase();
    let known: &[&str] = match type_name {
        "System.String" => &[
            "substring",
            "replace",
            "padleft",
            "padright",
            "insert",
            "remove",
            "indexof",
            "contains",
            "startswith",
            "endswith",
        ],
        "System.IO.File" => &[
            "readalltext",
            "writealltext",
            "exists",
            "move",
            "copy",
            "delete",
            "replace",
            "open",
            "openread",
        ],
        "System.IO.FileStream" => &["write", "read", "seek", "setlength"],
        "System.Convert" => &["frombase64string", "tobase64string"],
        _ => &[],
    };
    known.contains(&lower.as_str()) || (lower == "new" && !type_name.is_empty())
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

fn place(index: i64, length: usize) -> Option<usize> {
    let index = if index < 0 { index + length as i64 } else { index };
    usize::try_from(index).ok().filter(|i| *i < length)
}

fn index_value(target: &Value, index: &Value) -> Result<Value> {
    if let (Value::Array(_), false) = (index, matches!(target, Value::Hash(_))) {
        let mut found = Vec::new();
        for one in index.items() {
            let value = index_value(target, &one)?;
            if !value.is_null() {
                found.push(value);
            }
        }
        return Ok(Value::array(found));
    }
    let number = || index.as_long();
    Ok(match target {
        Value::Null => {
            return ErrorRecord::runtime("Cannot index into a null array.", "NullArray", "InvalidOperation")
                .throw();
        }
        Value::Hash(hash) => match (hash.get(index), index) {
            (Some(value), _) => value,
            (None, Value::Int(at)) if hash.ordered => {
                let entries = hash.entries();
                place(i64::from(*at), entries.len()).map_or(Value::Null, |at| entries[at].1.clone())
            }
            (None, Value::Array(keys)) => {
                Value::array(lock(keys).iter().filter_map(|k| hash.get(k)).collect())
            }
            (None, _) => Value::Null,
        },
        Value::Array(values) => {
            let values = lock(values);
            number().and_then(|n| place(n, values.len())).map_or(Value::Null, |at| values[at].clone())
        }
        Value::Bytes(bytes) => {
            let bytes = lock(bytes);
            number().and_then(|n| place(n, bytes.len())).map_or(Value::Null, |at| Value::Byte(bytes[at]))
        }
        Value::Str(text) => {
            let index = number().unwrap_or(0);
            if text.is_ascii() {
                place(index, text.len()).map_or(Value::Null, |at| Value::Char(text.as_bytes()[at] as char))
            } else {
                let chars: Vec<char> = text.chars().collect();
                place(index, chars.len()).map_or(Value::Null, |at| Value::Char(chars[at]))
            }
        }
        Value::Object(object) => match &object.native {
            Native::List(items) => {
                let items = lock(items);
                match number().and_then(|n| place(n, items.len())) {
                    Some(at) => items[at].clone(),
                    None => Value::Null,
                }
            }
            Native::StringBuilder(text) => {
                let text = lock(text);
                number()
                    .and_then(|n| text.chars().nth(usize::try_from(n).ok()?))
                    .map_or(Value::Null, Value::Char)
            }
            _ => match (object.property(&index.to_text()), index) {
                (Some(value), Value::Str(_)) => value,
                _ if number() == Some(0) || number() == Some(-1) => target.clone(),
                _ => Value::Null,
            },
        },
        other if matches!(number(), Some(0 | -1)) => other.clone(),
        _ => {
            return ErrorRecord::runtime(
                format!("Unable to index into an object of type {}.", target.type_name()),
                "CannotIndex",
                "InvalidOperation",
            )
            .throw();
        }
    })
}

fn set_index(target: &Value, index: &Value, value: Value) -> Result<()> {
    let outside = || {
        ErrorRecord::new(
            "System.IndexOutOfRangeException",
            "Index was outside the bounds of the array.",
            "System.IndexOutOfRangeException",
            "OperationStopped",
        )
        .throw()
    };
    let number = index.as_long().unwrap_or(i64::MAX);
    match target {
        Value::Hash(hash) => hash.set(index.clone(), value),
        Value::Array(values) => {
            let mut values = lock(values);
            let length = values.len();
            match place(number, length) {
                Some(at) => values[at] = value,
                None => return outside(),
            }
        }
        Value::Bytes(bytes) => {
            let byte = convert::cast(&value, "byte")?.as_long().unwrap_or(0) as u8;
            let mut bytes = lock(bytes);
            let length = bytes.len();
            match place(number, length) {
                Some(at) => bytes[at] = byte,
                None => return outside(),
            }
        }
        Value::Object(object) => match &object.native {
            Native::List(items) => {
                let mut items = lock(items);
                let length = items.len();
                match place(number, length) {
                    Some(at) => items[at] = value,
                    None => return outside(),
                }
            }
            _ => return cannot_index(target),
        },
        Value::Null => {
            return ErrorRecord::runtime("Cannot index into a null array.", "NullArray", "InvalidOperation")
                .throw();
        }
        _ => return cannot_index(target),
    }
    Ok(())
}

fn cannot_index(target: &Value) -> Result<()> {
    ErrorRecord::runtime(
        format!("Unable to index into an object of type {}.", target.type_name()),
        "CannotIndex",
        "InvalidOperation",
    )
    .throw()
}

//! Statements.

use std::sync::Arc;

use super::super::ast::{Block, Element, Expr, ExprKind, Statement, StatementKind, SwitchMode};
use super::super::error::{ErrorRecord, Exception, Flow, Result};
use super::super::types::names;
use super::super::types::native::Native;
use super::super::value::Value;
use super::output::{Collect, Output};
use super::{Deep, Interpreter, Run, equal};
use crate::machine::vfs::wildcard;

/// What a loop does after its body left.
enum Turn {
    Again,
    Leave,
}

fn turn(outcome: Result<()>, label: Option<&str>) -> Result<Turn> {
    let mine = |target: &Option<String>| target.is_none() || target.as_deref() == label;
    match outcome {
        Ok(()) => Ok(Turn::Again),
        Err(Flow::Break(target)) if mine(&target) => Ok(Turn::Leave),
        Err(Flow::Continue(target)) if mine(&target) => Ok(Turn::Again),
        Err(flow) => Err(flow),
    }
}

impl Interpreter {
    /// Runs one statement.
    pub(super) fn statement<'a>(
        &'a mut self,
        statement: &'a Statement,
        out: &'a mut dyn Output,
    ) -> Run<'a, ()> {
        Box::pin(async move {
            match &statement.kind {
                StatementKind::Pipeline(elements) => self.pipeline(elements, out).await,
                StatementKind::Assign { target, operator, value } => {
                    let value = self.value_of(value).await?;
                    let value = match operator {
                        Some(operator) => {
                            let old = self.eval(target).await?;
                            self.binary(*operator, &old, &value)
                                .map_err(|f| self.placed(f, statement.span))?
                        }
                        None => value,
                    };
                    self.assign(target, value).await
                }
                StatementKind::If { branches, otherwise } => {
                    for (condition, body) in branches {
                        if self.value_of(condition).await?.truthy() {
                            return self.block(body, out).await;
                        }
                    }
                    match otherwise {
                        Some(body) => self.block(body, out).await,
                        None => Ok(()),
                    }
                }
                StatementKind::While { label, condition, body } => {
                    while self.value_of(condition).await?.truthy() {
                        self.step().await;
                        let outcome = self.block(body, out).await;
                        if let Turn::Leave = turn(outcome, label.as_deref())? {
                            break;
                        }
                    }
                    Ok(())
                }
                StatementKind::Do { label, body, condition, until } => loop {
                    self.step().await;
                    let outcome = self.block(body, out).await;
                    if let Turn::Leave = turn(outcome, label.as_deref())? {
                        return Ok(());
                    }
                    if self.value_of(condition).await?.truthy() == *until {
                        return Ok(());
                    }
                },
                StatementKind::For { label, init, condition, step, body } => {
                    let mut nothing = Collect::default();
                    if let Some(init) = init {
                        self.statement(init, &mut nothing).await?;
                    }
                    loop {
                        self.step().await;
                        if let Some(condition) = condition
                            && !self.value_of(condition).await?.truthy()
                        {
                            return Ok(());
                        }
                        let outcome = self.block(body, out).await;
                        if let Turn::Leave = turn(outcome, label.as_deref())? {
                            return Ok(());
                        }
                        if let Some(step) = step {
                            self.statement(step, &mut nothing).await?;
                        }
                    }
                }
                StatementKind::ForEach { label, variable, values, body } => {
                    let values = self.value_of(values).await?;
                    // Nothing is looped over not at all, unlike an array that holds `$null`.
                    let items = if values.is_null() { Vec::new() } else { values.items() };
                    for item in items {
                        self.step().await;
                        self.set_variable(variable, item)?;
                        let outcome = self.block(body, out).await;
                        if let Turn::Leave = turn(outcome, label.as_deref())? {
                            break;
                        }
                    }
                    Ok(())
                }
                StatementKind::Switch { label, mode, value, cases, default } => {
                    let value = self.value_of(value).await?;
                    self.switch(&value, *mode, cases, default.as_ref(), label.as_deref(), out).await
                }
                StatementKind::Try { body, catches, finally } => {
                    self.try_statement(body, catches, finally.as_ref(), out).await
                }
                StatementKind::Function { name, body } => {
                    self.define_function(name, body);
                    Ok(())
                }
                StatementKind::Return(value) => {
                    if let Some(value) = value {
                        self.statement(value, out).await?;
                    }
                    Err(Flow::Return)
                }
                StatementKind::Break(label) => Err(Flow::Break(label.clone())),
                StatementKind::Continue(label) => Err(Flow::Continue(label.clone())),
                StatementKind::Throw(value) => {
                    let value = match value {
                        Some(value) => Some(self.value_of(value).await?),
                        None => None,
                    };
                    self.throw(value, statement)
                }
                StatementKind::Exit(value) => {
                    let code = match value {
                        Some(value) => self.value_of(value).await?.as_long().unwrap_or(0) as i32,
                        None => 0,
                    };
                    Err(Flow::Exit(code))
                }
            }
        })
    }

    fn throw(&mut self, value: Option<Value>, statement: &Statement) -> Result<()> {
        let value = match value {
            Some(value) => value,
            // `throw` alone in a `catch` throws the error again.
            None => match self.named_variable("_") {
                Some(current) if matches!(current.native(), Some(Native::Error(_))) => current,
                _ => "ScriptHalted".into(),
            },
        };
        let mut record = match value.native() {
            Some(Native::Error(record)) => {
                let mut record = (**record).clone();
                record.ends_script = true;
                return record.throw();
            }
            Some(Native::Exception(exception)) => {
                let mut record = ErrorRecord::runtime("", &exception.message, "OperationStopped");
                record.exception = exception.clone();
                record
            }
            _ => {
                let text = value.to_text();
                ErrorRecord::runtime(text.clone(), &text, "OperationStopped").target(text, &value.type_name())
            }
        };
        record.thrown = Some(value);
        record.ends_script = true;
        record.position = self.position(statement.span);
        record.throw()
    }

    async fn switch(
        &mut self,
        value: &Value,
        mode: SwitchMode,
        cases: &[(Expr, Block)],
        default: Option<&Block>,
        label: Option<&str>,
        out: &mut dyn Output,
    ) -> Result<()> {
        let items = if value.is_collection() { value.items() } else { vec![value.clone()] };
        for item in items {
            let mut matched = false;
            self.step().await;
            let saved = self.named_variable("_");
            self.set_local("_", item.clone());
            for (condition, body) in cases {
                let hit = match &condition.kind {
                    ExprKind::Script(script) => {
                        let mut found = Collect::default();
                        self.block(&script.end, &mut found).await?;
                        Value::from_outputs(found.values).truthy()
                    }
                    _ => {
                        let pattern = self.eval(condition).await?;
                        if mode.regex {
                            self.matches(&item, &pattern, mode.case_sensitive)?
                        } else if mode.wildcard {
                            wildcard(&pattern.to_text(), &item.to_text(), true)
                        } else {
                            equal(&item, &pattern, mode.case_sensitive)
                        }
                    }
                };
                if !hit {
                    continue;
                }
                matched = true;
                match self.block(body, out).await {
                    Err(Flow::Continue(None)) => break,
                    Err(Flow::Break(target)) if target.is_none() || target.as_deref() == label => {
                        self.set_local("_", saved.unwrap_or(Value::Null));
                        return Ok(());
                    }
                    other => other?,
                }
            }
            if let (false, Some(body)) = (matched, default) {
                match turn(self.block(body, out).await, label)? {
                    Turn::Again => {}
                    Turn::Leave => return Ok(()),
                }
            }
            self.set_local("_", saved.unwrap_or(Value::Null));
        }
        Ok(())
    }

    async fn try_statement(
        &mut self,
        body: &Block,
        catches: &[(Vec<Arc<str>>, Block)],
        finally: Option<&Block>,
        out: &mut dyn Output,
    ) -> Result<()> {
        // A `try` with only `finally` catches nothing, but its statements end it.
        self.enter_try();
        let depth = (self.try_depth, self.scopes.len(), self.call_depth);
        let outcome = Deep(self.block(body, out)).await;
        self.try_depth = depth.0;
        self.scopes.truncate(depth.1);
        self.call_depth = depth.2;
        self.leave_try();
        let outcome = match outcome {
            Err(Flow::Throw(record)) => match find_catch(&record, catches)? {
                Some((body, exception)) => {
                    let mut record = *record;
                    if let Some(exception) = exception {
                        record.exception = exception;
                    }
                    self.remember_error(&record);
                    record.ends_script = false;
                    let saved = self.named_variable("_");
                    self.set_local("_", Value::error(record));
                    let outcome = self.block(body, out).await;
                    self.set_local("_", saved.unwrap_or(Value::Null));
                    outcome
                }
                None => Err(Flow::Throw(record)),
            },
            other => other,
        };
        if let Some(finally) = finally {
            self.block(finally, out).await?;
        }
        outcome
    }

    /// A pipeline of one expression writes its value taken apart.
    pub(super) async fn expression_statement(&mut self, expr: &Expr, out: &mut dyn Output) -> Result<()> {
        let value = self.eval(expr).await?;
        self.succeeded = true;
        if matches!(expr.kind, ExprKind::Step { .. })
            || (value.is_null() && matches!(expr.kind, ExprKind::Invoke { .. }))
        {
            return Ok(());
        }
        if let ExprKind::Paren(inner) = &expr.kind
            && value.is_null()
            && !matches!(&inner.kind, StatementKind::Pipeline(parts) if matches!(parts[..], [Element::Expression(..)]))
        {
            return Ok(());
        }
        self.emit(value, out).await
    }

    /// Writes a value, a collection item by item.
    pub(super) async fn emit(&mut self, value: Value, out: &mut dyn Output) -> Result<()> {
        match value.enumerate() {
            Some(items) => {
                for item in items {
                    out.write(self, item).await?;
                }
                Ok(())
            }
            None => out.write(self, value).await,
        }
    }
}

type Caught<'c> = Option<(&'c Block, Option<Arc<Exception>>)>;

/// The first `catch` for the exception; one that names the type of what a method threw gets that exception itself.
fn find_catch<'c>(record: &ErrorRecord, catches: &'c [(Vec<Arc<str>>, Block)]) -> Result<Caught<'c>> {
    for (types, body) in catches {
        if types.is_empty() {
            return Ok(Some((body, None)));
        }
        for name in types {
            let Some(full) = names::resolve(name) else {
                return super::super::types::convert::unknown_type(name);
            };
            if names::derives(&record.exception.type_name, &full) {
                return Ok(Some((body, None)));
            }
            if let Some(inner) = &record.exception.inner
                && names::derives(&inner.type_name, &full)
            {
                return Ok(Some((body, Some(inner.clone()))));
            }
        }
    }
    Ok(None)
}

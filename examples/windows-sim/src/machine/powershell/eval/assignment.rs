//! Assignments: to variables, properties, elements and several targets at once.

use super::super::ast::{Expr, ExprKind};
use super::super::error::ErrorRecord;
use super::super::types::{convert, properties, statics};
use super::super::value::Value;
use super::index::set_index;
use super::member::missing_property;
use super::{Interpreter, Run};

impl Interpreter {
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

//! Walks a compiled template. Every loop, copy and comparison is paid for, so that a render ends whatever it holds.

mod emit;
mod expression;

use std::sync::Arc;

use serde_json::{Map, Value as Json};

use super::budget::{Budget, Spent};
use super::filter::Refused;
use super::sink::Sink;
use super::tree::{Expr, For, Node, Target};
use super::value::{Val, kind, weigh};
use crate::error::{Error, ErrorKind, Result};

/// One render.
pub(super) struct Evaluation<'t> {
    values: &'t Map<String, Json>,
    sink: Sink,
    out: String,
    /// Names that the template set, innermost last.
    scope: Vec<(&'t str, Val<'t>)>,
    loops: Vec<(usize, usize)>,
    /// What the filters of a `{% set %}` block work on.
    block: Option<Val<'t>>,
    budget: Budget,
    line: u32,
}

impl<'t> Evaluation<'t> {
    pub(super) fn new(values: &'t Map<String, Json>, sink: Sink, capacity: usize) -> Self {
        Self {
            values,
            sink,
            out: String::with_capacity(capacity),
            scope: Vec::new(),
            loops: Vec::new(),
            block: None,
            budget: Budget::new(),
            line: 1,
        }
    }

    pub(super) fn run(mut self, nodes: &'t [Node]) -> Result<String> {
        self.nodes(nodes)?;
        Ok(self.out)
    }

    fn nodes(&mut self, nodes: &'t [Node]) -> Result<()> {
        nodes.iter().try_for_each(|node| self.node(node))
    }

    fn node(&mut self, node: &'t Node) -> Result<()> {
        self.budget.step().map_err(|spent| self.spent(spent))?;
        match node {
            Node::Text(text) => {
                self.room(text.len())?;
                self.out.push_str(text);
                Ok(())
            }
            Node::Emit(emit) => self.emit(emit),
            Node::If { test, then, otherwise, line } => {
                self.line = *line;
                let holds = self.holds(test)?;
                self.nodes(if holds { then } else { otherwise })
            }
            Node::For(each) => self.each(each),
            Node::Set { target, value } => {
                let value = self.present(value)?;
                self.assign(target, value)
            }
            Node::Capture { name, body, filters } => {
                let outer = std::mem::take(&mut self.out);
                let depth = self.scope.len();
                let result = self.nodes(body);
                self.scope.truncate(depth);
                let captured = std::mem::replace(&mut self.out, outer);
                result?;
                let mut value = self.own(captured)?;
                if let Some(filters) = filters {
                    self.block = Some(value);
                    value = self.present(filters)?;
                    self.block = None;
                }
                self.set(name, value);
                Ok(())
            }
            Node::With { bindings, body } => {
                let depth = self.scope.len();
                for (target, value) in bindings {
                    let value = self.present(value)?;
                    self.bind(target, value)?;
                }
                let result = self.nodes(body);
                self.scope.truncate(depth);
                result
            }
        }
    }

    fn each(&mut self, each: &'t For) -> Result<()> {
        self.line = each.line;
        let over = self.present(&each.over)?;
        let depth = self.scope.len();
        let mut items = Vec::new();
        for item in self.items(&over, &each.over)? {
            self.pay(|budget| budget.step().and_then(|()| budget.build(48)))?;
            if let Some(filter) = &each.filter {
                self.bind(&each.target, item.clone())?;
                let holds = self.holds(filter)?;
                self.scope.truncate(depth);
                if !holds {
                    continue;
                }
            }
            items.push(item);
        }
        if items.is_empty() {
            return self.nodes(&each.otherwise);
        }
        let length = items.len();
        self.loops.push((0, length));
        for (index, item) in items.into_iter().enumerate() {
            if let Some(innermost) = self.loops.last_mut() {
                innermost.0 = index;
            }
            self.bind(&each.target, item)?;
            self.nodes(&each.body)?;
            self.scope.truncate(depth);
        }
        self.loops.pop();
        Ok(())
    }

    /// The items of a list, or the keys of a map.
    fn items(&mut self, over: &Val<'t>, expr: &Expr) -> Result<Vec<Val<'t>>> {
        let pay = |budget: &mut Budget, count: usize| budget.build(count.saturating_mul(32));
        match over {
            Val::Ref(Json::Array(items)) => {
                self.pay(|budget| pay(budget, items.len()))?;
                Ok(items.iter().map(Val::Ref).collect())
            }
            Val::Own(whole) if whole.is_array() => {
                self.pay(|budget| weigh(whole, budget, 0))?;
                Ok(whole.as_array().into_iter().flatten().cloned().map(Val::own).collect())
            }
            over => match over.json() {
                Some(Json::Object(entries)) => {
                    self.pay(|budget| {
                        entries
                            .keys()
                            .try_for_each(|key| budget.step().and_then(|()| budget.build(96 + key.len())))
                    })?;
                    Ok(entries.keys().map(|key| Val::own(key.as_str())).collect())
                }
                other => {
                    let what = other.map_or("missing", kind);
                    Err(self.fault(expr, &format!("is {what}: a loop needs a list or a map")))
                }
            },
        }
    }

    fn set(&mut self, name: &'t str, value: Val<'t>) {
        self.scope.push((name, value));
    }

    /// Assigns in the innermost scope. An earlier value of the name is shadowed, and dropped with the scope.
    fn assign(&mut self, target: &'t Target, value: Val<'t>) -> Result<()> {
        self.pay(|budget| budget.build(48))?;
        self.bind(target, value)
    }

    fn bind(&mut self, target: &'t Target, value: Val<'t>) -> Result<()> {
        match target {
            Target::Name(name) => self.set(name, value),
            Target::Unpack(names) => {
                let count = value.json().and_then(Json::as_array).map_or(0, Vec::len);
                if count != names.len() {
                    return Err(self.here(&format!(
                        "an assignment to {} names needs a list of {} values",
                        names.len(),
                        names.len()
                    )));
                }
                for (index, name) in names.iter().enumerate() {
                    let part = value.part(&mut self.budget, |whole| whole.get(index));
                    let part = part.map_err(|spent| self.spent(spent))?;
                    self.set(name, part.unwrap_or_else(|| Val::own(Json::Null)));
                }
            }
        }
        Ok(())
    }

    fn lookup(&self, name: &'t Arc<str>, expr: &'t Expr) -> Val<'t> {
        if let Some((_, value)) = self.scope.iter().rev().find(|(known, _)| **known == **name) {
            return value.clone();
        }
        self.values.get(&**name).map_or(Val::Missing(expr), Val::Ref)
    }

    fn pay<T>(&mut self, cost: impl FnOnce(&mut Budget) -> Result<T, Spent>) -> Result<T> {
        cost(&mut self.budget).map_err(|spent| self.spent(spent))
    }

    fn refusable(
        &mut self,
        expr: &Expr,
        what: &str,
        apply: impl FnOnce(&mut Budget) -> Result<Val<'t>, Refused>,
    ) -> Result<Val<'t>> {
        apply(&mut self.budget).map_err(|refused| self.refused(expr, what, refused))
    }

    #[cold]
    fn refused(&self, expr: &Expr, what: &str, refused: Refused) -> Error {
        match refused {
            Refused::Spent(spent) => self.spent(spent),
            Refused::Because(why) => {
                let on = expr.label().map_or_else(String::new, |label| format!(" on `{label}`"));
                let what = match expr {
                    Expr::Filter { filter, .. } => {
                        format!("{what} \"{}\"", format!("{filter:?}").to_lowercase())
                    }
                    _ => what.to_owned(),
                };
                self.here(&format!("{what}{on} {why}"))
            }
        }
    }

    #[cold]
    fn fault(&self, expr: &Expr, why: &str) -> Error {
        match expr.label() {
            Some(label) => self.here(&format!("`{label}` {why}")),
            None => self.here(&format!("a value {why}")),
        }
    }

    #[cold]
    fn spent(&self, spent: Spent) -> Error {
        self.here(spent.sentence())
    }

    #[cold]
    fn here(&self, message: &str) -> Error {
        Error::new(ErrorKind::Template, message).with("line", self.line)
    }
}

#[cold]
fn unset(expr: &Expr) -> Error {
    let label = expr.label().unwrap_or_else(|| "a value".to_owned());
    Error::new(
        ErrorKind::Template,
        format!("`{label}` is not set: give it a value, or a default in the template"),
    )
}

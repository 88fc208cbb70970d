//! Evaluates expressions.

use serde_json::{Map, Value as Json};

use super::{Evaluation, unset};
use crate::error::Result;
use crate::template::budget::RANGE_MAX;
use crate::template::filter::Filter;
use crate::template::operate;
use crate::template::predicate::Predicate;
use crate::template::tree::{Args, Expr, LoopField};
use crate::template::value::{Val, copy, is_true, weigh};

impl<'t> Evaluation<'t> {
    pub(super) fn eval(&mut self, expr: &'t Expr) -> Result<Val<'t>> {
        self.budget.step().map_err(|spent| self.spent(spent))?;
        match expr {
            Expr::Const(value) => Ok(Val::Ref(value)),
            Expr::Var(name) => {
                // Names are found by walking the scope, which may hold as many as the template has assignments.
                let known = self.scope.len();
                self.pay(|budget| budget.read(known * 8))?;
                Ok(self.lookup(name, expr))
            }
            Expr::Loop(field) => Ok(self.loop_field(*field)),
            Expr::Attr(on, name) => {
                let on = self.present(on)?;
                self.part(expr, &on, |whole| whole.get(&**name))
            }
            Expr::Item(on, item) => self.item(expr, on, item),
            Expr::Slice(on, parts) => self.slice(on, parts),
            Expr::Not(on) => Ok(Val::own(!self.holds(on)?)),
            Expr::Neg(on) => {
                let value = self.present(on)?;
                self.refusable(expr, "the minus sign", |_| {
                    operate::negate(value.json().unwrap_or(&Json::Null))
                })
            }
            Expr::And(left, right) => {
                let value = self.present(left)?;
                if value.json().is_some_and(is_true) { self.present(right) } else { Ok(value) }
            }
            Expr::Or(left, right) => {
                let value = self.present(left)?;
                if value.json().is_some_and(is_true) { Ok(value) } else { self.present(right) }
            }
            Expr::Math(math, left, right) => {
                let left = self.present(left)?;
                let right = self.present(right)?;
                let (left, right) = (left.json().unwrap_or(&Json::Null), right.json().unwrap_or(&Json::Null));
                self.refusable(expr, math.name(), |budget| operate::math(*math, left, right, budget))
            }
            Expr::Compare(first, rest) => {
                let mut left = self.present(first)?;
                for (comparison, right) in rest {
                    let right = self.present(right)?;
                    let (one, other) =
                        (left.json().unwrap_or(&Json::Null), right.json().unwrap_or(&Json::Null));
                    let holds = operate::compare(*comparison, one, other, &mut self.budget)
                        .map_err(|refused| self.refused(expr, "the comparison", refused))?;
                    if !holds {
                        return Ok(Val::own(false));
                    }
                    left = right;
                }
                Ok(Val::own(true))
            }
            Expr::If { test, then, otherwise } => {
                if self.holds(test)? {
                    self.eval(then)
                } else {
                    // As in Jinja2, nothing where there is no `else`.
                    otherwise.as_ref().map_or_else(|| Ok(Val::own("")), |otherwise| self.eval(otherwise))
                }
            }
            Expr::Filter { filter, on, args } => self.filter(expr, *filter, on, args),
            Expr::Test { test, on, args } => self.test(expr, *test, on, args),
            Expr::Range(args) => self.range(expr, args),
            Expr::List(items) => {
                let mut list = Vec::new();
                for item in items {
                    let item = self.present(item)?;
                    list.push(self.copied(&item)?);
                }
                self.finished(Json::Array(list))
            }
            Expr::Map(entries) => {
                let mut map = Map::new();
                for (key, value) in entries {
                    let key = self.present(key)?;
                    let Some(Json::String(key)) = key.json() else {
                        return Err(self.here("a key of a map must be a string"));
                    };
                    let value = self.present(value)?;
                    let value = self.copied(&value)?;
                    self.pay(|budget| budget.build(160 + key.len()))?;
                    map.insert(key.clone(), value);
                }
                self.finished(Json::Object(map))
            }
            Expr::Block => Ok(self.block.clone().unwrap_or_else(|| Val::own(""))),
        }
    }

    /// The value of `expr`, which must have one.
    pub(super) fn present(&mut self, expr: &'t Expr) -> Result<Val<'t>> {
        match self.eval(expr)? {
            Val::Missing(missing) => Err(unset(missing).with("line", self.line)),
            value => Ok(value),
        }
    }

    pub(super) fn holds(&mut self, expr: &'t Expr) -> Result<bool> {
        Ok(self.present(expr)?.json().is_some_and(is_true))
    }

    fn part(
        &mut self,
        expr: &'t Expr,
        on: &Val<'t>,
        pick: impl for<'v> Fn(&'v Json) -> Option<&'v Json>,
    ) -> Result<Val<'t>> {
        let part = on.part(&mut self.budget, pick).map_err(|spent| self.spent(spent))?;
        Ok(part.unwrap_or(Val::Missing(expr)))
    }

    fn item(&mut self, expr: &'t Expr, on: &'t Expr, item: &'t Expr) -> Result<Val<'t>> {
        let on = self.present(on)?;
        let item = self.present(item)?;
        match item.json() {
            Some(Json::String(key)) => self.part(expr, &on, |whole| whole.get(key)),
            Some(Json::Number(number)) => {
                let Some(index) = number.as_i64() else { return Ok(Val::Missing(expr)) };
                if let Some(Json::String(text)) = on.json() {
                    self.pay(|budget| budget.read(text.len()))?;
                    let found =
                        operate::index(index, text.chars().count()).and_then(|at| text.chars().nth(at));
                    return Ok(found.map_or(Val::Missing(expr), |c| Val::own(c.to_string())));
                }
                self.part(expr, &on, |whole| {
                    let items = whole.as_array()?;
                    items.get(operate::index(index, items.len())?)
                })
            }
            _ => Err(self.here("a subscript must be a number or a string")),
        }
    }

    fn slice(&mut self, on: &'t Expr, parts: &'t [Option<Expr>; 3]) -> Result<Val<'t>> {
        let value = self.present(on)?;
        let mut bounds = [None; 3];
        for (bound, part) in bounds.iter_mut().zip(parts) {
            if let Some(part) = part {
                let part = self.present(part)?;
                let number = part.json().and_then(Json::as_i64);
                *bound =
                    Some(number.ok_or_else(|| self.here("the bounds of a slice must be whole numbers"))?);
            }
        }
        self.refusable(on, "the slice", |budget| {
            operate::slice(value.json().unwrap_or(&Json::Null), bounds, budget)
        })
    }

    fn filter(&mut self, expr: &'t Expr, filter: Filter, on: &'t Expr, args: &'t Args) -> Result<Val<'t>> {
        let (_, names) = filter.parameters();
        let mut given: [Option<Val<'t>>; 2] = [None, None];
        for (slot, arg) in given.iter_mut().zip(&args.positional) {
            *slot = Some(self.present(arg)?);
        }
        for (name, arg) in &args.named {
            if let Some(slot) =
                names.iter().position(|known| **known == **name).and_then(|at| given.get_mut(at))
            {
                *slot = Some(self.present(arg)?);
            }
        }
        let value = if filter == Filter::Default { self.eval(on)? } else { self.present(on)? };
        if filter == Filter::Default {
            let falsy_too = given[1].as_ref().and_then(Val::json).is_some_and(is_true);
            let replace = value.json().is_none_or(|value| falsy_too && !is_true(value));
            return Ok(if replace { given[0].take().unwrap_or_else(|| Val::own("")) } else { value });
        }
        let args = [given[0].as_ref().and_then(Val::json), given[1].as_ref().and_then(Val::json)];
        self.refusable(expr, "the filter", |budget| filter.apply(&value, &args, budget))
    }

    fn test(&mut self, expr: &'t Expr, test: Predicate, on: &'t Expr, args: &'t [Expr]) -> Result<Val<'t>> {
        let value = self.eval(on)?;
        let holds = match (test, value.json()) {
            (Predicate::Defined, found) => found.is_some(),
            (Predicate::Undefined, found) => found.is_none(),
            (_, None) => return self.present(on),
            (test, Some(value)) => {
                let arg = match args.first() {
                    Some(arg) => Some(self.present(arg)?),
                    None => None,
                };
                let arg = arg.as_ref().and_then(Val::json).unwrap_or(&Json::Null);
                operate::test(test, value, arg, &mut self.budget)
                    .map_err(|refused| self.refused(expr, "the test", refused))?
            }
        };
        Ok(Val::own(holds))
    }

    fn range(&mut self, expr: &'t Expr, args: &'t [Expr]) -> Result<Val<'t>> {
        let mut numbers = Vec::new();
        for arg in args {
            let number = self.present(arg)?.json().and_then(Json::as_i64);
            numbers.push(number.ok_or_else(|| self.here("range() needs whole numbers"))?);
        }
        let (start, stop, step) = match *numbers.as_slice() {
            [stop] => (0, stop, 1),
            [start, stop] => (start, stop, 1),
            [start, stop, step] if step != 0 => (start, stop, step),
            _ => return Err(self.here("range() needs one to three numbers, and a step that is not zero")),
        };
        let distance = if step > 0 {
            i128::from(stop) - i128::from(start)
        } else {
            i128::from(start) - i128::from(stop)
        };
        let count = (distance.max(0) + i128::from(step).abs() - 1) / i128::from(step).abs();
        if count > i128::from(RANGE_MAX) {
            return Err(self.fault(expr, "makes a range of more than 10,000 numbers: shorten it"));
        }
        let count = i64::try_from(count).unwrap_or(RANGE_MAX);
        self.pay(|budget| budget.build(usize::try_from(count).unwrap_or_default() * 136))?;
        // The last number is within the bounds, so nothing overflows.
        Ok(Val::own((0..count).map(|index| Json::from(start + index * step)).collect::<Vec<_>>()))
    }

    fn loop_field(&self, field: LoopField) -> Val<'t> {
        let (index, length) = self.loops.last().copied().unwrap_or_default();
        match field {
            LoopField::Index => Val::own(index + 1),
            LoopField::Index0 => Val::own(index),
            LoopField::RevIndex => Val::own(length - index),
            LoopField::RevIndex0 => Val::own(length - index - 1),
            LoopField::First => Val::own(index == 0),
            LoopField::Last => Val::own(index + 1 == length),
            LoopField::Length => Val::own(length),
            LoopField::Depth => Val::own(self.loops.len()),
        }
    }

    pub(super) fn own(&mut self, text: String) -> Result<Val<'t>> {
        self.pay(|budget| budget.build(64 + text.len()))?;
        Ok(Val::own(text))
    }

    fn copied(&mut self, value: &Val<'t>) -> Result<Json> {
        self.pay(|budget| copy(value.json().unwrap_or(&Json::Null), budget))
    }

    /// A value that the template put together: its nesting is checked before it is used.
    fn finished(&mut self, value: Json) -> Result<Val<'t>> {
        self.pay(|budget| weigh(&value, budget, 0))?;
        Ok(Val::own(value))
    }
}

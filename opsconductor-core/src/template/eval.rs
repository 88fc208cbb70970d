//! Walks a compiled template. Every loop, copy and comparison is paid for, so that a render ends whatever it holds.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::{Map, Value as Json};

use super::budget::{Budget, OUTPUT_BYTES_MAX, RANGE_MAX, Spent};
use super::filter::{Filter, Refused};
use super::operate;
use super::predicate::Predicate;
use super::sink::{Sink, is_plain, is_plain_inside, quote_into};
use super::tree::{Args, Emit, Expr, For, How, LoopField, Node, Spot, Target};
use super::value::{Val, is_true, kind, scalar_text, weigh, write_json};
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

    fn emit(&mut self, emit: &'t Emit) -> Result<()> {
        self.line = emit.spot.line;
        let value = self.eval(&emit.expr)?;
        let Some(json) = value.json() else {
            let Val::Missing(expr) = value else { return Ok(()) };
            return Err(unset(expr).with("line", emit.spot.line).with("column", emit.spot.column));
        };
        match emit.how {
            How::Plain => self.emit_plain(json, emit),
            How::Quote => self.emit_quoted(json, emit),
            How::Raw | How::Collect => self.emit_unchecked(json, emit),
        }
    }

    fn emit_plain(&mut self, value: &Json, emit: &Emit) -> Result<()> {
        if self.sink == Sink::Text {
            return self.emit_unchecked(value, emit);
        }
        let needs = emit.needs;
        let text = match self.text_of(value) {
            Some(text) => text,
            None if needs.json_token && value.is_null() => Cow::Borrowed("null"),
            None if value.is_null() => {
                return Err(blame(&emit.spot, "is null: give it a value or a default"));
            }
            None => {
                return Err(blame(&emit.spot, &format!("is {}: {}", kind(value), self.remedy_for_lists())));
            }
        };
        self.room(text.len())?;
        let plain = if needs.json_token && value.is_number() {
            true
        } else {
            (is_plain(&text, self.sink) || (text.is_empty() && !needs.something))
                && (!needs.literal || is_plain_inside(&text, self.sink))
        };
        if !plain {
            return Err(blame(&emit.spot, &self.remedy(text.is_empty(), needs.literal)));
        }
        if needs.number && !is_number(&text) {
            return Err(blame(
                &emit.spot,
                "is a word where PowerShell would run it as a command: pass it through \"| quote\"",
            ));
        }
        if needs.json_token && !is_json_token(&text) {
            return Err(blame(
                &emit.spot,
                "is text where JSON needs a value: pass it through \"| quote\", which brings the quotation marks",
            ));
        }
        self.out.push_str(&text);
        Ok(())
    }

    /// A scalar's text. JSON spells booleans in its own way.
    fn text_of<'v>(&self, value: &'v Json) -> Option<Cow<'v, str>> {
        match value {
            Json::Bool(truth) if self.sink == Sink::Json => {
                Some(Cow::Borrowed(if *truth { "true" } else { "false" }))
            }
            value => scalar_text(value),
        }
    }

    fn remedy(&self, empty: bool, literal: bool) -> String {
        let what = if empty { "is empty".to_owned() } else { format!("is not plain for {}", self.sink) };
        if literal {
            format!(
                "{what} and stands inside a literal or a comment: take the placeholder out of it and pass it through \
                 \"| quote\""
            )
        } else {
            format!("{what}: pass it through \"| quote\"")
        }
    }

    fn remedy_for_lists(&self) -> &'static str {
        if self.sink == Sink::Json {
            "pass it through \"| quote\""
        } else {
            "write its elements one at a time"
        }
    }

    fn emit_quoted(&mut self, value: &Json, emit: &Emit) -> Result<()> {
        if self.sink == Sink::Json {
            return self.emit_json(value);
        }
        if self.sink == Sink::Text {
            return self.emit_unchecked(value, emit);
        }
        let text = match self.text_of(value) {
            Some(text) => text,
            None if value.is_null() => {
                return Err(blame(&emit.spot, "is null: give it a value or a default"));
            }
            None => {
                return Err(blame(&emit.spot, &format!("is {}: {}", kind(value), self.remedy_for_lists())));
            }
        };
        if text.is_empty() && self.sink == Sink::Url && emit.needs.something {
            return Err(blame(
                &emit.spot,
                "is empty where the URL needs a segment: give it a value or a default",
            ));
        }
        self.room(text.len())?;
        quote_into(&text, self.sink, &mut self.out).map_err(|why| blame(&emit.spot, why))?;
        self.room(0)
    }

    fn emit_unchecked(&mut self, value: &Json, emit: &Emit) -> Result<()> {
        if value.is_null() && self.sink != Sink::Json {
            return Err(blame(&emit.spot, "is null: give it a value or a default"));
        }
        match self.text_of(value) {
            Some(text) => {
                self.room(text.len())?;
                self.out.push_str(&text);
                Ok(())
            }
            None => self.emit_json(value),
        }
    }

    fn emit_json(&mut self, value: &Json) -> Result<()> {
        write_json(value, &mut self.out, OUTPUT_BYTES_MAX, &mut self.budget)
            .map_err(|spent| self.spent(spent))
    }

    /// Checks that the output has room for `bytes` more, and counts them.
    fn room(&mut self, bytes: usize) -> Result<()> {
        if self.out.len().saturating_add(bytes) > OUTPUT_BYTES_MAX {
            return Err(self.spent(Spent::Output));
        }
        self.pay(|budget| budget.read(bytes))
    }

    // ---- names

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

    // ---- expressions

    fn eval(&mut self, expr: &'t Expr) -> Result<Val<'t>> {
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
    fn present(&mut self, expr: &'t Expr) -> Result<Val<'t>> {
        match self.eval(expr)? {
            Val::Missing(missing) => Err(unset(missing).with("line", self.line)),
            value => Ok(value),
        }
    }

    fn holds(&mut self, expr: &'t Expr) -> Result<bool> {
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

    fn own(&mut self, text: String) -> Result<Val<'t>> {
        self.pay(|budget| budget.build(64 + text.len()))?;
        Ok(Val::own(text))
    }

    fn copied(&mut self, value: &Val<'t>) -> Result<Json> {
        self.pay(|budget| super::value::copy(value.json().unwrap_or(&Json::Null), budget))
    }

    /// A value that the template put together: its nesting is checked before it is used.
    fn finished(&mut self, value: Json) -> Result<Val<'t>> {
        self.pay(|budget| weigh(&value, budget, 0))?;
        Ok(Val::own(value))
    }

    // ---- errors

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
fn blame(spot: &Spot, why: &str) -> Error {
    Error::new(ErrorKind::Template, format!("{} {why}", spot.label))
        .with("line", spot.line)
        .with("column", spot.column)
}

#[cold]
fn unset(expr: &Expr) -> Error {
    let label = expr.label().unwrap_or_else(|| "a value".to_owned());
    Error::new(
        ErrorKind::Template,
        format!("`{label}` is not set: give it a value, or a default in the template"),
    )
}

fn is_number(text: &str) -> bool {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    [whole, fraction].iter().all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
}

fn is_json_token(text: &str) -> bool {
    matches!(text, "true" | "false" | "null") || serde_json::from_str::<serde_json::Number>(text).is_ok()
}

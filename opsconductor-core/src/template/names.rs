//! What a template reads: the names it expects from outside, and the dotted paths below them.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use super::filter::Filter;
use super::predicate::Predicate;
use super::tree::{Expr, Node, Target};

/// The names and paths a template reads and does not itself define.
#[derive(Debug, Default)]
pub(super) struct Names {
    pub(super) names: Vec<String>,
    pub(super) optional: Vec<String>,
    pub(super) paths: Vec<String>,
}

/// Collects them.
pub(super) fn collect(nodes: &[Node]) -> Names {
    let mut reading = Reading::default();
    reading.nodes(nodes);
    let asked = reading.asked;
    let optional = reading.names.iter().filter(|(name, needed)| !**needed || asked.contains(*name));
    Names {
        optional: optional.map(|(name, _)| (*name).to_owned()).collect(),
        names: reading.names.keys().map(|name| (*name).to_owned()).collect(),
        paths: reading.paths.into_iter().map(Cow::into_owned).collect(),
    }
}

#[derive(Default)]
struct Reading<'n> {
    /// Name, and whether it is read where it must have a value.
    names: BTreeMap<&'n str, bool>,
    /// Names in `is defined`: the template has a way to go on without them.
    asked: BTreeSet<&'n str>,
    paths: BTreeSet<Cow<'n, str>>,
    defined: Vec<&'n str>,
}

impl<'n> Reading<'n> {
    fn nodes(&mut self, nodes: &'n [Node]) {
        nodes.iter().for_each(|node| self.node(node));
    }

    /// Reads `nodes` and forgets what they define.
    fn apart(&mut self, nodes: &'n [Node]) -> Vec<&'n str> {
        let depth = self.defined.len();
        self.nodes(nodes);
        self.defined.split_off(depth)
    }

    fn node(&mut self, node: &'n Node) {
        match node {
            Node::Text(_) => {}
            Node::Emit(emit) => self.expr(&emit.expr, true),
            Node::If { test, then, otherwise, .. } => {
                self.expr(test, true);
                let then = self.apart(then);
                let otherwise = self.apart(otherwise);
                // Only what both branches define is defined after them.
                self.defined.extend(then.into_iter().filter(|name| otherwise.contains(name)));
            }
            Node::For(each) => {
                self.expr(&each.over, true);
                let depth = self.defined.len();
                self.define(&each.target);
                if let Some(filter) = &each.filter {
                    self.expr(filter, true);
                }
                self.nodes(&each.body);
                self.defined.truncate(depth);
                let defined = self.apart(&each.otherwise);
                drop(defined);
            }
            Node::Set { target, value } => {
                self.expr(value, true);
                self.define(target);
            }
            Node::Capture { name, body, filters } => {
                self.apart(body);
                if let Some(filters) = filters {
                    self.expr(filters, true);
                }
                self.defined.push(name);
            }
            Node::With { bindings, body } => {
                let depth = self.defined.len();
                for (target, value) in bindings {
                    self.expr(value, true);
                    self.define(target);
                }
                self.nodes(body);
                self.defined.truncate(depth);
            }
        }
    }

    fn define(&mut self, target: &'n Target) {
        match target {
            Target::Name(name) => self.defined.push(name),
            Target::Unpack(names) => self.defined.extend(names.iter().map(|name| &**name)),
        }
    }

    fn expr(&mut self, expr: &'n Expr, needed: bool) {
        match expr {
            Expr::Var(_) | Expr::Attr(..) | Expr::Item(..) => self.path(expr, needed),
            Expr::Filter { filter: Filter::Default, on, args } => {
                self.expr(on, false);
                args.positional.iter().for_each(|arg| self.expr(arg, true));
                args.named.iter().for_each(|(_, arg)| self.expr(arg, true));
            }
            Expr::Test { test: Predicate::Defined | Predicate::Undefined, on, .. } => {
                if let Expr::Var(name) = &**on {
                    self.asked.insert(name);
                }
                self.expr(on, false);
            }
            other => other.children(&mut |child| self.expr(child, true)),
        }
    }

    /// A chain of members from a name on. It is optional only where the name itself is asked for: a member of a
    /// name that is not set is an error.
    fn path(&mut self, expr: &'n Expr, needed: bool) {
        let mut members = Vec::new();
        let mut on = expr;
        let root = loop {
            match on {
                Expr::Var(name) => break name,
                Expr::Attr(inner, name) => {
                    members.push(Some(&**name));
                    on = inner;
                }
                Expr::Item(inner, item) => {
                    members.push(match &**item {
                        Expr::Const(Json::String(name)) => Some(name.as_str()),
                        other => {
                            self.expr(other, true);
                            None
                        }
                    });
                    on = inner;
                }
                other => return self.expr(other, true),
            }
        };
        if self.defined.iter().any(|name| **name == **root) {
            return;
        }
        let needed = needed || !members.is_empty();
        *self.names.entry(root).or_default() |= needed;
        let mut path = Cow::Borrowed(&**root);
        // The static part ends at the first subscript that is not a constant name.
        for member in members.into_iter().rev() {
            let Some(member) = member else { break };
            path += ".";
            path += member;
        }
        self.paths.insert(path);
    }
}

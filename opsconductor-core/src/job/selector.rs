//! Which targets a step acts on, said by what they are: [`Selector`].

use serde_json::Value;
use wildmatch::WildMatch;

use super::explain;
use crate::{target::TargetSpec, transport::Protocol};

/// Chooses targets by their tags, protocol and name. A target is chosen when everything that is said fits it and nothing
/// of `not` does.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Selector {
    tags: Vec<String>,
    protocol: Option<Protocol>,
    names: Vec<WildMatch>,
    not: Vec<Selector>,
}

impl Selector {
    /// Reads the form of a definition, whose shape has been checked.
    pub(super) fn read(value: &Value) -> Self {
        let member = |name: &str| value.get(name).map(items).unwrap_or_default();
        let texts = |name: &str| member(name).iter().filter_map(Value::as_str);
        Self {
            tags: texts("tags").map(str::to_owned).collect(),
            protocol: texts("protocol").next().and_then(|name| name.parse().ok()),
            names: texts("name").map(WildMatch::new).collect(),
            not: member("not").iter().map(Self::read).collect(),
        }
    }

    /// The tags, every one of which a target must carry: a store can look for them.
    pub fn tags(&self) -> &[String] {
        &self.tags
    }

    /// Whether it chooses this target.
    pub fn matches(&self, target: &TargetSpec) -> bool {
        self.tags.iter().all(|tag| target.tags.contains(tag))
            && self.protocol.is_none_or(|protocol| protocol == target.protocol)
            && (self.names.is_empty() || self.names.iter().any(|name| name.matches(&target.name)))
            && !self.not.iter().any(|not| not.matches(target))
    }

    /// What it asks for, after "no target".
    pub(super) fn sentence(&self) -> String {
        let mut parts = Vec::new();
        if !self.tags.is_empty() {
            let tags: Vec<&str> = self.tags.iter().map(String::as_str).collect();
            parts.push(format!("carries {}", explain::list(&tags, "and")));
        }
        if let Some(protocol) = self.protocol {
            parts.push(format!("speaks {protocol}"));
        }
        if !self.names.is_empty() {
            let names: Vec<String> = self.names.iter().map(ToString::to_string).collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            parts.push(format!("is named {}", explain::list(&names, "or")));
        }
        let mut sentence = if parts.is_empty() { "is there".to_owned() } else { parts.join(" and ") };
        if !self.not.is_empty() {
            sentence += ", leaving out what `not` names";
        }
        sentence
    }
}

/// One, or a list of them.
fn items(value: &Value) -> &[Value] {
    match value {
        Value::Array(items) => items,
        one => std::slice::from_ref(one),
    }
}

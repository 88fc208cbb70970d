//! Who is told of a run: the member `notify` of a job.

use serde_json::{Map, Value, json};

use super::{faults::Faults, place};
use crate::notify::{Channel, NotifyOn, RULES_MAX, Rule};

/// The member of the job.
pub(super) const MEMBER: &str = "notify";

/// Its schema.
pub(super) fn schema() -> Value {
    let on: Vec<&str> = NotifyOn::ALL.iter().map(|on| on.as_str()).collect();
    json!({
        "type": "array", "maxItems": RULES_MAX,
        "description": "who is told when a run has ended, beside those that the tenant's rules name and the one who asked for it",
        "items": {
            "type": "object", "required": ["on"], "additionalProperties": false,
            "properties": {
                "on": {
                    "enum": on,
                    "description": "of which ends: it failed, it succeeded, however it ended, or with a step of which nobody knows how it ended"
                },
                "email": {"type": "string", "minLength": 1, "maxLength": 254, "description": "the address that a mail goes to"},
                "webhook": {"type": "string", "minLength": 1, "maxLength": 2048, "description": "the URL that a signed request goes to"},
                "template": {
                    "type": "string", "minLength": 1, "maxLength": 65_536,
                    "description": "what makes the body of the request, which is JSON, of what is told; without it that goes as it is"
                }
            },
            "oneOf": [{"required": ["email"]}, {"required": ["webhook"]}]
        }
    })
}

/// The rules, as far as they can work.
pub(super) fn read(members: &Map<String, Value>, faults: &mut Faults) -> Vec<Rule> {
    let listed = members.get(MEMBER).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let mut rules = Vec::with_capacity(listed.len());
    for (index, given) in listed.iter().enumerate() {
        let text = |name: &str| given.get(name).and_then(Value::as_str);
        let (channel, dest) = match (text("email"), text("webhook")) {
            (Some(address), None) => (Channel::Email, address),
            (None, Some(url)) => (Channel::Webhook, url),
            // The schema says so already.
            _ => continue,
        };
        let Some(on) = text("on").and_then(|on| on.parse().ok()) else { continue };
        let rule = Rule { on, channel, dest: dest.to_owned(), template: text("template").map(str::to_owned) };
        if let Err(error) = rule.check() {
            let is_template = Rule { template: None, ..rule.clone() }.check().is_ok();
            let member = if is_template { "template" } else { channel.as_str() };
            faults.add(format!("{}/{index}/{member}", place::join("", MEMBER)), error.to_string());
        }
        rules.push(rule);
    }
    rules
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;
    use crate::job::{JobSpec, StepKinds};

    fn validate(notify: &Value) -> Result<Vec<Rule>, Vec<String>> {
        let steps = json!([{"type": "sleep", "durationSec": 1}]);
        let job = json!({"name": "j", "version": 1, "notify": notify, "steps": steps});
        match JobSpec::from_value(job).validate(&StepKinds::built_in()) {
            Ok(job) => Ok(job.notify().to_vec()),
            Err(error) => Err(error.problems().iter().map(|problem| problem.pointer.clone()).collect()),
        }
    }

    #[test]
    fn who_is_told_is_read_from_the_definition() {
        let rules = validate(&json!([
            {"on": "failure", "email": "ops@example.com"},
            {"on": "lost", "webhook": "https://example.com/x", "template": "{\"job\": {{ job_name | quote }}}"}
        ]));
        let rules = rules.unwrap();
        assert_eq!(
            (rules[0].on, rules[0].channel, rules[0].dest.as_str()),
            (NotifyOn::Failure, Channel::Email, "ops@example.com")
        );
        assert_eq!((rules[1].on, rules[1].channel), (NotifyOn::Lost, Channel::Webhook));
        assert!(validate(&json!([])).unwrap().is_empty());
    }

    #[test]
    fn what_cannot_work_is_a_fault_with_its_place() {
        for (wrong, pointer) in [
            (json!({"on": "failure", "email": "a@b\r\nBcc: c@d"}), "/notify/0/email"),
            (json!({"on": "failure", "webhook": "ftp://a"}), "/notify/0/webhook"),
            (json!({"on": "failure", "webhook": "https://a/", "template": "{{ x"}), "/notify/0/template"),
            (json!({"on": "never", "email": "a@b"}), "/notify/0/on"),
            (json!({"on": "failure"}), "/notify/0"),
            (json!({"on": "failure", "email": "a@b", "to": "c"}), "/notify/0/to"),
        ] {
            let pointers = validate(&json!([wrong])).unwrap_err();
            assert!(
                pointers
                    .iter()
                    .any(|found| found.starts_with(pointer) || pointer.starts_with(found.as_str())),
                "{wrong}: {pointers:?}"
            );
        }
    }
}

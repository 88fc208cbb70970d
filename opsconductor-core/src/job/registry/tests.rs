#![allow(clippy::unwrap_used, reason = "a test may panic")]

use async_trait::async_trait;
use serde_json::{Map, json};

use super::*;
use crate::{
    Problem,
    job::{
        JobSpec,
        step::{StepContext, StepOutcome, TemplateField},
    },
    template::Sink,
    transport::Protocol,
};

/// A kind as a host would write it.
struct Custom {
    kind: &'static str,
    schema: Value,
    protocol: Option<Protocol>,
}

#[async_trait]
impl StepHandler for Custom {
    fn kind(&self) -> &str {
        self.kind
    }

    fn schema(&self) -> Value {
        self.schema.clone()
    }

    fn protocol(&self) -> Option<Protocol> {
        self.protocol
    }

    fn templates(&self, _: &Map<String, Value>) -> Vec<TemplateField> {
        vec![TemplateField::new("/to/subject", Sink::Text), TemplateField::new("/absent", Sink::Text)]
    }

    fn check(&self, fields: &Map<String, Value>) -> Vec<Problem> {
        let loud = fields["to"]["subject"].as_str().is_some_and(|subject| subject.ends_with('!'));
        loud.then(|| Problem::new("/to/subject", "do not shout")).into_iter().collect()
    }

    async fn run(&self, _: &mut StepContext<'_>) -> Result<StepOutcome> {
        Ok(StepOutcome::succeeded())
    }
}

fn mail(kind: &'static str) -> Arc<dyn StepHandler> {
    let schema = json!({
        "required": ["to"],
        "properties": {
            "to": {
                "type": "object", "required": ["subject"], "additionalProperties": false,
                "properties": {"subject": {"type": "string"}, "cc": {"type": "array", "uniqueItems": true}}
            },
            "urgency": {"enum": ["low", "normal", "high"]}
        }
    });
    Arc::new(Custom { kind, schema, protocol: None })
}

fn register(kind: &'static str, schema: Value) -> Result<()> {
    StepKinds::built_in().register(Arc::new(Custom { kind, schema, protocol: Some(Protocol::Ssh) }))
}

fn faults(kinds: &StepKinds, step: &Value) -> Vec<(String, String)> {
    let spec = JobSpec::from_value(json!({"name": "n", "version": 1, "steps": [step]}));
    let error = spec.validate(kinds).unwrap_err();
    error.problems().iter().map(|problem| (problem.pointer.clone(), problem.message.clone())).collect()
}

#[test]
fn a_hosts_kind_is_checked_like_a_built_in_one() {
    let mut kinds = StepKinds::built_in();
    kinds.register(mail("acme.mail")).unwrap();
    assert_eq!(
        kinds.names().collect::<Vec<_>>(),
        [
            "acme.mail",
            "approval",
            "http.request",
            "sleep",
            "ssh.copy",
            "ssh.exec",
            "ssh.fetch",
            "winrm.copy",
            "winrm.exec",
            "winrm.fetch"
        ]
    );
    assert!(kinds.get("acme.mail").is_some() && kinds.get("acme.none").is_none());

    let good =
        json!({"name": "n", "version": 1, "steps": [{"type": "acme.mail", "to": {"subject": "{{ s }}"}}]});
    let job = JobSpec::from_value(good.clone()).validate(&kinds).unwrap();
    assert_eq!(job.required_parameters(), ["s"]);
    assert_eq!(job.target_names().count(), 0);
    let schema = kinds.job_schema();
    assert!(jsonschema::draft202012::meta::is_valid(&schema));
    assert!(jsonschema::is_valid(&schema, &good));

    for (step, expected) in [
        (
            json!({"type": "acme.mail", "to": {"subjct": "x", "cc": [1, 1]}, "urgency": "hihg"}),
            vec![
                ("/steps/0/to", "`subject` is missing"),
                ("/steps/0/to/subjct", "this member is not known; did you mean `subject`?"),
                ("/steps/0/to/cc", "lists the same entry twice"),
                ("/steps/0/urgency", "must be one of `low`, `normal`, `high`; did you mean `high`?"),
            ],
        ),
        (
            json!({"type": "acme.mail", "to": {"subject": "x!"}}),
            vec![("/steps/0/to/subject", "do not shout")],
        ),
        (
            json!({"type": "acme.mail", "to": {"subject": "{{ target.name }}"}}),
            vec![(
                "/steps/0/to/subject",
                "this step acts on no target, so its templates cannot read `target`",
            )],
        ),
    ] {
        let found = faults(&kinds, &step);
        let found: Vec<_> =
            found.iter().map(|(pointer, message)| (pointer.as_str(), message.as_str())).collect();
        assert_eq!(found, expected);
    }
    let found = faults(&kinds, &json!({"type": "acme.mail", "to": {"subject": "x"}, "target": "t"}));
    assert!(
        found[0].1.starts_with("this member is not known"),
        "a kind without a protocol has no targets: {found:?}"
    );
}

#[test]
fn a_name_that_is_taken_is_a_conflict() {
    let mut kinds = StepKinds::built_in();
    assert_eq!(kinds.register(mail("winrm.exec")).unwrap_err().kind(), ErrorKind::Conflict);
    kinds.register(mail("acme.mail")).unwrap();
    assert_eq!(kinds.register(mail("acme.mail")).unwrap_err().kind(), ErrorKind::Conflict);
}

#[test]
fn schemas_that_cannot_be_composed_are_refused() {
    for (schema, why) in [
        (json!(true), "must be an object with `properties`"),
        (json!({"type": "array"}), "must have the type `object`"),
        (json!({"properties": 3}), "is not JSON Schema"),
        (json!({"properties": {"a": {"type": "strnig"}}}), "is not JSON Schema"),
        (json!({"properties": {"a": {"pattern": "("}}}), "does not compile"),
        (json!({"properties": {"a": {"$ref": "http://example.com/a"}}}), "must stand on its own"),
        (json!({"properties": {"timeoutSec": {}}}), "`timeoutSec` is a member of every step"),
        (json!({"additionalProperties": true}), "leave out `additionalProperties`"),
        (json!({"patternProperties": {"^x": {}}}), "leave out `patternProperties`"),
    ] {
        let error = register("acme.step", schema.clone()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains(why), "{schema}: {error}");
    }
    for kind in ["", "Acme", "acme.", ".acme", "acme step", "1acme"] {
        assert_eq!(register(kind, json!({})).unwrap_err().kind(), ErrorKind::InvalidInput, "{kind}");
    }
    register("acme_2.step", json!({"type": "object", "additionalProperties": false})).unwrap();
}

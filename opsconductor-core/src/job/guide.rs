#![doc = include_str!("guide.md")]

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use serde_json::Value;

    use crate::job::{JobSpec, StepKinds};

    const GUIDE: &str = include_str!("guide.md");

    /// The examples, each a whole definition.
    fn examples() -> impl Iterator<Item = &'static str> {
        GUIDE.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap())
    }

    /// The members of the objects that a schema describes.
    fn members(schema: &Value) -> impl Iterator<Item = &String> {
        schema["properties"].as_object().unwrap().keys()
    }

    #[test]
    fn every_example_holds() {
        let kinds = StepKinds::built_in();
        for example in examples() {
            let found = JobSpec::parse(example).and_then(|spec| spec.validate(&kinds));
            assert!(found.is_ok(), "{example}\n{:?}", found.map_err(|error| error.problems().to_vec()));
        }
        assert!(examples().count() > 10);
    }

    #[test]
    fn every_member_is_described_and_shown() {
        let schema = StepKinds::built_in().job_schema();
        let kinds = schema["$defs"].as_object().unwrap().values();
        let shown: String = examples().collect();
        for member in kinds.flat_map(members).chain(members(&schema)) {
            assert!(GUIDE.contains(&format!("`{member}`")), "the guide does not describe `{member}`");
            let written = shown.contains(&format!("{member}:")) || shown.contains(&format!("\"{member}\":"));
            assert!(written || member == "contentB64" || member == "src", "no example shows `{member}`");
        }
    }

    #[test]
    fn every_kind_is_described() {
        for kind in StepKinds::built_in().names() {
            assert!(GUIDE.contains(&format!("`{kind}`")), "the guide does not describe `{kind}`");
        }
    }
}

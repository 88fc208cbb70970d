//! Hostile definitions end in bounded time with a bounded answer.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{KINDS, exec, faults, of_steps};
use crate::job::{DEFINITION_BYTES_MAX, JobSpec};

#[test]
fn a_thousand_problems_are_listed_and_the_rest_is_noted() {
    let members: Vec<_> = (0..50_000).map(|n| format!(r#""m{n}":0"#)).collect();
    let started = Instant::now();
    let found = faults(&format!("{{{}}}", members.join(",")));
    assert!(started.elapsed() < Duration::from_secs(60), "{:?}", started.elapsed());
    assert_eq!(found.len(), 1001);
    assert_eq!(found[1000].1, "there are more problems than are listed here: mend these first");
}

#[test]
fn a_job_has_at_most_a_thousand_steps() {
    let steps = vec![exec(r#", "command": "c""#); 1001].join(",");
    let found = faults(&of_steps(&steps));
    assert_eq!(found, [("/steps".to_owned(), "must have between 1 and 1000 entries".to_owned())]);
}

#[test]
fn values_built_elsewhere_have_the_same_limits() {
    let mut deep = json!(0);
    for _ in 0..100 {
        deep = json!([deep]);
    }
    let spec =
        JobSpec::from_value(json!({"name": "n", "version": 1, "parameters": {"deep": deep}, "steps": []}));
    let error = spec.validate(&KINDS).unwrap_err();
    assert_eq!(
        error.problems()[0].message,
        "objects and lists are nested deeper than 64 levels: flatten them"
    );
    assert_eq!(error.problems().len(), 1);

    let large = JobSpec::from_value(Value::String("x".repeat(DEFINITION_BYTES_MAX)));
    let error = large.validate(&KINDS).unwrap_err();
    assert_eq!(error.problems()[0].message, "it is larger than 2 MiB: move large content out of it");
}

#[test]
fn debug_shows_no_command() {
    let spec = JobSpec::parse(&of_steps(&exec(r#", "command": "hush""#))).unwrap();
    let job = spec.validate(&KINDS).unwrap();
    for shown in [format!("{spec:?}"), format!("{job:?}"), format!("{:?}", job.steps())] {
        assert!(!shown.contains("hush"), "{shown}");
    }
}

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use serde_json::json;

use super::*;
use crate::job::StepKinds;

/// The one problem of a text that cannot be read.
fn unreadable(text: &str) -> String {
    let error = JobSpec::parse(text).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidJob);
    let [problem] = error.problems() else { panic!("one problem") };
    assert_eq!(problem.pointer, "");
    problem.message.clone()
}

#[test]
fn what_cannot_be_read_is_named_with_line_and_column() {
    for (text, message) in [
        ("", "it is empty: write a job with `name`, `version` and `steps`"),
        (" \n", "it is empty: write a job with `name`, `version` and `steps`"),
        ("{\"a\": }", "this is not valid JSON, at line 1, column 7: expected value"),
        ("{\n \"a\": 1\n} x", "this is not valid JSON, at line 3, column 3: trailing characters"),
        ("{name: x}", "this is not valid JSON, at line 1, column 2: key must be a string"),
        ("@@@", "this is not valid YAML, at line 1, column 1: unexpected character: `@'"),
        (
            "a: 1\nb: c: d",
            "this is not valid YAML, at line 2, column 5: mapping values are not allowed in this context",
        ),
        ("a: [1, 2", "this is not valid YAML, at line 1, column 4: unclosed bracket '['"),
        (
            "a: 1\n---\nb: 2\n",
            "this is not valid YAML, at line 2, column 1: there is more than one document: keep one",
        ),
        ("a: !secret x", "this is not valid YAML, at line 1, column 12: unsupported tag `!secret`"),
        ("a: .nan", "this is not valid YAML, at line 1, column 4: value `.nan` is not a finite number"),
    ] {
        assert_eq!(unreadable(text), message, "{text}");
    }
}

#[test]
fn large_and_deep_texts_are_refused() {
    let large = "it is larger than 2 MiB: move large content out of it";
    assert_eq!(unreadable(&format!("a: {}", "x".repeat(DEFINITION_BYTES_MAX))), large);
    assert_eq!(unreadable(&format!("{{\"a\": \"{}\"}}", "x".repeat(DEFINITION_BYTES_MAX))), large);
    let deep = "objects and lists are nested deeper than 64 levels: flatten them";
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        for levels in [65, 100_000] {
            let text = format!("{}0{}", open.repeat(levels), close.repeat(levels));
            assert!(unreadable(&text).ends_with(deep));
        }
    }
    assert!(unreadable(&format!("a: {}0{}", "[".repeat(64), "]".repeat(64))).ends_with(deep));
    let block: String = (0..100).map(|level| format!("{}a:\n", " ".repeat(level))).collect();
    assert!(unreadable(&block).ends_with(deep));
    JobSpec::parse(&format!("{}0{}", "[".repeat(64), "]".repeat(64))).unwrap();
}

#[test]
fn aliases_do_not_blow_up() {
    let mut bomb = String::from("a0: &a0 [x,x,x,x,x,x,x,x,x]\n");
    for level in 1..9 {
        let before = format!("*a{},", level - 1).repeat(9);
        bomb += &format!("a{level}: &a{level} [{}]\n", before.trim_end_matches(','));
    }
    let too_much = "with its aliases followed it is larger than a definition may be: use fewer";
    assert!(unreadable(&bomb).ends_with(too_much), "{}", unreadable(&bomb));
    let long = format!("a: &a {}\nb: [*a, *a, *a, *a]\n", "x".repeat(600_000));
    let message = unreadable(&long);
    assert!(message.ends_with(too_much) || message.contains("larger than 2 MiB"), "{message}");
}

#[test]
fn members_given_twice_are_faults_in_both_forms() {
    let json = r#"{"name": "n", "version": 1, "version": 2,
        "steps": [{"type": "winrm.exec", "shell": "cmd", "target": "t", "command": "c", "env": {"A": "1", "A": "2"}}]}"#;
    let yaml = "name: n\nversion: 1\nversion: 2\nsteps:\n  - type: winrm.exec\n    shell: cmd\n    target: t\n    \
                command: c\n    env: {A: '1', A: '2'}\n";
    for text in [json, yaml] {
        let spec = JobSpec::parse(text).unwrap();
        assert_eq!(spec.as_value()["version"], 1);
        let error = spec.validate(&StepKinds::built_in()).unwrap_err();
        let twice = "this member is given more than once: keep one of them";
        let expected = [Problem::new("/version", twice), Problem::new("/steps/0/env/A", twice)];
        assert_eq!(error.problems(), expected, "{text}");
    }
}

#[test]
fn yaml_is_read_without_surprises() {
    let text = "\u{feff}# a comment\na: no\nb: 0755\nc: 1_000\nd: 1.5\ne: ~\nf: True\ng: 2020-01-01\nh: &x [1]\ni: *x\n\
                j: &m {k: 1, l: 2}\nk:\n  <<: *m\n  l: 3\n1: |\n  two\n  lines\n";
    let value = json!({
        "a": "no", "b": "0755", "c": "1_000", "d": 1.5, "e": null, "f": true, "g": "2020-01-01", "h": [1], "i": [1],
        "j": {"k": 1, "l": 2}, "k": {"k": 1, "l": 3}, "1": "two\nlines\n"
    });
    assert_eq!(JobSpec::parse(text).unwrap().as_value(), &value);
}

#[test]
fn a_definition_inside_another_document_is_read_as_strictly() {
    #[derive(serde::Deserialize)]
    struct Body {
        definition: JobSpec,
    }
    let body: Body = serde_json::from_str(r#"{"definition": {"name": "a", "name": "b"}}"#).unwrap();
    let error = body.definition.validate(&StepKinds::built_in()).unwrap_err();
    assert_eq!(error.problems()[2].pointer, "/name");
}

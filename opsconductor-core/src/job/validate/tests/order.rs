//! What a step waits for, and what it reads of the steps before it.

use super::{KINDS, assert_faults, exec, of_steps};
use crate::job::JobSpec;

/// For each step those that it waits for.
fn waits(steps: &[String]) -> Vec<Vec<u32>> {
    let job = JobSpec::parse(&of_steps(&steps.join(","))).unwrap().validate(&KINDS).unwrap();
    job.steps().iter().map(|step| step.waits_for().to_vec()).collect()
}

fn step(id: &str, more: &str) -> String {
    exec(&format!(r#", "id": "{id}", "command": "c"{more}"#))
}

/// A step on the targets with the tag `web`.
fn web(id: &str, more: &str) -> String {
    step(id, more).replace(r#""target": "t""#, r#""targets": {"tags": ["web"]}"#)
}

fn holds(steps: &[String]) {
    let found = JobSpec::parse(&of_steps(&steps.join(","))).unwrap().validate(&KINDS);
    assert!(found.is_ok(), "{:?}", found.map_err(|error| error.problems().to_vec()));
}

#[test]
fn a_step_waits_for_the_one_before_unless_it_says_otherwise() {
    let steps = [
        step("a", ""),
        step("b", ""),
        step("c", r#", "dependsOn": ["a"]"#),
        step("d", r#", "dependsOn": []"#),
        step("e", r#", "dependsOn": ["b", "c", "f"]"#),
        step("f", r#", "dependsOn": ["d"]"#),
    ];
    assert_eq!(waits(&steps), [vec![], vec![0], vec![0], vec![], vec![1, 2, 5], vec![3]]);
}

#[test]
fn what_a_step_cannot_wait_for_is_named() {
    assert_faults(
        &of_steps(
            &[step("build", ""), step("b", r#", "dependsOn": ["biuld", "build", "build", "step9"]"#)]
                .join(","),
        ),
        &[
            ("/steps/1/dependsOn/0", "there is no step `biuld`; did you mean `build`?"),
            ("/steps/1/dependsOn/2", "`build` is named twice"),
            ("/steps/1/dependsOn/3", "there is no step `step9`"),
        ],
    );
    assert_faults(
        &of_steps(&step("a", r#", "dependsOn": ["a"]"#)),
        &[("/steps/0/dependsOn", "`a` waits for itself")],
    );
    let circle = [
        step("a", ""),
        step("b", r#", "dependsOn": ["d"]"#),
        step("c", ""),
        step("d", r#", "dependsOn": ["c", "a"]"#),
    ];
    assert_faults(
        &of_steps(&circle.join(",")),
        &[("/steps/1/dependsOn", "`b`, `d` and `c` wait for each other, so none can begin")],
    );
}

#[test]
fn the_output_of_a_step_is_read_where_it_has_ended() {
    let read = |of: &str| format!(r#", "when": "steps.{of}.exitCode == 0""#);
    holds(&[web("a", ""), web("b", ""), web("c", &read("a"))]);
    holds(&[step("a", ""), web("b", &read("a"))]);
    holds(&[web("a", r#", "register": "first""#), web("b", r#", "when": "first.json.ok""#)]);
    assert_faults(
        &of_steps(
            &[
                step("a", &read("b")),
                step("b", &read("b")),
                step("c", r#", "dependsOn": ["a"], "when": "steps.b.stdout""#),
                step("d", r#", "when": "steps.nobody.stdout""#),
                step("e", r#", "when": "steps.d.output""#),
                step("f", r#", "when": "steps | length""#),
            ]
            .join(","),
        ),
        &[
            (
                "/steps/0/when",
                "`b` has not always ended when this step begins, so `b` cannot be read here: name it in `dependsOn`",
            ),
            (
                "/steps/1/when",
                "`b` has not always ended when this step begins, so `b` cannot be read here: name it in `dependsOn`",
            ),
            (
                "/steps/2/when",
                "`b` has not always ended when this step begins, so `b` cannot be read here: name it in `dependsOn`",
            ),
            ("/steps/3/when", "there is no step `nobody`"),
            (
                "/steps/4/when",
                "`steps.d` has no `output`, only `stdout`, `stderr`, `exitCode`, `status` and `json`",
            ),
            ("/steps/5/when", "`steps` is read by the id of a step, such as `steps.check.stdout`"),
        ],
    );
}

#[test]
fn an_output_belongs_to_the_same_target_or_to_the_only_one() {
    assert_faults(
        &of_steps(&[web("a", ""), step("b", r#", "when": "steps.a.stdout == 'x'""#)].join(",")),
        &[(
            "/steps/1/when",
            "`a` acts on other targets than this step, so it is not said whose output `a` is: let both act on the same \
             `targets`, or the earlier one on a single target",
        )],
    );
}

#[test]
fn a_registered_name_is_read_by_later_steps_and_is_nobody_elses() {
    let steps = [
        step("a", r#", "register": "disk""#),
        step("b", r#", "register": "disk""#),
        step("c", r#", "register": "svc""#),
        step("d", r#", "when": "disk.free > 3""#),
        step("e", r#", "register": "run""#),
    ];
    let definition =
        of_steps(&steps.join(",")).replace(r#""version": 1"#, r#""version": 1, "parameters": {"svc": 1}"#);
    assert_faults(
        &definition,
        &[
            ("/steps/1/register", "`disk` is registered by `a` already: names must differ"),
            ("/steps/2/register", "`svc` is a parameter: register another name"),
            (
                "/steps/3/when",
                "`disk` has no `free`, only `stdout`, `stderr`, `exitCode`, `status` and `json`",
            ),
            (
                "/steps/4/register",
                "`target`, `steps` and `run` are what the engine tells templates: register another name",
            ),
        ],
    );
}

#[test]
fn a_condition_is_an_expression_and_makes_parameters_required() {
    let when = |condition: &str| of_steps(&step("a", &format!(r#", "when": "{condition}""#)));
    let job = JobSpec::parse(&when("env == 'prod' and not dry | default(false)")).unwrap();
    assert_eq!(job.validate(&KINDS).unwrap().required_parameters(), ["env"]);
    for (condition, said) in [
        ("env ==", "template syntax"),
        ("{{ env }}", "template syntax"),
        ("env == 'x' %}{% if y", "template syntax"),
        ("env | quote", "quote"),
    ] {
        let error = JobSpec::parse(&when(condition)).unwrap().validate(&KINDS).unwrap_err();
        let [problem] = error.problems() else { panic!("{condition}: {:?}", error.problems()) };
        assert_eq!(problem.pointer, "/steps/0/when", "{condition}");
        assert!(problem.message.contains(said), "{condition}: {}", problem.message);
    }
}

#[test]
fn a_long_chain_is_looked_through_in_time() {
    let steps: Vec<String> = (0..1000)
        .map(|n| {
            let read =
                if n == 0 { String::new() } else { r#", "when": "steps.s0.exitCode == 0""#.to_owned() };
            step(&format!("s{n}"), &read)
        })
        .collect();
    holds(&steps);
}

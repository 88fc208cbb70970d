//! Values: `parameters`, `parameterSchema`, `register` and the output of earlier steps, `allowRaw`.

use opsconductor_core::{
    ErrorKind, JobSpec,
    run::{
        RunStatus,
        TaskStatus::{Failed, Succeeded},
    },
};
use opsconductor_tests::fleet::object;
use serde_json::json;

use crate::scene::{on_both, statuses};

/// What a shell would act on if it came unquoted.
const HOSTILE: &str = "it's \"so\" $(id) `id` %PATH% & | < > ; -x";

#[tokio::test]
pub(crate) async fn the_output_of_a_step_is_read_by_those_after_it() {
    on_both(async |scene, side| {
        let script = side.all(&[
            side.print(r#"{"major": 7, "name": "seven up"}"#),
            side.dialect.print_error("oops"),
            side.dialect.exit(3),
        ]);
        let steps = json!([
            side.exec(json!({"id": "check", "script": script, "register": "said", "continueOnError": true})),
            side.exec(json!({"id": "short", "target": side.hosts[1],
                "command": "echo {{ said.json.major + 1 }} {{ said.exitCode }} {{ said.status }} {{ steps.check.stderr | quote }}"})),
            side.exec(json!({"id": "long", "target": side.hosts[2],
                "command": "echo {{ steps.check.json.name | quote }} {{ steps.check.stdout | quote }}"})),
        ]);
        let result = scene.good(side.job("outputs", json!({"steps": steps})), json!({})).await;
        assert_eq!(statuses(&result), [Failed, Succeeded, Succeeded]);
        let words: Vec<_> = result.steps[1].stdout.split_whitespace().collect();
        assert_eq!(words, ["8", "3", "failed", "oops"]);
        let text = result.steps[2].stdout.replace("\r\n", " ").replace('\n', " ");
        assert_eq!(text.trim(), r#"seven up {"major": 7, "name": "seven up"}"#);
    })
    .await;
}

#[tokio::test]
pub(crate) async fn a_step_reads_the_output_of_its_own_target() {
    on_both(async |scene, side| {
        let steps = json!([
            side.exec(json!({"id": "who", "targets": side.hosts, "command": "echo {{ target.name }}"})),
            side.exec(json!({"targets": side.hosts, "command": "echo {{ steps.who.stdout }}-{{ run.version }}-{{ target.port }}"})),
        ]);
        let result = scene.good(side.job("own", json!({"steps": steps})), json!({})).await;
        for (task, host) in result.steps[3..].iter().zip(&side.hosts) {
            assert!(task.stdout.starts_with(&format!("{host}-1-")), "{}", task.stdout);
        }
    })
    .await;
}

#[tokio::test]
pub(crate) async fn parameters_have_defaults_and_a_schema_and_a_run_must_fit() {
    on_both(async |scene, side| {
        let command = "echo {{ service }} {{ count }} {{ level }}";
        let job = side.job(
            "parameters",
            json!({
                "parameters": {"service": "Spooler"},
                "parameterSchema": {
                    "properties": {"service": {"type": "string"}, "count": {"type": "integer", "maximum": 20, "default": 2},
                                   "level": {"enum": ["low", "high"]}},
                    "required": ["level"], "additionalProperties": false
                },
                "steps": [side.exec(json!({"command": command}))]
            }),
        );
        let result = scene.good(job, json!({"level": "low"})).await;
        assert_eq!(result.steps[0].stdout.split_whitespace().collect::<Vec<_>>(), ["Spooler", "2", "low"]);
        for (given, at) in [
            (json!({}), ""),
            (json!({"level": "middle"}), "/level"),
            (json!({"level": "low", "count": 21}), "/count"),
            (json!({"level": "low", "colour": "red"}), "/colour"),
        ] {
            let run = scene.ops.jobs().run(&side.name("parameters"), object(given.clone()), Default::default()).await;
            let error = run.err().unwrap_or_else(|| panic!("{given} fits"));
            assert_eq!(error.kind(), ErrorKind::InvalidParameters);
            assert_eq!(error.problems()[0].pointer, at, "{given}: {:?}", error.problems());
        }
    })
    .await;
}

#[tokio::test]
pub(crate) async fn a_value_that_is_not_plain_is_quoted_or_stops_the_step() {
    on_both(async |scene, side| {
        let plain = side.exec(json!({"command": "echo {{ word }}"}));
        let result = scene.run(side.job("plain", json!({"steps": [plain]})), json!({"word": HOSTILE})).await;
        assert_eq!((result.status, result.steps[0].exit_code), (RunStatus::Failed, None), "nothing was sent");
        let reason = result.steps[0].error.as_deref().unwrap();
        assert!(reason.contains("word") && !reason.contains("PATH"), "{reason}");
        let quoted = side.exec(json!({"command": "echo {{ word | quote }}"}));
        let result =
            scene.good(side.job("quoted", json!({"steps": [quoted]})), json!({"word": HOSTILE})).await;
        assert_eq!(result.steps[0].stdout.trim(), HOSTILE);
    })
    .await;
}

#[tokio::test]
pub(crate) async fn a_raw_value_is_sent_as_it_is_where_the_job_allows_that() {
    on_both(async |scene, side| {
        let step = side.exec(json!({"command": "{{ line | raw }}"}));
        let refused = side.job("refused", json!({"steps": [step]}));
        let error = scene.ops.jobs().create(&JobSpec::from_value(refused)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidJob);
        assert_eq!(error.problems()[0].pointer, "/steps/0/command");
        let line = side.all(&[side.print("one"), side.print("two; three")]);
        let job = side.job("raw", json!({"allowRaw": true, "steps": [step]}));
        let result = scene.good(job, json!({"line": line})).await;
        assert_eq!(result.steps[0].stdout.lines().collect::<Vec<_>>(), ["one", "two; three"]);
    })
    .await;
}

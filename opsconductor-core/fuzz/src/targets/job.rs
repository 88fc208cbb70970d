//! Job definitions, and the templates in them.

use opsconductor_core::{
    JobSpec,
    job::StepKinds,
    template::{Condition, Sink, Template, TemplateOptions, is_plain},
};
use serde_json::{Map, Value};

use super::{Target, seeds_of, text};
use crate::random::Random;

const WORDS: &[&str] = &[
    "{{",
    "}}",
    "{%",
    "%}",
    "{#",
    "#}",
    "| quote",
    "| raw",
    "| default('x')",
    "if",
    "else",
    "endif",
    "for i in range(9)",
    "endfor",
    "set x = ",
    "not ",
    "- ",
    "x + x",
    "x * 2",
    "~",
    "'",
    "\"",
    "$(",
    "`",
    "\\",
    "\n",
    "^",
    "%",
    "<<EOF",
    "((",
    "[[",
    "steps.a.stdout",
    "| join(',')",
    "is defined",
    "\u{2019}",
];

/// A value that is code wherever it stands unquoted.
const HOSTILE: &str = "x'; \"$(id)`id`\u{2019} & | > \n {{ 7 * 7 }}";

/// A template in every sink: what it renders, a hostile value is quoted in or refused.
pub(super) const TEMPLATE: Target = Target {
    name: "template",
    seeds: || {
        seeds_of(&[
            "Restart-Service {{ svc }}; (Get-Service '{{ svc }}').Status",
            "echo {{ x | quote }} \"{{ y }}\" $(date) # {{ z }}",
            "{% for i in range(3) %}{{ i }}{% if not loop.last %},{% endif %}{% endfor %}",
            r#"{"a": {{ x | quote }}, "b": [{{ y }}]}"#,
            "https://host/{{ x }}?q={{ y | urlencode }}",
            "cat <<EOF\n{{ x }}\nEOF\n",
            "{{ a.b[0] ~ (c or 'd') | upper | trim | replace('x', 'y') }}",
        ])
    },
    words: WORDS,
    check: template,
};

fn template(input: &[u8], _: &mut Random) -> Result<(), String> {
    let source = text(input);
    for sink in Sink::ALL {
        let Ok(template) = Template::compile(&source, sink, TemplateOptions::default()) else { continue };
        for value in ["Spooler", HOSTILE] {
            let values: Map<String, Value> =
                template.names().iter().map(|name| (name.clone(), Value::from(value))).collect();
            // Whether it renders is the template's affair; that it ends is ours.
            let _ = template.render(&values);
        }
        if template.is_literal() && !template.names().is_empty() {
            return Err("it is text alone and reads names".to_owned());
        }
    }
    for sink in Sink::ALL {
        if is_plain(HOSTILE, sink) && sink != Sink::Text {
            return Err(format!("what is hostile is plain in {}", sink.as_str()));
        }
    }
    Ok(())
}

/// The condition of a step.
pub(super) const CONDITION: Target = Target {
    name: "condition",
    seeds: || {
        seeds_of(&[
            "svc == 'Spooler' and steps.check.exitCode != 0",
            "not (a in [1, 2, 'x']) or b is defined",
        ])
    },
    words: WORDS,
    check: |input, _| {
        if let Ok(condition) = Condition::compile(&text(input)) {
            let names = condition.reads().names().iter();
            let values: Map<String, Value> = names.map(|name| (name.clone(), Value::from(1))).collect();
            let _ = condition.holds(&values);
        }
        Ok(())
    },
};

/// A job definition, in JSON and YAML.
pub(super) const DEFINITION: Target = Target {
    name: "definition",
    seeds: || {
        seeds_of(&[
            r#"{"name": "j", "version": 1, "parameters": {"svc": "Spooler"}, "steps": [
                {"type": "winrm.exec", "shell": "powershell", "target": "web-1", "command": "Restart-Service {{ svc }}"},
                {"type": "winrm.copy", "target": "web-1", "destPath": "C:\\temp\\x", "contentB64": "aGVsbG8="}]}"#,
            "name: j\nversion: 1\nparameterSchema:\n  properties:\n    pw: {type: string, secret: true}\nsteps:\n\
             - id: a\n  type: winrm.exec\n  shell: cmd\n  targets: {tags: [role:web]}\n  command: \"echo {{ pw }}\"\n\
             - type: sleep\n  durationSec: 5\n  dependsOn: [a]\n  when: steps.a.exitCode == 0\n",
        ])
    },
    words: &[
        "&a ",
        "*a",
        "<<: ",
        "- ",
        "? ",
        ": ",
        "|\n",
        ">-\n",
        "!!binary ",
        "'",
        "\"",
        "{",
        "[",
        "]",
        "}",
        "\"steps\":",
        "\"version\":",
        "\"dependsOn\":",
        "\"when\":",
        "\"retry\":",
        "\"serial\":",
        "1e400",
        "-1",
        "null",
        "true",
        "{{ x }}",
        "\t",
        "%YAML 1.1\n---\n",
    ],
    check: definition,
};

fn definition(input: &[u8], _: &mut Random) -> Result<(), String> {
    let Ok(spec) = JobSpec::parse(&text(input)) else { return Ok(()) };
    match spec.validate(&StepKinds::built_in()) {
        Ok(job) if job.steps().is_empty() => Err("it holds and has no steps".to_owned()),
        Err(error) if error.problems().is_empty() => Err(format!("no problem is named: {error}")),
        _ => Ok(()),
    }
}

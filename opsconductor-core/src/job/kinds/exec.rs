//! `winrm.exec`: runs a command or a script on a Windows host.

use std::collections::{BTreeMap, HashMap};

use async_trait::async_trait;
use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::{COMMAND_BYTES_MAX, in_a_path};
use crate::{
    Error, ErrorKind, Problem, Result,
    job::{
        place,
        step::{StepContext, StepHandler, StepOutcome, TemplateField},
    },
    template::Sink,
    transport::{ExecRequest, Protocol, Shell},
};

/// A script, which no template touches.
const SCRIPT_BYTES_MAX: usize = 2 * 1024 * 1024;
const ENV_MAX: usize = 100;

/// Runs a command or a script in PowerShell or cmd.
///
/// `command` is a template, quoted for the shell. `script` is sent as it is; parameters reach it through `env`, where no
/// shell reads them. A step fails on an exit code other than 0.
#[derive(Debug, Clone, Copy, Default)]
pub struct WinrmExec;

#[async_trait]
impl StepHandler for WinrmExec {
    fn kind(&self) -> &str {
        "winrm.exec"
    }

    fn schema(&self) -> Value {
        let mut schema = schema("Runs a command or a script on Windows hosts.");
        schema["required"] = json!(["shell"]);
        schema["properties"]["shell"] = json!({"enum": ["powershell", "cmd"], "description": "what runs the command, `powershell` or `cmd`"});
        schema
    }

    fn protocol(&self) -> Option<Protocol> {
        Some(Protocol::Winrm)
    }

    fn templates(&self, fields: &Map<String, Value>) -> Vec<TemplateField> {
        let sink = match shell(fields) {
            Some(Shell::Cmd) => Sink::Cmd,
            Some(Shell::Powershell) => Sink::PowerShell,
            // The shell is itself at fault; whether the template parses can be said all the same.
            Some(Shell::Sh) | None => Sink::Text,
        };
        templates(fields, sink)
    }

    fn exposes(&self, pointer: &str) -> Option<&'static str> {
        in_a_path(pointer)
    }

    fn check(&self, fields: &Map<String, Value>) -> Vec<Problem> {
        let mut problems = check(fields);
        if let Some(Value::Object(env)) = fields.get("env") {
            let mut seen = HashMap::new();
            for name in env.keys() {
                if let Some(first) = seen.insert(name.to_ascii_lowercase(), name) {
                    let message =
                        format!("Windows takes `{name}` and `{first}` for the same variable: keep one");
                    problems.push(Problem::new(place::join("/env", name), message));
                }
            }
        }
        problems
    }

    fn reattachable(&self) -> bool {
        true
    }

    async fn run(&self, context: &mut StepContext<'_>) -> Result<StepOutcome> {
        let shell = shell(context.fields()).ok_or_else(|| unchecked("shell"))?;
        let request = request(context.fields(), shell)?;
        run(context, request).await
    }
}

/// The members that every kind has which runs commands.
pub(super) fn schema(description: &str) -> Value {
    json!({
        "description": description,
        "required": [],
        "oneOf": [{"required": ["command"]}, {"required": ["script"]}],
        "properties": {
            "shell": {},
            "command": {
                "type": "string", "minLength": 1, "maxLength": COMMAND_BYTES_MAX,
                "description": "the command, a template"
            },
            "script": {
                "type": "string", "minLength": 1, "maxLength": SCRIPT_BYTES_MAX,
                "description": "a script, sent as it is; parameters reach it through `env`"
            },
            "env": {
                "type": "object", "maxProperties": ENV_MAX,
                "propertyNames": {
                    "pattern": "^[A-Za-z_][A-Za-z0-9_]{0,127}$",
                    "errorMessage": "an environment variable is named with letters, digits and `_`, and does not \
                                     start with a digit"
                },
                "additionalProperties": {"type": "string", "maxLength": COMMAND_BYTES_MAX},
                "description": "environment variables of the command, each value a template"
            },
            "stdin": {
                "type": "string", "maxLength": COMMAND_BYTES_MAX,
                "description": "standard input of the command, a template"
            },
            "workingDirectory": {
                "type": "string", "minLength": 1, "maxLength": 1024,
                "description": "the directory in which the command starts, a template"
            }
        }
    })
}

/// The templates among them; `sink` is that of the command.
pub(super) fn templates(fields: &Map<String, Value>, sink: Sink) -> Vec<TemplateField> {
    let mut templates = Vec::new();
    for (name, value) in fields {
        match (name.as_str(), value) {
            ("command", _) => templates.push(TemplateField::new("/command", sink)),
            ("stdin" | "workingDirectory", _) => {
                templates.push(TemplateField::new(place::join("", name), Sink::Text));
            }
            ("env", Value::Object(env)) => {
                let field = |name| TemplateField::new(place::join("/env", name), Sink::Text);
                templates.extend(env.keys().map(|name| field(name)));
            }
            _ => {}
        }
    }
    templates
}

/// Faults that every such kind looks for.
pub(super) fn check(fields: &Map<String, Value>) -> Vec<Problem> {
    // The schema counts characters.
    let script = fields.get("script").and_then(Value::as_str);
    let large = script.is_some_and(|script| script.len() > SCRIPT_BYTES_MAX);
    large.then(|| Problem::new("/script", "a script is at most 2 MiB")).into_iter().collect()
}

/// Runs it, and judges it by its exit code.
pub(super) async fn run(context: &mut StepContext<'_>, request: ExecRequest) -> Result<StepOutcome> {
    let shell = request.shell;
    let ended = context.exec(request).await?;
    let outcome = match (ended.exit_code, &ended.signal) {
        (_, Some(signal)) => StepOutcome::failed(format!("the command was ended by the signal {signal}")),
        (0, None) => StepOutcome::succeeded(),
        (code, None) => StepOutcome::failed(format!("the command ended with exit code {code}")),
    };
    let target = context.target().map(|target| target.name.as_str());
    Ok(outcome
        .with_exit_code(ended.exit_code)
        .with_metric("target", target)
        .with_metric("shell", shell.as_str()))
}

fn shell(fields: &Map<String, Value>) -> Option<Shell> {
    match fields.get("shell")?.as_str()? {
        "powershell" => Some(Shell::Powershell),
        "cmd" => Some(Shell::Cmd),
        _ => None,
    }
}

/// What is asked of the host.
pub(super) fn request(fields: &Map<String, Value>, shell: Shell) -> Result<ExecRequest> {
    let text = |name: &str| fields.get(name).and_then(Value::as_str);
    let script = match (text("command"), text("script")) {
        (Some(command), None) if command.len() > COMMAND_BYTES_MAX => {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                format!(
                    "the rendered command has {} bytes, more than {COMMAND_BYTES_MAX}: use `script` and `env`",
                    command.len()
                ),
            ));
        }
        (Some(text), None) | (None, Some(text)) => text,
        _ => return Err(unchecked("command")),
    };
    let mut request = ExecRequest::new(shell, script);
    request.stdin = text("stdin").map(|stdin| Bytes::copy_from_slice(stdin.as_bytes()));
    request.working_directory = text("workingDirectory").map(str::to_owned);
    if let Some(Value::Object(env)) = fields.get("env") {
        let pairs = env.iter().filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())));
        request.env = pairs.collect::<BTreeMap<_, _>>();
    }
    Ok(request)
}

fn unchecked(member: &str) -> Error {
    Error::new(ErrorKind::Internal, "a step reached its handler without having been validated")
        .with("member", member)
}

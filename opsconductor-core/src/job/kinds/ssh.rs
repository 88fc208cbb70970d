//! `ssh.exec`, `ssh.copy` and `ssh.fetch`: what their twins for Windows do, on Unix hosts.

use async_trait::async_trait;
use serde_json::{Map, Value, json};

use super::{copy, exec, fetch, in_a_path};
use crate::{
    Problem, Result,
    job::step::{StepContext, StepHandler, StepOutcome, TemplateField},
    template::Sink,
    transport::{Protocol, Shell, Sudo},
};

/// The longest path that systems know.
const PATH_CHARS_MAX: usize = 4096;

/// Runs a command or a script in the POSIX shell, as the session's user or through `sudo`.
///
/// `command` is a template, quoted for the shell. `script` is sent as it is; parameters reach it through `env`, where no
/// shell reads them. A step fails on an exit code other than 0 and on a signal.
#[derive(Debug, Clone, Copy, Default)]
pub struct SshExec;

#[async_trait]
impl StepHandler for SshExec {
    fn kind(&self) -> &str {
        "ssh.exec"
    }

    fn schema(&self) -> Value {
        let mut schema = exec::schema("Runs a command or a script on Unix hosts.");
        let members = &mut schema["properties"];
        members["shell"] =
            json!({"enum": ["sh"], "default": "sh", "description": "what runs the command, `sh`"});
        members["sudo"] = json!({
            "type": "boolean", "default": false,
            "description": "whether the command runs as another user, through `sudo`, with the credential's password \
                            where it asks for one"
        });
        members["sudoUser"] = json!({
            "type": "string", "maxLength": 64, "default": "root",
            "pattern": "^[A-Za-z0-9_.][A-Za-z0-9_.-]*$",
            "errorMessage": "a user for `sudo` is named with letters, digits, `_`, `.` and `-`",
            "description": "that user"
        });
        schema
    }

    fn protocol(&self) -> Option<Protocol> {
        Some(Protocol::Ssh)
    }

    fn templates(&self, fields: &Map<String, Value>) -> Vec<TemplateField> {
        exec::templates(fields, Sink::Sh)
    }

    fn exposes(&self, pointer: &str) -> Option<&'static str> {
        in_a_path(pointer)
    }

    fn check(&self, fields: &Map<String, Value>) -> Vec<Problem> {
        let mut problems = exec::check(fields);
        if fields.contains_key("sudoUser") && !is_sudo(fields) {
            problems.push(Problem::new("/sudoUser", "belongs to `sudo`, which is not true here"));
        }
        problems
    }

    async fn run(&self, context: &mut StepContext<'_>) -> Result<StepOutcome> {
        let fields = context.fields();
        let mut request = exec::request(fields, Shell::Sh)?;
        request.sudo = is_sudo(fields).then(|| match fields.get("sudoUser").and_then(Value::as_str) {
            Some(user) => Sudo::user(user),
            None => Sudo::default(),
        });
        exec::run(context, request).await
    }
}

fn is_sudo(fields: &Map<String, Value>) -> bool {
    fields.get("sudo").and_then(Value::as_bool).unwrap_or(false)
}

/// Writes files, verified and atomically: from `contentB64` as it is, from `content`, a template, or from `src`, a file or
/// a folder below the folder that the worker lets steps use.
#[derive(Debug, Clone, Copy, Default)]
pub struct SshCopy;

#[async_trait]
impl StepHandler for SshCopy {
    fn kind(&self) -> &str {
        "ssh.copy"
    }

    fn schema(&self) -> Value {
        let mut schema = copy::schema("Writes files on Unix hosts, verified and atomically.", PATH_CHARS_MAX);
        schema["properties"]["mode"] = json!({
            "type": "string", "pattern": "^[0-7]{3,4}$",
            "errorMessage": "a mode is three or four octal digits in quotes, such as \"640\"",
            "description": "the permissions of each file in octal digits; without it a file that is replaced keeps its own"
        });
        schema
    }

    fn protocol(&self) -> Option<Protocol> {
        Some(Protocol::Ssh)
    }

    fn templates(&self, fields: &Map<String, Value>) -> Vec<TemplateField> {
        copy::templates(fields)
    }

    fn exposes(&self, pointer: &str) -> Option<&'static str> {
        in_a_path(pointer)
    }

    fn check(&self, fields: &Map<String, Value>) -> Vec<Problem> {
        copy::check(fields)
    }

    async fn run(&self, context: &mut StepContext<'_>) -> Result<StepOutcome> {
        let mode = context.fields().get("mode").and_then(Value::as_str);
        let mode = mode.and_then(|mode| u32::from_str_radix(mode, 8).ok());
        copy::run(context, mode).await
    }
}

/// Brings one file, verified and atomically, to the worker's folder for files: to `dest`, or else under its own name, in
/// either case below a folder with the target's name, so that no target's file takes the place of another's.
#[derive(Debug, Clone, Copy, Default)]
pub struct SshFetch;

#[async_trait]
impl StepHandler for SshFetch {
    fn kind(&self) -> &str {
        "ssh.fetch"
    }

    fn schema(&self) -> Value {
        fetch::schema("Brings a file of Unix hosts to the worker, verified and atomically.", PATH_CHARS_MAX)
    }

    fn protocol(&self) -> Option<Protocol> {
        Some(Protocol::Ssh)
    }

    fn templates(&self, fields: &Map<String, Value>) -> Vec<TemplateField> {
        fetch::templates(fields)
    }

    fn exposes(&self, pointer: &str) -> Option<&'static str> {
        in_a_path(pointer)
    }

    fn check(&self, fields: &Map<String, Value>) -> Vec<Problem> {
        fetch::check(fields)
    }

    async fn run(&self, context: &mut StepContext<'_>) -> Result<StepOutcome> {
        fetch::run(context).await
    }
}

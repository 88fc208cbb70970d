//! The demo's two jobs: the service restart that OpsConductor began with, and a copy that is read back.

use opsconductor_core::{Error, ErrorKind, engine::Scoped, job::JobSpec};
use serde_json::{Map, Value, json};

const RESTART: &str = r#"
name: Sample Windows Service Restart
version: 1
parameters:
  svc: Spooler
steps:
  - type: winrm.exec
    id: restart
    shell: powershell
    targets: {tags: ["environment:demo"]}
    command: "Restart-Service {{ svc }}; (Get-Service {{ svc }}).Status"
    timeoutSec: 90
"#;

const COPY: &str = r#"
name: Sample copy, read back
version: 1
parameters:
  name: hello
steps:
  - type: winrm.copy
    id: write
    targets: {tags: ["environment:demo"]}
    destPath: "C:\\temp\\{{ name }}.txt"
    content: "Hello from {{ run.job }} to {{ target.name }}"
    timeoutSec: 60
  - type: winrm.exec
    id: read
    shell: powershell
    targets: {tags: ["environment:demo"]}
    command: "Get-Content -Raw C:\\temp\\{{ name }}.txt"
    timeoutSec: 60
"#;

/// The jobs in the order in which they run, with their parameters.
pub(super) fn to_run() -> [(&'static str, Map<String, Value>); 2] {
    let with = |value: Value| value.as_object().cloned().unwrap_or_default();
    [
        ("Sample Windows Service Restart", with(json!({"svc": "Spooler"}))),
        ("Sample copy, read back", with(json!({"name": "hello"}))),
    ]
}

/// Saves the jobs, unless an earlier start did.
pub(super) async fn save(ops: &Scoped) -> Result<(), Error> {
    for text in [RESTART, COPY] {
        match ops.jobs().create(&JobSpec::parse(text)?).await {
            Err(error) if error.kind() == ErrorKind::Conflict => {}
            created => drop(created?),
        }
    }
    Ok(())
}

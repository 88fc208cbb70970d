#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::{sync::Mutex, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::{
    ErrorKind, Result,
    id::{CredentialId, RunId, TargetId},
    job::{StepContext, StepOutcome, StepTemplates, WorkerFiles, reserved},
    run::plan::{PlannedTarget, RunPlan},
    template::TemplateOptions,
    transport::{
        Control, CopyOutcome, CopyRequest, CopySource, CopyStatus, ExecOutcome, ExecRequest, FetchOutcome,
        FetchRequest, FileSource, Observer, Protocol, RemoteHandle, Session, Shell, Stream,
    },
};

/// A host that writes down what it is asked.
#[derive(Default)]
struct Host {
    exit_code: i64,
    ran: Mutex<Vec<ExecRequest>>,
    written: Mutex<Vec<CopyRequest>>,
}

struct Connected<'h>(&'h Host);

fn content(request: &CopyRequest) -> &[u8] {
    match &request.source {
        CopySource::One(FileSource::Bytes(bytes)) => bytes,
        CopySource::Many(_) => b"many",
        other => panic!("not a content in memory: {other:?}"),
    }
}

#[async_trait]
impl Session for Connected<'_> {
    async fn exec(&mut self, request: ExecRequest, _: &mut dyn Observer, _: &Control) -> Result<ExecOutcome> {
        self.0.ran.lock().unwrap().push(request);
        Ok(ExecOutcome::new(self.0.exit_code))
    }

    async fn copy(&mut self, request: CopyRequest, _: &mut dyn Observer, _: &Control) -> Result<CopyOutcome> {
        let length = content(&request).len() as u64;
        self.0.written.lock().unwrap().push(request);
        Ok(CopyOutcome::one(CopyStatus::Copied, length, "5e".to_owned()))
    }

    async fn fetch(
        &mut self,
        request: FetchRequest,
        _: &mut dyn Observer,
        _: &Control,
    ) -> Result<FetchOutcome> {
        std::fs::write(&request.dest, "brought").unwrap();
        assert_eq!((request.overwrite, request.bytes_max), (false, 9));
        Ok(FetchOutcome::new(7, "f0".to_owned()))
    }

    async fn close(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}

struct Deaf;

#[async_trait]
impl Observer for Deaf {
    async fn dispatching(&mut self, _: &RemoteHandle) -> Result<()> {
        Ok(())
    }

    async fn output(&mut self, _: Stream, _: Bytes) -> Result<()> {
        Ok(())
    }
}

fn target() -> PlannedTarget {
    PlannedTarget {
        id: TargetId::new(1),
        name: "web1".to_owned(),
        hostname: "web1.example".to_owned(),
        protocol: Protocol::Winrm,
        port: 5985,
        credential_ref: Some(CredentialId::new(1)),
        tags: vec!["role:web".to_owned()],
        metadata: Map::new(),
    }
}

/// Renders `fields` as a worker does, with `parameters`, and runs the step on `host`.
async fn run(
    handler: &dyn StepHandler,
    host: &Host,
    fields: Value,
    parameters: Value,
) -> Result<StepOutcome> {
    run_with(handler, host, fields, parameters, None).await
}

async fn run_with(
    handler: &dyn StepHandler,
    host: &Host,
    fields: Value,
    parameters: Value,
    files: Option<&WorkerFiles>,
) -> Result<StepOutcome> {
    let (Value::Object(fields), Value::Object(parameters)) = (fields, parameters) else { panic!("objects") };
    assert!(handler.check(&fields).is_empty());
    let templates = StepTemplates::compile(handler, &fields, TemplateOptions::default()).unwrap();
    let target = target();
    let plan = RunPlan {
        job_name: "Job".to_owned(),
        job_version: 2,
        parameters,
        secrets: Vec::new(),
        targets: vec![target.clone()],
        steps: Vec::new(),
        earlier: Vec::new(),
        timeout_sec: None,
        max_parallel: None,
        notify: Default::default(),
    };
    let values = reserved::template_values(RunId::new(7), &plan, Some(&target));
    let rendered = templates.render(&fields, &values)?;
    let (mut session, mut observer) = (Connected(host), Deaf);
    let mut context = StepContext::new(
        rendered,
        Some(&target),
        Some(&mut session),
        &mut observer,
        Duration::from_secs(5),
        CancellationToken::new(),
    )
    .with_files(files);
    handler.run(&mut context).await
}

#[tokio::test]
async fn a_command_is_rendered_and_its_exit_code_decides() {
    let host = Host::default();
    let fields = json!({
        "shell": "powershell", "command": "Restart-Service {{ svc | quote }} # {{ run.id }} {{ target.port }}",
        "env": {"NAME": "{{ svc }}"}, "stdin": "{{ target.hostname }}", "workingDirectory": "C:\\{{ run.version }}"
    });
    let outcome = run(&WinrmExec, &host, fields, json!({"svc": "O'Brien"})).await.unwrap();
    assert!(outcome.succeeded);
    assert_eq!((outcome.exit_code, outcome.reason), (Some(0), None));
    assert_eq!(Value::Object(outcome.metrics), json!({"target": "web1", "shell": "powershell"}));
    let ran = host.ran.lock().unwrap();
    assert_eq!(ran[0].shell, Shell::Powershell);
    assert_eq!(ran[0].script, "Restart-Service 'O''Brien' # 7 5985");
    assert_eq!(ran[0].env["NAME"], "O'Brien");
    assert_eq!(ran[0].stdin.as_deref(), Some(&b"web1.example"[..]));
    assert_eq!(ran[0].working_directory.as_deref(), Some("C:\\2"));
}

#[tokio::test]
async fn an_exit_code_other_than_zero_is_a_failure_and_no_error() {
    let host = Host { exit_code: 3, ..Host::default() };
    let outcome =
        run(&WinrmExec, &host, json!({"shell": "cmd", "command": "exit 3"}), json!({})).await.unwrap();
    assert!(!outcome.succeeded);
    assert_eq!(outcome.exit_code, Some(3));
    assert_eq!(outcome.reason.as_deref(), Some("the command ended with exit code 3"));
    assert_eq!(outcome.metrics["shell"], "cmd");
}

#[tokio::test]
async fn a_script_is_sent_as_it_is() {
    let host = Host::default();
    let script = "Write-Output '{{ not a template }}'\n";
    run(&WinrmExec, &host, json!({"shell": "powershell", "script": script}), json!({})).await.unwrap();
    assert_eq!(host.ran.lock().unwrap()[0].script, script);
}

#[tokio::test]
async fn a_value_that_is_not_plain_stops_the_step_before_anything_is_sent() {
    let host = Host::default();
    let fields = json!({"shell": "powershell", "command": "Stop-Service {{ svc }}"});
    let error = run(&WinrmExec, &host, fields, json!({"svc": "a; b"})).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Template);
    assert!(error.to_string().contains("svc") && error.to_string().contains("/command"), "{error}");
    assert!(!error.to_string().contains("a; b"), "{error}");
    assert!(host.ran.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_command_that_grows_beyond_the_limit_is_not_sent() {
    let host = Host::default();
    let fields = json!({"shell": "powershell", "command": "echo {{ x }}"});
    let error = run(&WinrmExec, &host, fields, json!({"x": "y".repeat(70_000)})).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(host.ran.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_copy_writes_bytes_or_a_rendered_text() {
    let host = Host::default();
    let fields = json!({"destPath": "C:\\{{ n }}.bin", "contentB64": "AP8A\n/w==", "overwrite": false});
    let outcome = run(&WinrmCopy, &host, fields, json!({"n": "a b"})).await.unwrap();
    assert!(outcome.succeeded);
    assert_eq!(
        Value::Object(outcome.metrics),
        json!({"target": "web1", "dest_path": "C:\\a b.bin", "content_size": 4, "status": "copied", "files": 1,
               "files_written": 1, "sha256": "5e"})
    );
    run(&WinrmCopy, &host, json!({"destPath": "x", "content": "{{ n }}!"}), json!({"n": "\u{e9}"}))
        .await
        .unwrap();
    let written = host.written.lock().unwrap();
    assert_eq!((content(&written[0]), written[0].overwrite), (&[0, 255, 0, 255][..], false));
    assert_eq!((content(&written[1]), written[1].overwrite), ("\u{e9}!".as_bytes(), true));
}

#[tokio::test]
async fn a_text_that_grows_beyond_a_mebibyte_is_not_copied() {
    let host = Host::default();
    let fields = json!({"destPath": "x", "content": "{{ n }}{{ n }}"});
    let error = run(&WinrmCopy, &host, fields, json!({"n": "y".repeat(600_000)})).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(host.written.lock().unwrap().is_empty());
}

#[tokio::test]
async fn files_of_the_worker_go_and_come_below_its_folder_alone() {
    let folder = std::env::temp_dir().join(format!("opsconductor-kinds-{}", uuid::Uuid::now_v7().simple()));
    std::fs::create_dir_all(folder.join("site/css")).unwrap();
    std::fs::write(folder.join("site/index.html"), "x").unwrap();
    std::fs::write(folder.join("site/css/a.css"), "y").unwrap();
    let files = WorkerFiles::new(&folder).unwrap();
    let host = Host::default();
    let copy = json!({"destPath": "C:\\site", "src": "{{ which }}"});
    let parameters = json!({"which": "site"});
    run_with(&WinrmCopy, &host, copy.clone(), parameters.clone(), Some(&files)).await.unwrap();
    let CopySource::Many(entries) = host.written.lock().unwrap()[0].source.clone() else {
        panic!("many files")
    };
    assert_eq!(entries.iter().map(|e| e.path.as_str()).collect::<Vec<_>>(), ["css/a.css", "index.html"]);
    let error = run_with(&WinrmCopy, &host, copy.clone(), json!({"which": "../etc"}), Some(&files)).await;
    assert_eq!(error.unwrap_err().kind(), ErrorKind::InvalidInput);
    let error = run(&WinrmCopy, &host, copy, parameters).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("Engine::builder().files"), "{error}");

    let fetch = json!({"srcPath": "C:\\logs\\{{ n }}.log", "overwrite": false, "maxBytes": 9});
    let outcome = run_with(&WinrmFetch, &host, fetch, json!({"n": "app"}), Some(&files)).await.unwrap();
    assert_eq!(
        Value::Object(outcome.metrics),
        json!({"target": "web1", "src_path": "C:\\logs\\app.log", "dest_path": "web1/app.log", "content_size": 7,
               "sha256": "f0"})
    );
    assert_eq!(std::fs::read(folder.join("web1/app.log")).unwrap(), b"brought");
    std::fs::remove_dir_all(folder).unwrap();
}

//! Output of every size and kind, through an engine.

use std::time::{Duration, Instant};

use opsconductor_core::{
    Engine, JobSpec,
    engine::{RunResult, WorkerSettings},
    run::{EventKind, TaskStatus},
    store::memory::MemoryStore,
    target::TargetSpec,
    transport::winrm::WinrmConnector,
    vault::Keyring,
};
use serde_json::{Map, Value, json};
use windows_sim::WindowsHost;

use crate::support::{builder, credential, eventually, host};

const LIMIT: Duration = Duration::from_secs(240);

/// Runs one step on `host`; how it ended, and all that was stored of its output.
async fn through_engine(host: &WindowsHost, step: Value) -> (RunResult, String) {
    let engine = Engine::builder()
        .store(MemoryStore::default())
        .keys(Keyring::generate().unwrap())
        .connector(WinrmConnector::new())
        .build()
        .unwrap();
    let ops = engine.local();
    let admin = ops.credentials().create("admin", &credential()).await.unwrap();
    let address = host.http_addr().unwrap();
    let mut target = TargetSpec::winrm("web-1", address.ip().to_string(), admin.id);
    target.port = address.port();
    ops.targets().create(target).await.unwrap();
    let mut step = step;
    step["type"] = json!("winrm.exec");
    step["target"] = json!("web-1");
    let job = json!({"name": "output", "version": 1, "steps": [step]}).to_string();
    ops.jobs().create(&JobSpec::parse(&job).unwrap()).await.unwrap();
    let worker = engine.worker(WorkerSettings::default()).unwrap();
    let run = ops.jobs().run("output", Map::new(), Default::default()).await.unwrap();
    let result = run.wait(LIMIT).await.unwrap();
    let (mut events, mut text) = (run.events(), String::new());
    while let Some(event) = events.next().await.unwrap() {
        if let EventKind::StepOutput { text: piece, .. } = event.kind {
            text.push_str(&piece);
        }
    }
    worker.shutdown().await;
    engine.close().await;
    assert_eq!(host.counters().shells_open, 0);
    (result, text)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_is_cut_with_a_mark_and_does_not_hold_the_command_up() {
    let host = host().await;
    let line = "0123456789".repeat(10) + "\r\n";
    let size = 100 * 1024 * 1024;
    let mut flood = line.repeat(size / line.len()).into_bytes();
    flood.extend_from_slice(b"the end\r\n");
    host.machine().write_file("C:\\temp\\flood.txt", flood);
    let begun = Instant::now();
    let step = json!({"shell": "cmd", "command": "type C:\\temp\\flood.txt", "maxOutputBytes": 65536, "timeoutSec": 200});
    let (result, stored) = through_engine(&host, step).await;
    let step = &result.steps[0];
    assert_eq!((step.status, step.exit_code), (TaskStatus::Succeeded, Some(0)), "{:?}", step.error);
    let (kept, mark) = stored.split_once("\n[output cut").unwrap();
    assert!(kept.len() == 65536 && mark.contains("65536"), "{} {mark}", kept.len());
    assert!(step.stdout.ends_with("the end\r\n"), "the end of the output is kept with the step");
    eprintln!("100 MiB took {:?}", begun.elapsed());
}

#[tokio::test]
async fn bytes_that_are_no_text_become_text_and_nothing_else_is_lost() {
    let host = builder().output_split(2).start().await.unwrap();
    host.machine()
        .write_file("C:\\temp\\bytes.bin", b"a\x00b\xffc\xc3\xa9d\xe2\x82e\xf0\x9f\xa6\x80f".to_vec());
    let (result, stored) =
        through_engine(&host, json!({"shell": "cmd", "command": "type C:\\temp\\bytes.bin"})).await;
    assert_eq!(result.steps[0].status, TaskStatus::Succeeded, "{result:?}");
    assert_eq!(stored, "a\0b\u{fffd}cé\u{64}\u{fffd}e🦀f");
    assert_eq!(result.steps[0].stdout, stored);
}

#[tokio::test]
async fn a_command_that_never_stops_talking_is_stopped() {
    let host = host().await;
    let step = json!({"shell": "powershell", "command": "while($true){'on and on'}", "timeoutSec": 2, "maxOutputBytes": 4096});
    let (result, stored) = through_engine(&host, step).await;
    let step = &result.steps[0];
    assert_eq!(step.status, TaskStatus::Failed, "{step:?}");
    assert!(step.error.as_ref().unwrap().contains("timeoutSec of 2 s"), "{:?}", step.error);
    assert!(stored.starts_with("on and on") && stored.contains("[output cut"));
    eventually("it runs no more", || host.machine().running_processes() == 0).await;
}

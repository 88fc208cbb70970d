//! A job of 100 steps over 1,000 targets, on its way to a run.

use std::{error::Error, hint::black_box};

use opsconductor_benches::Bench;
use opsconductor_core::{
    Engine, JobSpec,
    clock::Timestamp,
    id::{CredentialId, TargetId},
    job::StepKinds,
    store::memory::MemoryStore,
    target::{Target, TargetSpec},
    vault::{Credential, Keyring},
};
use serde_json::{Map, Value, json};

const STEPS: usize = 100;
const PLAN: &str = "plan.100x1000";
const PREVIEW: &str = "preview.100x1000";

/// `plan.100x1000`: a definition that was read already is validated and becomes the plan of a run. `preview.100x1000`: the same by
/// an engine, which reads the targets from its store, and the command of each of the 100,000 tasks.
pub(crate) fn run(bench: &Bench) -> Result<(), Box<dyn Error>> {
    let targets = if bench.options().is_quick() { 20 } else { 1_000 };
    plan(bench, targets)?;
    preview(bench, targets)
}

fn plan(bench: &Bench, targets: usize) -> Result<(), Box<dyn Error>> {
    let kinds = StepKinds::built_in();
    let spec = JobSpec::from_value(definition());
    let target = |index| Target {
        id: TargetId::new(index as i64 + 1),
        spec: target(index, CredentialId::new(1)),
        created_at: Timestamp::default(),
    };
    let known: Vec<Target> = (0..targets).map(target).collect();
    let planned = spec.validate(&kinds)?.plan(&known, Map::new())?;
    assert_eq!(planned.tasks(false).count(), STEPS * targets);
    bench.time_long(PLAN, |iterations| {
        for _ in 0..iterations {
            let job = black_box(&spec).validate(&kinds);
            let _ = black_box(job.and_then(|job| job.plan(&known, Map::new())));
        }
    })?;
    Ok(())
}

fn preview(bench: &Bench, targets: usize) -> Result<(), Box<dyn Error>> {
    if !bench.options().wants(PREVIEW) {
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let engine = Engine::builder().store(MemoryStore::default()).keys(Keyring::generate()?).build()?;
    let ops = engine.local();
    let spec = JobSpec::from_value(definition());
    runtime.block_on(async {
        let credential = ops.credentials().create("any", &Credential::winrm("ops", "any".into())).await?.id;
        for index in 0..targets {
            ops.targets().create(target(index, credential)).await?;
        }
        let tasks = ops.jobs().plan_of(&spec, Map::new()).await?.tasks;
        assert_eq!(tasks.len(), STEPS * targets);
        Ok::<_, opsconductor_core::Error>(())
    })?;
    bench.time_long(PREVIEW, |iterations| {
        for _ in 0..iterations {
            let _ = black_box(runtime.block_on(ops.jobs().plan_of(black_box(&spec), Map::new())));
        }
    })?;
    Ok(())
}

fn target(index: usize, credential: CredentialId) -> TargetSpec {
    let host = format!("web-{index}.example");
    TargetSpec::winrm(format!("web-{index}"), host, credential).with_tag("role:web").with_tag("env:prod")
}

/// Steps over the same targets, each a little different.
fn definition() -> Value {
    let steps: Vec<Value> = (0..STEPS)
        .map(|step| {
            json!({
                "type": "winrm.exec",
                "shell": "powershell",
                "targets": {"tags": ["role:web"]},
                "command": format!("Restart-Service {{{{ svc }}}} # {step} on {{{{ target.name }}}}"),
            })
        })
        .collect();
    json!({"name": "Restart everywhere", "version": 1, "parameters": {"svc": "Spooler"}, "steps": steps})
}

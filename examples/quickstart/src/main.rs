//! Restarts a service on a Windows host.
#![forbid(unsafe_code)]

use std::{env, time::Duration};

use opsconductor_core::{
    Engine, JobSpec, Result,
    engine::WorkerSettings,
    store::memory::MemoryStore,
    target::TargetSpec,
    transport::winrm::WinrmConnector,
    vault::{Credential, Keyring},
};

#[tokio::main]
async fn main() -> Result<()> {
    let variable = |name: &str| env::var(name).unwrap_or_else(|_| panic!("set {name}"));

    // The parts: where runs are kept, the key that seals credentials, how hosts are reached.
    let engine = Engine::builder()
        .store(MemoryStore::default())
        .keys(Keyring::generate()?)
        .connector(WinrmConnector::new())
        .build()?;
    let ops = engine.local();

    // What to work with: a credential, a host, a job.
    let account = Credential::winrm(variable("WINRM_USER"), variable("WINRM_PASSWORD").into());
    let credential = ops.credentials().create("win-admin", &account).await?;
    ops.targets().create(TargetSpec::winrm("web-1", variable("WINRM_HOST"), credential.id)).await?;
    let job = JobSpec::parse(
        r#"{"name": "Restart a service", "version": 1, "steps": [
            {"type": "winrm.exec", "shell": "powershell", "target": "web-1",
             "command": "Restart-Service {{ svc }}; (Get-Service {{ svc }}).Status"}]}"#,
    )?;
    ops.jobs().create(&job).await?;

    // A worker in this process, a run, its result.
    let worker = engine.worker(WorkerSettings::default())?;
    let parameters = [("svc".to_owned(), "Spooler".into())].into_iter().collect();
    let run = ops.jobs().run("Restart a service", parameters, Default::default()).await?;
    let result = run.wait(Duration::from_secs(60)).await?;
    for step in &result.steps {
        println!("{} {}: {}", step.step, step.status, step.error.as_deref().unwrap_or(&step.stdout));
    }
    worker.shutdown().await;
    engine.close().await;
    Ok(())
}

//! winrm-rs: its `Shell`, reused, and its upload. One line of JSON in, one line out.
#![forbid(unsafe_code)]

use std::{error::Error, io, path::Path, sync::Arc, time::Duration, time::Instant};

use serde_json::{Value, json};
use tokio::{sync::Barrier, task::JoinSet, time::timeout};
use winrm_rs::{Shell, WinrmClient, WinrmConfig, WinrmCredentials};

type Failure = Box<dyn Error + Send + Sync>;

const HOST: &str = "127.0.0.1";
const LIMIT: Duration = Duration::from_secs(60);

fn main() -> Result<(), Failure> {
    let mut line = String::new();
    io::stdin().read_line(&mut line)?;
    let task: Value = serde_json::from_str(&line)?;
    let runtime = tokio::runtime::Runtime::new()?;
    let work = runtime.spawn(async move { perform(&task).await });
    let mut answer = runtime.block_on(work)?.unwrap_or_else(|error| json!({"error": error.to_string()}));
    // The pin in Cargo.toml.
    answer["version"] = json!("2.0.1");
    println!("{answer}");
    Ok(())
}

async fn perform(task: &Value) -> Result<Value, Failure> {
    match task["task"].as_str() {
        Some("noop") => latency(task).await,
        Some("noop_concurrent") => rate(task).await,
        Some("copy") => copy(task).await,
        _ => Err("no task of winrm-rs".into()),
    }
}

fn client(task: &Value) -> Result<WinrmClient, Failure> {
    let text = |name: &str| task[name].as_str().unwrap_or_default().to_owned();
    let port = task["ports"][0].as_u64().ok_or("the task has no host")?;
    let config = WinrmConfig { port: Some(u16::try_from(port)?), ..WinrmConfig::http() };
    Ok(WinrmClient::new(config, WinrmCredentials::new(text("user"), text("password"), ""))?)
}

fn number(task: &Value, name: &str) -> u64 {
    task[name].as_u64().unwrap_or_default()
}

async fn noop(shell: &Shell<'_>) -> Result<(), Failure> {
    let output = shell.run_command("exit", &["0"]).await?;
    if output.exit_code == 0 { Ok(()) } else { Err("a command that does nothing failed".into()) }
}

async fn latency(task: &Value) -> Result<Value, Failure> {
    let client = client(task)?;
    let shell = client.open_shell(HOST).await?;
    for _ in 0..number(task, "warm") {
        noop(&shell).await?;
    }
    let mut times = Vec::new();
    for _ in 0..number(task, "commands") {
        let started = Instant::now();
        noop(&shell).await?;
        times.push(started.elapsed().as_secs_f64() * 1e3);
    }
    shell.close().await?;
    Ok(json!({"ms": times}))
}

async fn rate(task: &Value) -> Result<Value, Failure> {
    let at_once = number(task, "at_once");
    let (warm, each) = (number(task, "warm") / at_once, number(task, "commands") / at_once);
    let ready = Arc::new(Barrier::new(at_once as usize + 1));
    let done = Arc::new(Barrier::new(at_once as usize + 1));
    let mut lanes = JoinSet::new();
    for _ in 0..at_once {
        let (ready, done) = (Arc::clone(&ready), Arc::clone(&done));
        // One client is one pool of connections; its authentication belongs to a connection, hence one client for each.
        let client = client(task)?;
        lanes.spawn(async move {
            let shell = client.open_shell(HOST).await?;
            for _ in 0..warm {
                noop(&shell).await?;
            }
            ready.wait().await;
            for _ in 0..each {
                noop(&shell).await?;
            }
            done.wait().await;
            shell.close().await?;
            Ok::<_, Failure>(())
        });
    }
    let measured = async {
        ready.wait().await;
        let started = Instant::now();
        done.wait().await;
        started.elapsed().as_secs_f64()
    };
    let seconds = tokio::select! {
        seconds = timeout(LIMIT, measured) => seconds.map_err(|_| "it did not end in time")?,
        Some(Ok(Err(error))) = lanes.join_next() => return Err(error),
    };
    while let Some(lane) = lanes.join_next().await {
        lane??;
    }
    Ok(json!({"seconds": seconds}))
}

async fn copy(task: &Value) -> Result<Value, Failure> {
    let client = client(task)?;
    let text = |name: &str| task[name].as_str().unwrap_or_default().to_owned();
    let started = Instant::now();
    let bytes = client.upload_file(HOST, Path::new(&text("file")), &text("destination")).await?;
    Ok(json!({"seconds": started.elapsed().as_secs_f64(), "bytes": bytes}))
}

//! The role of the simulated hosts: a process that serves until its input ends, then says what reached it.

use std::{
    io::{self, Read as _},
    time::Duration,
};

use serde_json::{Value, json};
use windows_sim::WindowsHost;

use crate::{
    Failure,
    protocol::{self, PASSWORD, USER},
};

/// Serves.
pub(crate) fn run() -> Result<(), Failure> {
    let task = protocol::task()?;
    let runtime = tokio::runtime::Runtime::new()?;
    let hosts = runtime.block_on(start(&task))?;
    let address = |host: &WindowsHost| host.http_addr().or(host.https_addr()).map(|address| address.port());
    protocol::answer(&json!({
        "ports": hosts.iter().map(address).collect::<Vec<_>>(),
        "certificate_pem": hosts.first().and_then(WindowsHost::certificate_pem),
    }))?;
    io::stdin().read_to_end(&mut Vec::new())?;
    protocol::answer(&books(&hosts))?;
    Ok(())
}

async fn start(task: &Value) -> Result<Vec<WindowsHost>, Failure> {
    let count = protocol::number(task, "hosts")?;
    let latency = Duration::from_millis(protocol::number(task, "latency_ms")?);
    let mut hosts = Vec::new();
    for index in 1..=count {
        let builder = WindowsHost::builder(format!("SIM-{index}")).user(USER, PASSWORD).latency(latency);
        let builder = match task["https"].as_bool() {
            Some(true) => builder.basic(true).https("127.0.0.1:0"),
            _ => builder.http("127.0.0.1:0"),
        };
        hosts.push(builder.start().await?);
    }
    Ok(hosts)
}

/// What reached all of them together.
fn books(hosts: &[WindowsHost]) -> Value {
    let counters: Vec<_> = hosts.iter().map(WindowsHost::counters).collect();
    let sum = |count: fn(&windows_sim::Counters) -> u64| counters.iter().map(count).sum::<u64>();
    json!({
        "connections": sum(|counters| counters.connections),
        "requests": sum(|counters| counters.requests),
        "commands": sum(|counters| counters.commands),
        "duplicates": sum(|counters| counters.duplicates),
        "plaintext": sum(|counters| counters.plaintext_bodies),
        "shells_open": sum(|counters| counters.shells_open as u64),
    })
}

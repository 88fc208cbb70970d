//! What the program says, as JSON.

use serde_json::{Map, Value, json};
use windows_sim::{Counters, WindowsHost};

/// A host's name, addresses and certificate.
pub(super) fn address(host: &WindowsHost) -> Value {
    let sha256 = host
        .certificate_sha256()
        .map(|hash| hash.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
    json!({
        "name": host.name(),
        "http": host.http_addr(),
        "https": host.https_addr(),
        "certificate_sha256": sha256,
        "certificate_pem": host.certificate_pem(),
    })
}

/// The counters of all hosts together and of each by itself.
pub(super) fn counters(hosts: &[WindowsHost], commands: bool) -> Value {
    let mut total = Map::new();
    let mut each = Vec::with_capacity(hosts.len());
    for host in hosts {
        let mut counters = numbers(&host.counters());
        for (name, number) in &counters {
            let sum = total.get(name).and_then(Value::as_u64).unwrap_or(0) + number.as_u64().unwrap_or(0);
            total.insert(name.clone(), sum.into());
        }
        counters.insert("name".to_owned(), host.name().into());
        counters.insert("logons".to_owned(), logons(&host.counters()));
        counters.insert("faults_left".to_owned(), host.faults().remaining().into());
        if commands {
            let lines: Vec<_> = host.executed().iter().map(|executed| executed.line.to_string()).collect();
            counters.insert("executed".to_owned(), lines.into());
        }
        each.push(Value::Object(counters));
    }
    json!({ "event": "stopped", "total": total, "hosts": each })
}

/// The counters that can be added up.
fn numbers(counters: &Counters) -> Map<String, Value> {
    let sum = |pick: fn(&windows_sim::Logons) -> u64| counters.logons.values().map(pick).sum::<u64>();
    [
        ("connections", counters.connections),
        ("connections_open", counters.connections_open),
        ("bytes_in", counters.bytes_in),
        ("bytes_out", counters.bytes_out),
        ("requests", counters.requests),
        ("messages", counters.messages),
        ("plaintext_bodies", counters.plaintext_bodies),
        ("shells_opened", counters.shells_opened),
        ("shells_open", counters.shells_open as u64),
        ("commands", counters.commands),
        ("duplicates", counters.duplicates),
        ("stdin_bytes", counters.stdin_bytes),
        ("logons_ok", sum(|logons| logons.ok)),
        ("logons_failed", sum(|logons| logons.failed)),
    ]
    .map(|(name, number)| (name.to_owned(), number.into()))
    .into_iter()
    .collect()
}

/// The logons by user.
fn logons(counters: &Counters) -> Value {
    let each = counters.logons.iter().map(|(user, logons)| {
        let logons =
            json!({ "ok": logons.ok, "failed": logons.failed, "failed_in_a_row": logons.failed_in_a_row });
        (user.clone(), logons)
    });
    Value::Object(each.collect())
}

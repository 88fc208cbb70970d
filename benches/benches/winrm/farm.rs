//! The simulated hosts as the harness sees them: a process, the ports it listens on, and its books when it ends.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, ChildStdin, ChildStdout, Stdio},
};

use serde_json::{Value, json};

use crate::{Failure, protocol};

/// How many hosts there are, and how far away.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Shape {
    pub(crate) hosts: u64,
    pub(crate) latency_ms: u64,
    /// HTTPS with Basic instead of sealed HTTP, for the peer that speaks nothing else.
    pub(crate) https: bool,
}

/// What reached the hosts.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Books {
    pub(crate) connections: u64,
    pub(crate) requests: u64,
    pub(crate) commands: u64,
    /// Messages that acted twice.
    pub(crate) duplicates: u64,
    pub(crate) plaintext: u64,
    pub(crate) shells_open: u64,
}

/// Simulated hosts that run.
pub(crate) struct Farm {
    pub(crate) ports: Vec<u64>,
    pub(crate) certificate_pem: Option<String>,
    process: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Farm {
    pub(crate) fn start(shape: Shape) -> Result<Self, Failure> {
        let mut process = protocol::in_role("hosts")?.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let (Some(mut input), Some(output)) = (process.stdin.take(), process.stdout.take()) else {
            return Err("the hosts' process has no pipes".into());
        };
        let task = json!({"hosts": shape.hosts, "latency_ms": shape.latency_ms, "https": shape.https});
        writeln!(input, "{task}")?;
        let mut farm = Self {
            ports: Vec::new(),
            certificate_pem: None,
            process,
            input: Some(input),
            output: BufReader::new(output),
        };
        let said = farm.line()?;
        farm.ports = said["ports"].as_array().into_iter().flatten().filter_map(Value::as_u64).collect();
        farm.certificate_pem = said["certificate_pem"].as_str().map(str::to_owned);
        Ok(farm)
    }

    /// Ends the hosts and reads their books.
    pub(crate) fn end(mut self) -> Result<Books, Failure> {
        drop(self.input.take());
        let said = self.line()?;
        let count = |name: &str| said[name].as_u64().unwrap_or_default();
        Ok(Books {
            connections: count("connections"),
            requests: count("requests"),
            commands: count("commands"),
            duplicates: count("duplicates"),
            plaintext: count("plaintext"),
            shells_open: count("shells_open"),
        })
    }

    fn line(&mut self) -> Result<Value, Failure> {
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        serde_json::from_str(&line).map_err(|_| "the simulated hosts did not start or ended early".into())
    }
}

impl Drop for Farm {
    /// The process ends when its input does, and nothing it does takes long.
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.process.wait();
    }
}

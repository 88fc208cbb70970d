//! One side: hosts of one kind, and how their shell is told things.

use std::{fs, path::PathBuf, sync::Arc, time::Duration};

use opsconductor_core::testing::transport::Dialect;
use serde_json::{Value, json};
use windows_sim::machine::Machine;

use crate::scene::Scene;

/// Hosts of one kind.
pub(crate) struct Side {
    /// `winrm` or `ssh`.
    pub(crate) protocol: &'static str,
    /// Three names of one host.
    pub(crate) hosts: [String; 3],
    /// The name of a host that is away.
    pub(crate) gone: String,
    pub(crate) dialect: Box<dyn Dialect>,
    files: Files,
}

/// Where the files of a host are.
pub(crate) enum Files {
    Windows(Arc<Machine>),
    Unix(PathBuf),
}

impl Side {
    pub(crate) fn new(protocol: &'static str, name: &str, dialect: Box<dyn Dialect>, files: Files) -> Self {
        let hosts = [1, 2, 3].map(|number| format!("{name}-{number}"));
        Self { protocol, hosts, gone: format!("{name}-gone"), dialect, files }
    }

    pub(crate) fn is_windows(&self) -> bool {
        matches!(self.files, Files::Windows(_))
    }

    /// A job of this side with these members.
    pub(crate) fn job(&self, name: &str, members: Value) -> Value {
        with(json!({"name": self.name(name), "version": 1}), members)
    }

    /// The name of such a job.
    pub(crate) fn name(&self, name: &str) -> String {
        format!("{} {name}", self.protocol)
    }

    /// A step of one of this side's kinds, on the first host unless the members say another target.
    pub(crate) fn step(&self, kind: &str, members: Value) -> Value {
        let mut step = with(json!({"type": format!("{}.{kind}", self.protocol)}), members);
        if step.get("target").or(step.get("targets")).is_none() {
            step["target"] = json!(self.hosts[0]);
        }
        step
    }

    /// A step that runs a command.
    pub(crate) fn exec(&self, members: Value) -> Value {
        let mut step = self.step("exec", members);
        if step.get("shell").is_none() {
            step["shell"] = json!(self.dialect.shell().as_str());
        }
        step
    }

    /// Connects, so that the time of what comes next is its own.
    pub(crate) async fn warm(&self, scene: &Scene) {
        scene
            .good(
                self.job("warm", json!({"steps": [self.exec(json!({"script": self.print("up")}))]})),
                json!({}),
            )
            .await;
    }

    /// The path of a file of this test on the host.
    pub(crate) fn path(&self, name: &str) -> String {
        self.dialect.path(name)
    }

    /// Prints a line.
    pub(crate) fn print(&self, line: &str) -> String {
        self.dialect.print(line)
    }

    /// Adds a line to a file.
    pub(crate) fn append(&self, name: &str, line: &str) -> String {
        self.dialect.append(&self.path(name), line)
    }

    /// Says that it has begun, and waits until there is a file.
    pub(crate) fn hold(&self, name: &str) -> String {
        let wait = self.dialect.wait_for(&self.path(name)).unwrap();
        self.all(&[self.print("begun"), wait])
    }

    /// Adds a line to a file, and does something while the file has fewer lines than so many.
    pub(crate) fn at_first(&self, name: &str, lines: usize, then: &str) -> String {
        let path = self.path(name);
        let append = self.append(name, "x");
        let check = if self.is_windows() {
            format!("if (@(Get-Content -LiteralPath '{path}').Count -lt {lines}) {{ {then} }}")
        } else {
            format!("if [ $(wc -l < '{path}') -lt {lines} ]; then {then}; fi")
        };
        self.all(&[append, check, self.print("done")])
    }

    /// Says that it has begun, and is busy for so long.
    pub(crate) fn busy(&self, time: Duration) -> String {
        format!("{}; {}", self.print("begun"), self.dialect.wait(time))
    }

    /// One after the other.
    pub(crate) fn all(&self, parts: &[String]) -> String {
        self.dialect.join(parts)
    }

    /// Makes the file that someone waits for.
    pub(crate) fn open(&self, name: &str) {
        self.write(name, "");
    }

    pub(crate) fn write(&self, name: &str, content: &str) {
        match &self.files {
            Files::Windows(machine) => machine.write_file(&self.path(name), content.as_bytes().to_vec()),
            Files::Unix(folder) => fs::write(folder.join(name), content).unwrap(),
        }
    }

    /// What is in a file; nothing when it is not there.
    pub(crate) fn read(&self, name: &str) -> String {
        let bytes = match &self.files {
            Files::Windows(machine) => machine.read_file(&self.path(name)).unwrap_or_default(),
            Files::Unix(folder) => fs::read(folder.join(name)).unwrap_or_default(),
        };
        String::from_utf8(bytes).unwrap()
    }

    /// The lines of a file.
    pub(crate) fn lines(&self, name: &str) -> Vec<String> {
        self.read(name).lines().map(str::to_owned).collect()
    }
}

/// An object with more members.
pub(crate) fn with(object: Value, more: Value) -> Value {
    let (Value::Object(mut members), Value::Object(more)) = (object, more) else { panic!("objects") };
    members.extend(more);
    Value::Object(members)
}

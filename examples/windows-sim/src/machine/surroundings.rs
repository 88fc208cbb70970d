//! What a program finds around it: variables, folder, account and streams.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::mpsc;

use super::Machine;
use super::codepage;
use super::io::{Sink, Stdin};
use super::process::{SpawnRequest, StreamName};
use super::vfs::full_path;

/// Environment variables: names without regard to case, in the order of their names. A clone is shared until it is changed:
/// every process inherits one, few change it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Environment(Arc<Vec<(String, String)>>);

impl Environment {
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }

    pub(crate) fn set(&mut self, name: &str, value: &str) {
        let variables = Arc::make_mut(&mut self.0);
        match variables.iter_mut().find(|(n, _)| n.eq_ignore_ascii_case(name)) {
            Some(entry) => entry.1 = value.to_owned(),
            None => {
                let lower = name.to_lowercase();
                let at = variables.partition_point(|(n, _)| n.to_lowercase() < lower);
                variables.insert(at, (name.to_owned(), value.to_owned()));
            }
        }
    }

    pub(crate) fn remove(&mut self, name: &str) {
        Arc::make_mut(&mut self.0).retain(|(n, _)| !n.eq_ignore_ascii_case(name));
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &(String, String)> {
        self.0.iter()
    }
}

/// What a program finds around it. A clone is what a child inherits.
#[derive(Debug, Clone)]
pub(crate) struct Surroundings {
    pub(crate) machine: Arc<Machine>,
    pub(crate) environment: Environment,
    pub(crate) directory: String,
    pub(crate) user: String,
    pub(crate) code_page: u32,
    /// How many programs above this one wait for it.
    pub(crate) depth: usize,
    pub(crate) stdin: Stdin,
    pub(crate) stdout: Sink,
    pub(crate) stderr: Sink,
}

impl Surroundings {
    pub(crate) fn new(
        machine: &Arc<Machine>,
        request: &SpawnRequest,
        stdin: Stdin,
        output: mpsc::Sender<(StreamName, Bytes)>,
    ) -> Self {
        let account = request.user.rsplit('\\').next().unwrap_or("Administrator").to_owned();
        let profile = format!("C:\\Users\\{account}");
        let mut environment = machine.log_on(&account, || {
            let mut state = machine.state();
            // The first logon makes the profile; below an existing drive that cannot fail.
            let _made = state.files.create_directory(&format!("{profile}\\AppData\\Local\\Temp"));
            drop(state);
            let mut environment = Environment::default();
            for (name, value) in base_environment(machine.name(), &account, &profile) {
                environment.set(name, &value);
            }
            environment
        });
        for (name, value) in &request.environment {
            environment.set(name, value);
        }
        let wanted = request.working_directory.as_deref().map(|d| full_path(&profile, d));
        let directory = wanted.filter(|d| machine.state().files.is_directory(d)).unwrap_or(profile);
        let code_page = if codepage::is_known(request.code_page) { request.code_page } else { 437 };
        Self {
            machine: machine.clone(),
            environment,
            directory,
            user: request.user.clone(),
            code_page,
            depth: 0,
            stdin,
            stdout: Sink::Parent(StreamName::Stdout, output.clone()),
            stderr: Sink::Parent(StreamName::Stderr, output),
        }
    }

    /// Writes text to standard output in the console's code page.
    pub(crate) async fn print(&self, text: &str) {
        self.stdout.write(&codepage::encode(self.code_page, text)).await;
    }

    /// Writes text to standard error in the console's code page.
    pub(crate) async fn complain(&self, text: &str) {
        self.stderr.write(&codepage::encode(self.code_page, text)).await;
    }

    /// Standard input to its end, as text.
    pub(crate) async fn input_text(&self) -> String {
        codepage::decode(self.code_page, &self.stdin.read_to_end().await)
    }

    pub(crate) fn full_path(&self, path: &str) -> String {
        full_path(&self.directory, path)
    }

    pub(crate) fn is_administrator(&self) -> bool {
        self.machine.is_administrator(&self.user)
    }
}

fn base_environment(host: &str, account: &str, profile: &str) -> Vec<(&'static str, String)> {
    let mut variables: Vec<(&'static str, String)> = [
        ("ALLUSERSPROFILE", "C:\\ProgramData"),
        ("CommonProgramFiles", "C:\\Program Files\\Common Files"),
        ("ComSpec", "C:\\Windows\\system32\\cmd.exe"),
        ("NUMBER_OF_PROCESSORS", "2"),
        ("OS", "Windows_NT"),
        ("Path", "C:\\Windows\\system32;C:\\Windows;C:\\Windows\\System32\\WindowsPowerShell\\v1.0\\"),
        ("PATHEXT", ".COM;.EXE;.BAT;.CMD;.VBS;.VBE;.JS;.JSE;.WSF;.WSH;.MSC;.CPL"),
        ("PROCESSOR_ARCHITECTURE", "AMD64"),
        ("ProgramData", "C:\\ProgramData"),
        ("ProgramFiles", "C:\\Program Files"),
        ("ProgramFiles(x86)", "C:\\Program Files (x86)"),
        ("ProgramW6432", "C:\\Program Files"),
        ("PROMPT", "$P$G"),
        ("PUBLIC", "C:\\Users\\Public"),
        ("SystemDrive", "C:"),
        ("SystemRoot", "C:\\Windows"),
        ("windir", "C:\\Windows"),
    ]
    .map(|(n, v)| (n, v.to_owned()))
    .into();
    variables.extend([
        ("APPDATA", format!("{profile}\\AppData\\Roaming")),
        ("COMPUTERNAME", host.to_owned()),
        ("LOCALAPPDATA", format!("{profile}\\AppData\\Local")),
        ("TEMP", format!("{profile}\\AppData\\Local\\Temp")),
        ("TMP", format!("{profile}\\AppData\\Local\\Temp")),
        ("USERDOMAIN", host.to_owned()),
        ("USERNAME", account.to_owned()),
        ("USERPROFILE", profile.to_owned()),
    ]);
    variables
}

//! The machine behind the endpoint: files, services, processes, `cmd.exe` and a model of Windows PowerShell 5.1.

mod cmd;
mod codepage;
mod command_line;
mod io;
mod powershell;
mod process;
mod programs;
mod services;
mod surroundings;
mod vfs;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::lines::Lines;
use services::ServiceTable;
use surroundings::Environment;
use vfs::{Vfs, full_path};

pub use process::{
    CONTROL_C_EXIT, Process, ProcessControl, STDIN_PIECE_BYTES, STDIN_PIECES, SpawnRequest, StreamName,
};

/// How many command lines the machine remembers.
const HISTORY_MAX: usize = 100_000;

/// One simulated Windows machine.
#[derive(Debug)]
pub struct Machine {
    name: String,
    state: Mutex<State>,
    /// Account names (without the host) that are no administrators.
    standard_users: Mutex<Vec<String>>,
    history: Mutex<History>,
    /// The variables of each account that has logged on.
    environments: Mutex<HashMap<String, Environment>>,
    processes: Arc<()>,
}

/// The command lines that were started.
#[derive(Debug, Default)]
struct History {
    all: Vec<Arc<str>>,
    lines: Lines,
}

/// What the programs of a machine share.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) files: Vfs,
    pub(crate) services: ServiceTable,
    next_process_id: u32,
}

impl Machine {
    /// A freshly installed machine with this host name: `C:\` with Windows, `C:\Users`, `C:\temp` and its services.
    pub fn new(name: &str) -> Arc<Self> {
        let mut files = Vfs::default();
        files.add_drive("C:\\");
        for directory in [
            "C:\\inetpub\\wwwroot",
            "C:\\PerfLogs",
            "C:\\Program Files\\Common Files",
            "C:\\Program Files (x86)",
            "C:\\ProgramData",
            "C:\\temp",
            "C:\\Users\\Administrator",
            "C:\\Users\\Public",
            "C:\\Windows\\System32\\drivers\\etc",
            "C:\\Windows\\System32\\WindowsPowerShell\\v1.0",
            "C:\\Windows\\Temp",
        ] {
            // A path below a drive that was just added cannot fail.
            let _made = files.create_directory(directory);
        }
        let hosts = "# Copyright (c) 1993-2009 Microsoft Corp.\r\n#\r\n127.0.0.1       localhost\r\n";
        let _written =
            files.write("C:\\Windows\\System32\\drivers\\etc\\hosts", Arc::new(hosts.as_bytes().to_vec()));
        for program in programs::NAMES {
            let path = match *program {
                "powershell" => "C:\\Windows\\System32\\WindowsPowerShell\\v1.0\\powershell.exe".to_owned(),
                other => format!("C:\\Windows\\System32\\{other}.exe"),
            };
            let _written = files.write(&path, Arc::new(b"MZ".to_vec()));
        }
        Arc::new(Self {
            name: name.to_owned(),
            state: Mutex::new(State { files, services: ServiceTable::new(), next_process_id: 4000 }),
            standard_users: Mutex::default(),
            history: Mutex::default(),
            environments: Mutex::default(),
            processes: Arc::new(()),
        })
    }

    /// The host name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Takes the administrator's rights from an account (without the host name); every account has them otherwise.
    pub fn add_standard_user(&self, account: &str) {
        lock(&self.standard_users).push(account.to_owned());
    }

    /// A file's contents, when there is such a file.
    pub fn read_file(&self, path: &str) -> Option<Vec<u8>> {
        let state = self.state();
        let node = state.files.get(&full_path("C:\\", path))?;
        node.data.as_ref().map(|data| data.to_vec())
    }

    /// Writes a file and makes the folders above it.
    pub fn write_file(&self, path: &str, bytes: Vec<u8>) {
        let path = full_path("C:\\", path);
        let mut state = self.state();
        if let Some(above) = vfs::parent(&path) {
            // What stands in the way here is the test's own mistake and shows when it reads the file.
            let _made = state.files.create_directory(&above);
        }
        let _written = state.files.write(&path, Arc::new(bytes));
    }

    /// Lets files grow by so many bytes more, as on a disk that is nearly full; without limit when absent.
    pub fn set_free_space(&self, bytes: Option<u64>) {
        self.state().files.set_free(bytes);
    }

    /// Sets or clears a file's read-only attribute.
    pub fn set_read_only(&self, path: &str, read_only: bool) {
        if let Some(node) = self.state().files.get_mut(&full_path("C:\\", path)) {
            node.read_only = read_only;
        }
    }

    /// Makes a folder and those above it.
    pub fn create_folder(&self, path: &str) {
        // A path that cannot be made shows when the test looks into it.
        let _made = self.state().files.create_directory(&full_path("C:\\", path));
    }

    /// Holds a file open, as a program does that shares it with readers alone, until [`Machine::release`].
    pub fn hold(&self, path: &str) -> Option<u64> {
        let held = vfs::Sharing { read: true, write: false, share_read: true, share_write: false };
        self.state().files.open(&full_path("C:\\", path), held).ok()
    }

    /// Lets go of a file that was held.
    pub fn release(&self, path: &str, handle: u64) {
        self.state().files.close(&full_path("C:\\", path), handle);
    }

    /// The names of what is in a folder, folders first.
    pub fn files(&self, directory: &str) -> Vec<String> {
        let path = full_path("C:\\", directory);
        self.state().files.children(&path).iter().map(|n| n.name().to_owned()).collect()
    }

    /// `Running` or `Stopped`, when there is such a service.
    pub fn service_status(&self, name: &str) -> Option<String> {
        self.state().services.get(name).map(|s| s.state.name().to_owned())
    }

    /// How many processes started by [`Machine::spawn`] have not ended.
    pub fn running_processes(&self) -> usize {
        Arc::strong_count(&self.processes) - 1
    }

    /// Every command line started since boot, in order (the first 100,000).
    pub fn history(&self) -> Vec<Arc<str>> {
        lock(&self.history).all.clone()
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    pub(crate) fn is_administrator(&self, user: &str) -> bool {
        let account = user.rsplit('\\').next().unwrap_or(user);
        !lock(&self.standard_users).iter().any(|s| s.eq_ignore_ascii_case(account))
    }

    /// The variables of an account, which its first logon makes.
    pub(crate) fn log_on(&self, account: &str, first: impl FnOnce() -> Environment) -> Environment {
        if let Some(known) = lock(&self.environments).get(account) {
            return known.clone();
        }
        let environment = first();
        lock(&self.environments).insert(account.to_owned(), environment.clone());
        environment
    }

    pub(crate) fn next_process_id(&self) -> u32 {
        let mut state = self.state();
        state.next_process_id += 4;
        state.next_process_id
    }

    fn remember(&self, line: &str) {
        let mut history = lock(&self.history);
        if history.all.len() < HISTORY_MAX {
            let line = history.lines.share(line);
            history.all.push(line);
        }
    }
}

/// A panic of one process must not take the machine down with it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

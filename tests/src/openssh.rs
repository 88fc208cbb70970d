//! An OpenSSH server of one's own: on a free port of this machine, with its own keys and its own configuration.
//!
//! It needs Debian's `openssh-server` and `openssh-client`. It lets the user in who runs the tests, with a key; that works as
//! root and as any other user. Passwords can be proved only by root, who makes a [`User`] for them: a server that is not
//! root's cannot read them.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{Arc, Condvar, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use opsconductor_core::{Secret, transport::Endpoint, vault::credential::Credential};
use serde_json::json;
use tempfile::TempDir;

/// How long the server may take to listen.
const START: Duration = Duration::from_secs(60);

/// After how long without a new line the log is taken to be complete.
const QUIET: Duration = Duration::from_millis(150);

/// A running server. It ends when this is dropped, or with the process.
pub struct OpenSsh {
    folder: TempDir,
    port: u16,
    log: Arc<Log>,
    shell: Child,
    /// The server ends when this is closed.
    _stdin: Option<ChildStdin>,
}

#[derive(Default)]
struct Log {
    lines: Mutex<Vec<String>>,
    grown: Condvar,
}

impl OpenSsh {
    /// Starts one with the key of the user who runs the tests, and `more` lines of configuration in front. In them `@` is
    /// the server's folder.
    ///
    /// # Panics
    ///
    /// Without OpenSSH, with the line that installs it.
    pub fn start(more: &[&str]) -> Self {
        let sshd = program("sshd", "openssh-server");
        // A server with the user's rights alone reads what any of these folders holds.
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path();
        fs::create_dir(path.join("files")).expect("a folder");
        fs::create_dir(path.join("home")).expect("a folder");
        keygen(&path.join("host_ed25519"), &["-t", "ed25519"]);
        keygen(&path.join("user"), &["-t", "ed25519"]);
        keygen(&path.join("other"), &["-t", "ed25519"]);
        fs::copy(path.join("user.pub"), path.join("authorized_keys")).expect("a file");
        if rustix::process::geteuid().is_root() {
            // Debian makes it when the service starts.
            fs::create_dir_all("/run/sshd").expect("/run/sshd");
            // Users without rights read the keys that let them in.
            let open = <fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o755);
            fs::set_permissions(path, open).expect("permissions");
        }
        let at = path.display().to_string();
        // The port is free now, and nobody else is likely to take it at once.
        let port =
            TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a free port").port();
        let mut config: Vec<String> = more.iter().map(|line| line.replace('@', &at)).collect();
        config.extend([
            format!("Port {port}"),
            "ListenAddress 127.0.0.1".to_owned(),
            format!("HostKey {at}/host_ed25519"),
            "PidFile none".to_owned(),
            "StrictModes no".to_owned(),
            "UsePAM no".to_owned(),
            format!("AuthorizedKeysFile {at}/authorized_keys"),
            "PasswordAuthentication no".to_owned(),
            "KbdInteractiveAuthentication no".to_owned(),
            "PermitRootLogin yes".to_owned(),
            "LogLevel VERBOSE".to_owned(),
            "Subsystem sftp internal-sftp".to_owned(),
            // What a shell of this machine reads when it starts is not what is tested, and can take longer than all else.
            format!("SetEnv OPSCONDUCTOR_SUITE={} HOME={at}/home", mark(path)),
            "MaxStartups 100".to_owned(),
        ]);
        fs::write(path.join("sshd_config"), config.join("\n") + "\n").expect("a file");
        // The shell ends the server when its input ends, as it does with the tests however they end.
        let script = "\"$1\" -D -e -f \"$2\" </dev/null & p=$!; read x; kill $p; wait $p";
        let mut shell = Command::new("/bin/sh")
            .args(["-c", script, "sh"])
            .arg(sshd)
            .arg(path.join("sshd_config"))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("a shell");
        let log = Arc::<Log>::default();
        let (stderr, stdin) = (shell.stderr.take().expect("its standard error"), shell.stdin.take());
        let writing = Arc::clone(&log);
        thread::spawn(move || {
            for line in BufReader::new(stderr).split(b'\n').map_while(Result::ok) {
                let line = String::from_utf8_lossy(&line).trim_end().to_owned();
                writing.lines.lock().unwrap_or_else(PoisonError::into_inner).push(line);
                writing.grown.notify_all();
            }
        });
        let server = Self { folder, port, log, shell, _stdin: stdin };
        assert!(server.says("Server listening", START), "sshd did not start: {:?}", server.log());
        server
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The folder of its keys and its configuration; `files` in it is empty at first.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The way to it, with the host's key pinned.
    pub fn endpoint(&self) -> Endpoint {
        let mut endpoint = Endpoint::new("suite-target", "127.0.0.1", self.port);
        let pin = fingerprint(&self.folder().join("host_ed25519.pub"));
        endpoint.metadata.insert("ssh_host_key_sha256".to_owned(), json!(pin));
        endpoint
    }

    /// The credential of the user who runs the tests.
    pub fn credential(&self) -> Credential {
        self.credential_of("user", None)
    }

    /// The same with a private key of the server's folder.
    pub fn credential_of(&self, key: &str, passphrase: Option<&str>) -> Credential {
        Credential::Ssh {
            username: me(),
            password: None,
            private_key: Some(Secret::from(self.read(key))),
            passphrase: passphrase.map(Secret::from),
            certificate: None,
        }
    }

    /// A file of the server's folder.
    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.folder().join(name)).expect("a file of the server's folder")
    }

    /// What it has written to its log, once that grows no more.
    pub fn log(&self) -> Vec<String> {
        let mut lines = self.log.lines.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let (after, waited) =
                self.log.grown.wait_timeout(lines, QUIET).unwrap_or_else(PoisonError::into_inner);
            lines = after;
            if waited.timed_out() {
                return lines.clone();
            }
        }
    }

    /// How many lines of its log hold `text`.
    pub fn count(&self, text: &str) -> u64 {
        self.log().iter().filter(|line| line.contains(text)).count() as u64
    }

    /// How often a logon failed. Asking what it takes is none.
    pub fn failed_logons(&self) -> u64 {
        self.log()
            .iter()
            .filter(|line| line.starts_with("Failed ") && !line.starts_with("Failed none"))
            .count() as u64
    }

    /// How many processes of commands run now.
    pub fn processes(&self) -> u64 {
        let mark = format!("OPSCONDUCTOR_SUITE={}", mark(self.folder()));
        let Ok(all) = fs::read_dir("/proc") else { return 0 };
        let environments = all.flatten().filter_map(|entry| fs::read(entry.path().join("environ")).ok());
        environments.filter(|env| env.split(|byte| *byte == 0).any(|one| one == mark.as_bytes())).count()
            as u64
    }

    /// Whether its log comes to hold `text` within `limit`.
    pub fn says(&self, text: &str, limit: Duration) -> bool {
        let begun = Instant::now();
        let mut lines = self.log.lines.lock().unwrap_or_else(PoisonError::into_inner);
        while !lines.iter().any(|line| line.contains(text)) {
            let left = limit.saturating_sub(begun.elapsed());
            if left.is_zero() {
                return false;
            }
            lines = self.log.grown.wait_timeout(lines, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }
}

impl Drop for OpenSsh {
    fn drop(&mut self) {
        drop(self._stdin.take());
        // It has been told; nobody is left to hear that it failed.
        let _ = self.shell.wait();
    }
}

/// A user of this machine with a password, for one test. Only root can make one.
pub struct User {
    /// The name.
    pub name: String,
    /// The password.
    pub password: String,
}

impl User {
    /// Makes one.
    ///
    /// # Panics
    ///
    /// For anyone but root, with what to do.
    pub fn create() -> Self {
        assert!(
            rustix::process::geteuid().is_root(),
            "passwords over SSH are proved as root alone: sudo make test (a server of yours cannot read passwords)"
        );
        let random: String = uuid_digits();
        let user = Self { name: format!("oc-{}", &random[..12]), password: format!("pa55 'w\"rd{random}") };
        run(Command::new("useradd").args(["--create-home", "--shell", "/bin/sh", &user.name]), "passwd");
        let mut chpasswd = Command::new("chpasswd").stdin(Stdio::piped()).spawn().expect("chpasswd");
        let line = format!("{}:{}\n", user.name, user.password);
        std::io::Write::write_all(&mut chpasswd.stdin.take().expect("its input"), line.as_bytes())
            .expect("a pipe");
        assert!(chpasswd.wait().expect("chpasswd").success(), "chpasswd failed");
        user
    }

    /// The credential with the password.
    pub fn credential(&self) -> Credential {
        self.credential_with(&self.password)
    }

    /// The same with another password.
    pub fn credential_with(&self, password: &str) -> Credential {
        Credential::Ssh {
            username: self.name.clone(),
            password: Some(Secret::from(password)),
            private_key: None,
            passphrase: None,
            certificate: None,
        }
    }
}

impl Drop for User {
    fn drop(&mut self) {
        // A user that stays has a password that nobody knows any more.
        let _ =
            Command::new("userdel").args(["--remove", "--force", &self.name]).stderr(Stdio::null()).status();
    }
}

/// Makes a key pair without a passphrase, unless `arguments` name one.
///
/// # Panics
///
/// Without ssh-keygen, with the line that installs it.
pub fn keygen(path: &Path, arguments: &[&str]) {
    let mut command = Command::new(program("ssh-keygen", "openssh-client"));
    command.arg("-q").args(arguments).arg("-f").arg(path);
    if !arguments.contains(&"-N") {
        command.args(["-N", ""]);
    }
    run(command.args(["-C", "test"]), "openssh-client");
}

/// The fingerprint of a public key.
///
/// # Panics
///
/// Without ssh-keygen, with the line that installs it.
pub fn fingerprint(public: &Path) -> String {
    let out =
        run(Command::new(program("ssh-keygen", "openssh-client")).arg("-lf").arg(public), "openssh-client");
    out.split_whitespace().nth(1).expect("a fingerprint").to_owned()
}

/// The user who runs the tests.
///
/// # Panics
///
/// Where `id` says nothing.
pub fn me() -> String {
    run(Command::new("id").arg("-un"), "coreutils").trim().to_owned()
}

/// Runs a program that must succeed; what it says.
///
/// # Panics
///
/// When it fails, with what it said, or is not there, with the line that installs `package`.
pub fn run(command: &mut Command, package: &str) -> String {
    let out = command.output();
    let out = out.unwrap_or_else(|error| panic!("{command:?}: {error}; sudo apt-get install {package}"));
    assert!(out.status.success(), "{command:?}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8_lossy(&out.stdout).into_owned()
}

/// The path of a program.
///
/// # Panics
///
/// When it is not there, with the line that installs `package`.
pub fn program(name: &str, package: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    let found = folders.map(|folder| folder.join(name)).find(|path| path.is_file());
    found.unwrap_or_else(|| panic!("there is no {name}: sudo apt-get install {package}"))
}

fn mark(folder: &Path) -> String {
    folder.file_name().unwrap_or_default().to_string_lossy().replace('.', "")
}

fn uuid_digits() -> String {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let key = folder.path().join("random");
    keygen(&key, &["-t", "ed25519"]);
    let digits = fingerprint(&folder.path().join("random.pub"));
    digits.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).skip(6).collect()
}

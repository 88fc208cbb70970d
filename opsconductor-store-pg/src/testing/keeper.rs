//! A shell that keeps a server: it makes the cluster in a folder of its own, starts the server, stops and starts it when it is
//! told to, waits until whoever started it is gone (its standard input ends, however that came), and puts everything away.

use std::{
    io::{BufRead, BufReader, ErrorKind, Write},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    sync::{Mutex, PoisonError},
};

use super::{Certificate, Disk};

/// The role that `initdb` makes.
pub(super) const ADMIN: &str = "admin";

/// The account that runs the server where we are root, which PostgreSQL refuses to run as.
const ACCOUNT: &str = "postgres";

const INSTALL: &str = "PostgreSQL 15 or newer is missing: install it with `apt-get install postgresql`, or name a server to \
                       test on in OPSCONDUCTOR_TEST_PG=postgres://…";

/// `$1` the folder with the programs or an empty word, `$2` the port, `$3`… the server's settings. The password comes by the
/// environment, as do a certificate and its key.
const SCRIPT: &str = r#"
set -eu
programs=${1:+$1/}
port=$2
shift 2
umask 077
server=
folder=$(mktemp -d "${TMPDIR:-/tmp}/opsconductor-pg.XXXXXX")
trap 'exit 130' INT TERM HUP
trap '[ -z "$server" ] || { kill -INT "$server" && wait "$server"; } 2>/dev/null || true; rm -rf "$folder"' EXIT
printf '%s\n' "$PASSWORD" >"$folder/password"
unset PASSWORD
if [ -n "${CERTIFICATE:-}" ]; then
    printf '%s\n' "$CERTIFICATE" >"$folder/server.crt"
    printf '%s\n' "$KEY" >"$folder/server.key"
    unset CERTIFICATE KEY
    set -- "$@" -c ssl=on -c "ssl_cert_file=$folder/server.crt" -c "ssl_key_file=$folder/server.key"
fi
"${programs}initdb" --pgdata="$folder/data" --username=admin --pwfile="$folder/password" --auth=scram-sha-256 --encoding=UTF8 \
    --locale=C --no-sync >"$folder/log" 2>&1 || { cat "$folder/log" >&2; exit 1; }
start() {
    "${programs}postgres" -D "$folder/data" -k "$folder" -p "$port" "$@" >>"$folder/log" 2>&1 </dev/null &
    server=$!
}
start "$@"
echo "$folder"
while read -r order; do
    case $order in
    crash) kill -QUIT "$server" 2>>"$folder/log" || true; wait "$server" || true; server= ;;
    start) [ -n "$server" ] && [ -f "$folder/data/postmaster.pid" ] || start "$@" ;;
    esac
    echo "$order"
done
"#;

/// What a keeper can be told.
#[derive(Debug, Clone, Copy)]
pub(super) enum Order {
    /// End the server at once, as `pg_ctl stop -m immediate` does: it recovers when it is started again.
    Crash,
    /// Start the server, if it does not run.
    Start,
}

/// The shell.
#[derive(Debug)]
pub(super) struct Keeper {
    shell: Child,
    answers: Mutex<BufReader<ChildStdout>>,
    folder: String,
    port: u16,
}

impl Keeper {
    /// Starts one in the folder for temporary files, or in `place`.
    pub(super) fn start(
        password: &str,
        disk: Disk,
        place: Option<&Path>,
        certificate: Option<&Certificate<'_>>,
    ) -> Self {
        let programs = programs().unwrap_or_else(|| panic!("{INSTALL}"));
        // Free now, and taken by nobody else in the moment until the server has it.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut shell = as_account();
        shell.args(["sh", "-c", SCRIPT, "keeper"]).arg(&programs).arg(port.to_string());
        shell.args([
            "-c",
            "listen_addresses=127.0.0.1",
            "-c",
            "max_connections=300",
            "-c",
            "shared_buffers=128MB",
        ]);
        if disk == Disk::Careless {
            shell.args(["-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off"]);
        }
        shell.env("PASSWORD", password).current_dir("/");
        if let Some(Certificate { pem, key_pem }) = certificate {
            shell.env("CERTIFICATE", pem).env("KEY", key_pem);
        }
        if let Some(place) = place {
            shell.env("TMPDIR", place);
        }
        let started = shell.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut shell = match started {
            Ok(shell) => shell,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                panic!("setpriv is missing: install it with `apt-get install util-linux`")
            }
            Err(error) => panic!("no throwaway PostgreSQL can be started: {error}"),
        };
        let mut folder = String::new();
        let mut answers = BufReader::new(shell.stdout.take().unwrap());
        answers.read_line(&mut folder).unwrap();
        let folder = folder.trim_end().to_owned();
        assert!(
            !folder.is_empty(),
            "no throwaway PostgreSQL could be made; is there an account `{ACCOUNT}`? {INSTALL}"
        );
        Self { shell, answers: Mutex::new(answers), folder, port }
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    pub(super) fn folder(&self) -> &str {
        &self.folder
    }

    /// Tells the shell, and returns when it has done it.
    pub(super) fn tell(&self, order: Order) {
        let word = match order {
            Order::Crash => "crash\n",
            Order::Start => "start\n",
        };
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        self.shell.stdin.as_ref().unwrap().write_all(word.as_bytes()).unwrap();
        let mut answer = String::new();
        answers.read_line(&mut answer).unwrap();
        assert_eq!(answer, word, "the keeper of the throwaway PostgreSQL is gone");
    }

    /// What the server wrote, as far as it may be read.
    pub(super) fn log(&self) -> String {
        std::fs::read_to_string(Path::new(&self.folder).join("log")).unwrap_or_default()
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        // The end of its input is the sign.
        drop(self.shell.stdin.take());
        let _ = self.shell.wait();
    }
}

/// The beginning of a command that runs as an account that the server accepts.
fn as_account() -> Command {
    let id = Command::new("id").arg("-u").output();
    let root = id.is_ok_and(|id| id.stdout.trim_ascii() == b"0");
    match root {
        false => Command::new("env"),
        true => {
            let mut command = Command::new("setpriv");
            command.args(["--reuid", ACCOUNT, "--regid", ACCOUNT, "--init-groups", "--"]);
            command
        }
    }
}

/// The folder with the newest programs: on the path (an empty name), or where Debian and Red Hat put them.
fn programs() -> Option<PathBuf> {
    let whole = |folder: &Path| folder.join("initdb").is_file() && folder.join("postgres").is_file();
    let path = std::env::var_os("PATH").unwrap_or_default();
    if std::env::split_paths(&path).any(|folder| whole(&folder)) {
        return Some(PathBuf::new());
    }
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let debian = versions.filter_map(|entry| {
        let version: u32 = entry.file_name().to_str()?.parse().ok()?;
        Some((version, entry.path().join("bin")))
    });
    let newest = debian.filter(|(_, folder)| whole(folder)).max_by_key(|(version, _)| *version);
    newest.map(|(_, folder)| folder)
}

//! Scripts through the machine's own door: what they print and how they end.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use windows_sim::machine::{Machine, SpawnRequest, StreamName};

/// What a process left.
#[derive(Debug)]
struct Ended {
    stdout: String,
    stderr: String,
    code: i32,
}

fn request(command: &str, arguments: &[&str]) -> SpawnRequest {
    SpawnRequest {
        command: command.to_owned(),
        arguments: arguments.iter().map(|a| (*a).to_owned()).collect(),
        skip_cmd_shell: false,
        environment: Vec::new(),
        working_directory: None,
        code_page: 437,
        user: "WEB-1\\ada".to_owned(),
    }
}

async fn run(machine: &Arc<Machine>, request: SpawnRequest, stdin: &[u8]) -> Ended {
    let mut process = machine.spawn(request);
    let sender = process.stdin.take().unwrap();
    let bytes = stdin.to_vec();
    let feeding = tokio::spawn(async move {
        for piece in bytes.chunks(16 * 1024) {
            if sender.send(Bytes::copy_from_slice(piece)).await.is_err() {
                return;
            }
        }
    });
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    while let Some((stream, bytes)) = process.output.recv().await {
        match stream {
            StreamName::Stdout => stdout.extend_from_slice(&bytes),
            StreamName::Stderr => stderr.extend_from_slice(&bytes),
        }
    }
    feeding.await.unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ended { stdout: text(&stdout), stderr: text(&stderr), code: process.exit.await.unwrap() }
}

fn encoded(script: &str) -> String {
    let bytes: Vec<u8> = script.encode_utf16().flat_map(u16::to_le_bytes).collect();
    STANDARD.encode(bytes)
}

async fn cmd(line: &str) -> Ended {
    run(&Machine::new("WEB-1"), request(line, &[]), b"").await
}

async fn powershell_on(machine: &Arc<Machine>, script: &str, stdin: &[u8]) -> Ended {
    let script = format!("$ProgressPreference='SilentlyContinue'\n{script}");
    let arguments =
        ["-NoProfile", "-NonInteractive", "-OutputFormat", "Text", "-EncodedCommand", &encoded(&script)];
    run(machine, request("powershell.exe", &arguments), stdin).await
}

async fn powershell(script: &str) -> Ended {
    powershell_on(&Machine::new("WEB-1"), script, b"").await
}

const BOOTSTRAP: &str = r"$ProgressPreference='SilentlyContinue'
$u=New-Object Text.UTF8Encoding $false
[Console]::OutputEncoding=$u;[Console]::InputEncoding=$u;$OutputEncoding=$u
$o=$ErrorActionPreference
$s=$u.GetString([Convert]::FromBase64String([Console]::In.ReadLine()))
try{ . ([ScriptBlock]::Create($s)) ; exit 0 }catch{ [Console]::Error.WriteLine(($_|Out-String)) ; exit 1 }";

/// A script the way a client sends it: a bootstrap on the command line, the script on standard input.
async fn bootstrapped(machine: &Arc<Machine>, script: &str, stdin: &[u8]) -> Ended {
    let bootstrap = encoded(BOOTSTRAP);
    let arguments =
        ["-NoProfile", "-NonInteractive", "-ExecutionPolicy", "Bypass", "-EncodedCommand", &bootstrap];
    let mut input = STANDARD.encode(script).into_bytes();
    input.push(b'\n');
    input.extend_from_slice(stdin);
    run(machine, request("powershell.exe", &arguments), &input).await
}

#[tokio::test]
async fn a_script_on_stdin_leaves_the_rest_of_stdin_to_the_script() {
    let machine = Machine::new("WEB-1");
    let ended =
        bootstrapped(&machine, "'h\u{e9}'; [Console]::In.ReadLine(); exit 9", b"one\r\ntwo\r\n").await;
    assert_eq!(ended.stdout, "h\u{e9}\r\none\r\n");
    assert_eq!((ended.stderr.as_str(), ended.code), ("", 9));
    assert_eq!(machine.running_processes(), 0);
    assert_eq!(machine.history().len(), 1);
}

#[tokio::test]
async fn an_unknown_command_of_cmd_says_so() {
    let ended = cmd("nosuch arg").await;
    assert_eq!(
        ended.stderr,
        "'nosuch' is not recognized as an internal or external command,\r\noperable program or batch file.\r\n"
    );
    assert_eq!(ended.code, 1);
}

#[tokio::test]
async fn a_service_restarts() {
    let ended = powershell("Restart-Service Spooler; (Get-Service Spooler).Status").await;
    assert_eq!((ended.stdout.as_str(), ended.stderr.as_str(), ended.code), ("Running\r\n", "", 0));
}

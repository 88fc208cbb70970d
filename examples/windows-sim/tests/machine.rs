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

/// Waits, but never for ever.
async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(std::time::Duration::from_secs(60), future).await.expect("within a minute")
}

#[tokio::test]
async fn a_busy_loop_ends_at_once_when_it_is_terminated() {
    let machine = Machine::new("WEB-1");
    for (terminate, code) in [(true, 1), (false, windows_sim::machine::CONTROL_C_EXIT)] {
        let script = encoded("'up'; while($true){}");
        let mut process = machine.spawn(request("powershell", &["-EncodedCommand", &script]));
        while let Some((stream, _)) = soon(process.output.recv()).await {
            if stream == StreamName::Stdout {
                break;
            }
        }
        assert_eq!(machine.running_processes(), 1);
        if terminate {
            process.terminate()
        } else {
            process.interrupt()
        }
        assert_eq!(soon(&mut process.exit).await.unwrap(), code);
        assert_eq!(machine.running_processes(), 0);
    }
}

#[tokio::test]
async fn a_dropped_process_is_killed_and_lets_go_of_its_files() {
    let machine = Machine::new("WEB-1");
    let script = encoded(
        "$f=[IO.File]::Open('C:\\temp\\a','Create','Write','None'); 'open'; [Console]::In.ReadLine()",
    );
    let mut process = machine.spawn(request("powershell", &["-EncodedCommand", &script]));
    while soon(process.output.recv()).await.unwrap().0 != StreamName::Stdout {}
    let ended = powershell_on(&machine, "[IO.File]::ReadAllText('C:\\temp\\a')", b"").await;
    assert!(ended.stderr.replace("\r\n", "").contains("being used by another process"), "{ended:?}");
    let exit = process.exit;
    drop((process.stdin, process.output, process.control));
    // Its owner went away, so nobody hears the code, but it is gone.
    let _code = soon(exit).await;
    let ended = powershell_on(&machine, "[IO.File]::ReadAllText('C:\\temp\\a').Length", b"").await;
    assert_eq!((ended.stdout.as_str(), ended.code), ("0\r\n", 0));
}

#[tokio::test]
async fn standard_input_is_a_pipe_that_fills_up() {
    let machine = Machine::new("WEB-1");
    let process = machine.spawn(request("powershell", &["-Command", "while($true){}"]));
    let stdin = process.stdin.as_ref().unwrap();
    for _ in 0..windows_sim::machine::STDIN_PIECES {
        stdin.try_send(Bytes::from_static(&[b'x'; 1024])).unwrap();
    }
    assert!(stdin.try_send(Bytes::from_static(b"x")).is_err());
}

const RECEIVE: &str = r#"$ErrorActionPreference='Stop'
$p=[Text.Encoding]::UTF8.GetString([Convert]::FromBase64String([Console]::In.ReadLine()))|ConvertFrom-Json
$dest=$ExecutionContext.SessionState.Path.GetUnresolvedProviderPathFromPSPath($p.dest)
function Get-Hash($f){ $h=[Security.Cryptography.SHA256]::Create(); $r=[IO.File]::OpenRead($f); try{ ([BitConverter]::ToString($h.ComputeHash($r)) -replace '-','').ToLower() }finally{ $r.Dispose(); $h.Dispose() } }
$dir=[IO.Path]::GetDirectoryName($dest); if(-not [IO.Directory]::Exists($dir)){ throw "the folder $dir does not exist" }
$part=$dest+'.part'
$out=New-Object IO.FileStream($part,[IO.FileMode]::Create,[IO.FileAccess]::Write,[IO.FileShare]::None)
try{ while(($line=[Console]::In.ReadLine()) -ne $null -and $line -ne '.'){ $b=[Convert]::FromBase64String($line); $out.Write($b,0,$b.Length) } ; $out.Flush($true) }finally{ $out.Dispose() }
$h=Get-Hash $part; $n=(New-Object IO.FileInfo $part).Length
if([IO.File]::Exists($dest)){ [IO.File]::Replace($part,$dest,[NullString]::Value) }else{ [IO.File]::Move($part,$dest) }
[Console]::Out.WriteLine(([ordered]@{status='copied';length=$n;sha256=$h}|ConvertTo-Json -Compress))"#;

async fn copied(machine: &Arc<Machine>, path: &str, data: &[u8]) -> Ended {
    let parameters = STANDARD.encode(format!("{{\"dest\":{path:?}}}"));
    let mut input = format!("{parameters}\n").into_bytes();
    for chunk in data.chunks(286_000) {
        input.extend_from_slice(STANDARD.encode(chunk).as_bytes());
        input.push(b'\n');
    }
    input.extend_from_slice(b".\n");
    bootstrapped(machine, RECEIVE, &input).await
}

#[tokio::test]
async fn a_file_arrives_whole_and_replaces_the_one_before() {
    let machine = Machine::new("WEB-1");
    let megabytes = std::env::var("COPY_MEGABYTES").ok().and_then(|n| n.parse().ok()).unwrap_or(1);
    let data: Vec<u8> = (0..megabytes * 1_000_003_usize).map(|i| (i * 7 % 251) as u8).collect();
    machine.write_file("C:\\temp\\big.bin", b"old".to_vec());
    let ended = copied(&machine, "C:\\temp\\big.bin", &data).await;
    assert!(
        ended.stdout.starts_with(&format!("{{\"status\":\"copied\",\"length\":{}", data.len())),
        "{ended:?}"
    );
    assert_eq!(machine.read_file("c:\\TEMP\\big.bin").unwrap(), data);
    assert_eq!(machine.files("C:\\temp"), ["big.bin"]);
    let ended = copied(&machine, "C:\\nowhere\\x", b"1").await;
    assert!(ended.stderr.contains("the folder C:\\nowhere does not exist"), "{ended:?}");
    assert_eq!(ended.code, 1);
}

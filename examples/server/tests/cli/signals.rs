//! How the demo ends when it is told to stop.

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    path::Path,
    process::{Child, ChildStderr, Command, ExitStatus, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use serde_json::Value;

/// Far beyond what a debug build needs on a busy machine; what is to be caught here waits forever.
const LIMIT: Duration = Duration::from_secs(60);

/// A demo whose temporary folder would be made in `temporary`, and whose standard input stays open.
fn demo(options: &[&str], temporary: &Path) -> Child {
    Command::new(env!("CARGO_BIN_EXE_opsconductor"))
        .arg("demo")
        .args(options)
        .env("TMPDIR", temporary)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Reads what the demo says until it says `awaited`.
fn read_until(said: &mut BufReader<ChildStderr>, awaited: &str) {
    let mut line = String::new();
    while !line.contains(awaited) {
        line.clear();
        assert_ne!(said.read_line(&mut line).unwrap(), 0, "the demo ended before it said {awaited:?}");
    }
}

fn send(signal: &str, child: &Child) {
    let sent = Command::new("sh").args(["-c", &format!("kill -s {signal} {}", child.id())]).status().unwrap();
    assert!(sent.success());
}

/// Waits for the end and answers with the standard output. Standard input stays open meanwhile.
fn ended(mut child: Child, mut said: BufReader<ChildStderr>) -> (ExitStatus, String) {
    let input = child.stdin.take();
    let id = child.id();
    let (ends, end) = mpsc::channel();
    thread::spawn(move || {
        said.read_to_string(&mut String::new()).unwrap();
        ends.send(child.wait_with_output().unwrap())
    });
    let Ok(output) = end.recv_timeout(LIMIT) else {
        Command::new("sh").args(["-c", &format!("kill -s KILL {id}")]).status().unwrap();
        panic!("the demo did not end on the signal");
    };
    drop(input);
    (output.status, String::from_utf8(output.stdout).unwrap())
}

#[test]
fn ctrl_c_ends_the_waiting_demo_without_enter() {
    let temporary = tempfile::tempdir().unwrap();
    let mut child = demo(&["--json"], temporary.path());
    let mut said = BufReader::new(child.stderr.take().unwrap());
    read_until(&mut said, "press Enter");
    send("INT", &child);
    let (status, printed) = ended(child, said);
    assert_eq!(status.code(), Some(0));
    assert!(serde_json::from_str::<Value>(&printed).unwrap()["runs"].is_array());
    assert_eq!(fs::read_dir(temporary.path()).unwrap().count(), 0, "the key and the database are gone");
}

#[test]
fn a_demo_cut_short_that_was_to_end_by_itself_exits_1_and_leaves_no_key_behind() {
    for signal in ["INT", "TERM"] {
        // On a busy machine the signal may come after the last job; then there is a result, and another try.
        let cut_short = (0..5).any(|_| {
            let temporary = tempfile::tempdir().unwrap();
            let mut child = demo(&["--once", "--json"], temporary.path());
            let mut said = BufReader::new(child.stderr.take().unwrap());
            read_until(&mut said, "three simulated Windows hosts");
            send(signal, &child);
            let (status, printed) = ended(child, said);
            assert_eq!(
                fs::read_dir(temporary.path()).unwrap().count(),
                0,
                "the key and the database are gone"
            );
            assert_eq!(status.code(), Some(if printed.is_empty() { 1 } else { 0 }), "{signal}: {printed}");
            printed.is_empty()
        });
        assert!(cut_short, "no SIG{signal} came in time");
    }
}

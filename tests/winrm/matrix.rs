//! Every fault of the simulated host at every message of a command and of a copy.
//!
//! Whatever goes wrong, and whenever: the call ends, nothing runs twice, a file is old or new and never a part, an
//! error names its layer and code and says whether the outcome is known, the host counts no failed logon, no shell
//! stays behind, and the next command works.

use std::{fmt::Write as _, time::Duration};

use opsconductor_core::{
    Error, Result,
    transport::{Connector as _, CopyRequest, Endpoint, winrm::WinrmConnector},
};
use tokio::{task::JoinSet, time::timeout};
use windows_sim::{Fault, WindowsHost};

use crate::support::{PASSWORD, Recorder, USER, cmd, control, credential, endpoint, host, powershell, run};

/// What is done while something goes wrong.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Work {
    Cmd,
    Powershell,
    Copy,
}

const COUNT: &str = "C:\\temp\\count.txt";
const FILE: &str = "C:\\temp\\file.bin";
const OLD: &[u8] = b"old";

const FAULTS: &[Fault] = &[
    Fault::DropBefore,
    Fault::DropAfter,
    Fault::Unauthorized,
    Fault::TruncatedBody,
    Fault::Delay(Duration::from_millis(20)),
    Fault::Reboot,
    Fault::Unavailable,
    Fault::Refuse(5),
    Fault::Refuse(170),
    Fault::Refuse(995),
    Fault::Refuse(2_147_942_606),
    Fault::Refuse(2_150_858_843),
    Fault::Refuse(2_150_859_173),
    Fault::Refuse(2_150_859_174),
    Fault::RefuseWmi(170),
    Fault::RefuseWmi(2_150_858_843),
];

/// No case may take longer, whatever is waited for in it.
const CASE: Duration = Duration::from_secs(60);

/// How many cases run side by side: most of them wait most of the time.
const SIDE_BY_SIDE: usize = 24;

fn content() -> Vec<u8> {
    (0..400_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

#[tokio::test]
async fn every_fault_at_every_message_of_a_cmd_command() {
    everywhere(Work::Cmd).await;
}

#[tokio::test]
async fn every_fault_at_every_message_of_a_powershell_command() {
    everywhere(Work::Powershell).await;
}

#[tokio::test]
async fn every_fault_at_every_message_of_a_copy() {
    everywhere(Work::Copy).await;
}

async fn everywhere(work: Work) {
    let messages = undisturbed(work).await;
    let mut cases: Vec<(u64, Fault)> =
        (1..=messages).flat_map(|n| FAULTS.iter().map(move |fault| (n, *fault))).collect();
    let mut running = JoinSet::new();
    let mut faults = String::new();
    while !cases.is_empty() || !running.is_empty() {
        while running.len() < SIDE_BY_SIDE
            && let Some((n, fault)) = cases.pop()
        {
            running.spawn(async move {
                let ended = timeout(CASE, case(work, n, fault)).await;
                (n, fault, ended.unwrap_or_else(|_| Err("it did not end".to_owned())))
            });
        }
        if let Some(ended) = running.join_next().await {
            let (n, fault, result) = ended.unwrap();
            if let Err(why) = result {
                let _ = writeln!(faults, "{fault:?} at message {n} of {messages}: {why}");
            }
        }
    }
    assert!(faults.is_empty(), "{work:?}:\n{faults}");
}

/// How many messages the work and its end take.
async fn undisturbed(work: Work) -> u64 {
    let (host, connector, before) = prepared().await;
    perform(work, &connector, &endpoint(&host)).await.unwrap();
    connector.shutdown().await;
    host.counters().messages - before
}

async fn prepared() -> (WindowsHost, WinrmConnector, u64) {
    let host = host().await;
    host.machine().write_file(FILE, OLD.to_vec());
    let before = host.counters().messages;
    (host, WinrmConnector::new(), before)
}

async fn perform(work: Work, connector: &WinrmConnector, endpoint: &Endpoint) -> Result<()> {
    let mut session = connector.connect(endpoint, &credential()).await?;
    let mut recorder = Recorder::default();
    let exit_code = match work {
        Work::Cmd => {
            let request = cmd(&format!("echo x>>{COUNT}"));
            session.exec(request, &mut recorder, &control()).await?.exit_code
        }
        Work::Powershell => {
            let request = powershell(&format!("Add-Content {COUNT} x"));
            session.exec(request, &mut recorder, &control()).await?.exit_code
        }
        Work::Copy => {
            session.copy(CopyRequest::bytes(FILE, content()), &mut recorder, &control()).await?;
            0
        }
    };
    assert_eq!(exit_code, 0);
    Ok(())
}

async fn case(work: Work, n: u64, fault: Fault) -> std::result::Result<(), String> {
    let (host, connector, _) = prepared().await;
    host.faults().on_message(n, fault);
    let result = perform(work, &connector, &endpoint(&host)).await;
    judge_effect(work, &host, &result)?;
    if let Err(error) = &result {
        judge_error(error, fault)?;
    }
    // What had no message to meet must not disturb what follows.
    host.faults().clear();
    let mut session = connector.connect(&endpoint(&host), &credential()).await.map_err(|e| e.report())?;
    let next = run(&mut *session, powershell("exit 7")).await;
    if next.exit_code != 7 {
        return Err(format!("the next command ended with {}", next.exit_code));
    }
    drop(session);
    connector.shutdown().await;
    let counters = host.counters();
    let failed = counters.logons.get(USER).map_or(0, |logons| logons.failed);
    match (counters.shells_open, failed, counters.plaintext_bodies) {
        (0, 0, 0) => judge_leftovers(&host),
        (shells, failed, plain) => Err(format!(
            "{shells} shells open, {failed} failed logons, {plain} bodies in plain text; {result:?}"
        )),
    }
}

fn judge_effect(work: Work, host: &WindowsHost, result: &Result<()>) -> std::result::Result<(), String> {
    let done = match work {
        Work::Cmd | Work::Powershell => {
            let text = host.machine().read_file(COUNT).unwrap_or_default();
            String::from_utf8_lossy(&text).lines().count()
        }
        Work::Copy => match host.machine().read_file(FILE) {
            Some(found) if found == OLD => 0,
            Some(found) if found == content() => 1,
            Some(found) => return Err(format!("the file is neither old nor new: {} bytes", found.len())),
            None => return Err("the file is gone".to_owned()),
        },
    };
    match (result, done) {
        (Ok(()), 1) | (Err(_), 0) => Ok(()),
        (Err(error), 1) if error.is_outcome_unknown() => Ok(()),
        (Err(error), 1) => {
            Err(format!("it was done, and the error says that it was not: {}", error.report()))
        }
        (_, done) => Err(format!("it was done {done} times: {result:?}")),
    }
}

fn judge_error(error: &Error, fault: Fault) -> std::result::Result<(), String> {
    let report = error.report();
    if report.contains(PASSWORD) {
        return Err("the password is in the error".to_owned());
    }
    if error.layer().is_none() {
        return Err(format!("no layer: {report}"));
    }
    match fault {
        Fault::Refuse(code) | Fault::RefuseWmi(code) if error.code() != Some(code) => {
            Err(format!("the host's number is missing: {report}"))
        }
        _ => Ok(()),
    }
}

/// A partial file may stay, for a later copy to go on from; nothing else may.
fn judge_leftovers(host: &WindowsHost) -> std::result::Result<(), String> {
    let strays = host.machine().files("C:\\temp").into_iter().filter(|path| {
        let name = path.rsplit('\\').next().unwrap_or(path);
        !(COUNT.ends_with(name) || FILE.ends_with(name) || name.ends_with(".part"))
    });
    let strays: Vec<String> = strays.collect();
    if strays.is_empty() { Ok(()) } else { Err(format!("left behind: {strays:?}")) }
}

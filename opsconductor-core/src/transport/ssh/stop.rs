//! Stopping a command: TERM to all of its processes, and KILL to those that stay.
//!
//! The protocol has a message for signals, and not every server heeds it: OpenSSH does not for root. So the command's
//! processes, which are one group, are also sent the signal by a command of our own on a second channel.

use std::{sync::Arc, time::Duration};

use russh::{ChannelMsg, ChannelReadHalf, Sig};
use tokio::time::{sleep, timeout};

use super::{
    launch::{sudo_command, token},
    link::Link,
    preface::Word,
    remote::Running,
};
use crate::{Secret, transport::Sudo};

/// How long all of it may take: a little less than the promise.
const STOP: Duration = Duration::from_millis(4500);

/// How long a command that was just sent may take to say who it is.
const BEGIN: Duration = Duration::from_millis(1500);

/// How long a server is waited for that heeds signals by itself.
const HEED: Duration = Duration::from_millis(200);

/// Whether the command has ended, or never began.
pub(super) async fn stop(mut running: Running) -> bool {
    let stopped = timeout(STOP, stop_within(&mut running)).await.unwrap_or(false);
    // The end of the channel is the last thing that a shell waiting for its script hears.
    let _ = timeout(Duration::from_millis(200), running.write.close()).await;
    stopped
}

async fn stop_within(running: &mut Running) -> bool {
    let _ = running.write.signal(Sig::TERM).await;
    if !running.scripted {
        // The shell, or sudo before it, still waits for what now never comes.
        let _ = running.write.eof().await;
        let _ = running.write.close().await;
        return true;
    }
    if running.pid.is_none() {
        let _ = timeout(BEGIN, begun(running)).await;
    }
    let Some(pid) = running.pid else {
        let _ = running.write.signal(Sig::KILL).await;
        return timeout(HEED, ended(&mut running.read)).await.unwrap_or(false);
    };
    let _ = timeout(HEED, ended(&mut running.read)).await;
    // The leader's end says nothing of its children.
    for _ in 0..3 {
        let killing = kill(&running.link, pid, running.launch.sudo.as_ref());
        let mut killing = std::pin::pin!(killing);
        let killed = loop {
            tokio::select! {
                killed = &mut killing => break killed,
                // Output that nobody takes would hold up the connection.
                message = running.read.wait() => if message.is_none() { break killing.await },
            }
        };
        match killed {
            Some(killed) => return killed,
            None if running.link.is_gone() => return false,
            None => sleep(Duration::from_millis(200)).await,
        }
    }
    false
}

/// Waits until the command says who it is.
async fn begun(running: &mut Running) {
    let Some(preface) = &mut running.preface else { return };
    while let Some(message) = running.read.wait().await {
        if let ChannelMsg::ExtendedData { data, .. } = message {
            preface.take(&data);
            while let Some(word) = preface.next() {
                if let Word::Begun(pid, _) = word {
                    running.pid = Some(pid);
                    return;
                }
            }
        }
    }
}

/// Whether the command's first process ends.
async fn ended(read: &mut ChannelReadHalf) -> bool {
    while let Some(message) = read.wait().await {
        if matches!(message, ChannelMsg::ExitStatus { .. } | ChannelMsg::ExitSignal { .. }) {
            return true;
        }
    }
    false
}

/// Ends a group of processes; `None` when the host could not be asked.
async fn kill(link: &Arc<Link>, pid: u32, sudo: Option<&Option<Secret<String>>>) -> Option<bool> {
    let channel = link.channel().await.ok()?;
    let (mut read, write) = channel.split();
    // Under sudo the shell may be in sudo's group, or in one of its own.
    let group = match sudo {
        None => format!("g={pid}"),
        Some(_) => format!(
            "g=$(cut -d\" \" -f5 /proc/{pid}/stat 2>/dev/null || ps -o pgid= -p {pid} 2>/dev/null); g=$(echo $g); \
             [ \"$g\" ] || g={pid}"
        ),
    };
    let line = format!(
        "/bin/sh -c '{group}; [ \"$g\" -gt 1 ] || exit 3; kill -s TERM -- -$g 2>/dev/null || {{ [ -d /proc/$g ] && exit 4; \
         exit 0; }}; i=0; \
         while [ $i -lt 15 ]; do sleep 0.1 2>/dev/null || sleep 1; kill -s 0 -- -$g 2>/dev/null || exit 0; \
         i=$((i+1)); done; kill -s KILL -- -$g 2>/dev/null; exit 0'"
    );
    let line = match sudo {
        None => format!("exec {line}"),
        Some(_) => format!("exec {} {line}", sudo_command(&Sudo::default(), &token().ok()?).ok()?),
    };
    write.exec(true, line).await.ok()?;
    if let Some(password) = sudo.and_then(Option::as_ref) {
        let _ = write.data_bytes(format!("{}\n", password.expose()).into_bytes()).await;
    }
    let _ = write.eof().await;
    let mut code = None;
    while let Some(message) = read.wait().await {
        match message {
            ChannelMsg::ExitStatus { exit_status } => code = Some(exit_status),
            ChannelMsg::Failure | ChannelMsg::Close => break,
            _ => {}
        }
        if code.is_some() {
            break;
        }
    }
    let _ = write.close().await;
    code.map(|code| code == 0)
}

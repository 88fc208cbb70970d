//! The role of the limit: what the host and the wire take when the client has nothing left to do.
//!
//! Every message of every command is built and sealed before the clock starts. What cannot be known before is the id that
//! the host gives a command: NTLM seals with a stream cipher, so the id's 36 characters are exchanged in the sealed bytes
//! and the signature is made anew, a few microseconds of work. Bare blocking sockets, one thread each.

mod message;
mod seal;
mod wire;

use std::{
    sync::{Arc, Barrier},
    thread,
    time::Instant,
};

use serde_json::{Value, json};

use self::wire::Wire;
use crate::{
    Failure,
    protocol::{self, number, ports},
};

/// Does the task that stands on standard input.
pub(crate) fn run() -> Result<(), Failure> {
    let task = protocol::task()?;
    let answer = match protocol::text(&task, "task")? {
        "noop" => latency(&task)?,
        "noop_concurrent" => rate(&task)?,
        other => return Err(format!("{other} is no task of the limit").into()),
    };
    protocol::answer(&answer)?;
    Ok(())
}

/// Milliseconds of one command after the other.
fn latency(task: &Value) -> Result<Value, Failure> {
    let (warm, commands) = (number(task, "warm")?, number(task, "commands")?);
    let mut lane = Lane::open(task, warm + commands)?;
    for _ in 0..warm {
        lane.command()?;
    }
    let mut times = Vec::new();
    for _ in 0..commands {
        let started = Instant::now();
        lane.command()?;
        times.push(started.elapsed().as_secs_f64() * 1e3);
    }
    lane.close()?;
    Ok(json!({"ms": times}))
}

/// Seconds for all commands, several at once.
fn rate(task: &Value) -> Result<Value, Failure> {
    let at_once = number(task, "at_once")?;
    let (warm, each) = (number(task, "warm")? / at_once, number(task, "commands")? / at_once);
    let lanes: Result<Vec<_>, _> = (0..at_once).map(|_| Lane::open(task, warm + each)).collect();
    let ready = Arc::new(Barrier::new(at_once as usize + 1));
    let threads: Vec<_> = lanes?
        .into_iter()
        .map(|mut lane| {
            let ready = Arc::clone(&ready);
            thread::spawn(move || {
                let warmed = (0..warm).try_for_each(|_| lane.command());
                ready.wait();
                warmed?;
                (0..each).try_for_each(|_| lane.command())?;
                Ok::<_, Failure>(lane)
            })
        })
        .collect();
    ready.wait();
    let started = Instant::now();
    let mut done = Vec::new();
    for thread in threads {
        done.push(thread.join().map_err(|_| "a lane of the limit panicked")??);
    }
    let seconds = started.elapsed().as_secs_f64();
    done.into_iter().try_for_each(Lane::close)?;
    Ok(json!({"seconds": seconds}))
}

/// A connection, a shell, and the messages of all its commands.
struct Lane {
    wire: Wire,
    shell: String,
    commands: std::vec::IntoIter<[wire::Prebuilt; 3]>,
}

impl Lane {
    fn open(task: &Value, commands: u64) -> Result<Self, Failure> {
        let port = *ports(task)?.first().ok_or("the task has no host")?;
        let mut wire = Wire::log_on(port, protocol::text(task, "user")?, protocol::text(task, "password")?)?;
        let created = wire.ask(&message::create(port))?;
        let shell = message::between(&created, "<rsp:ShellId>", "</rsp:ShellId>")?.to_owned();
        let build = |wire: &mut Wire| {
            [message::command(port, &shell), message::receive(port, &shell), message::signal(port, &shell)]
                .map(|text| wire.prebuild(text))
        };
        let commands: Vec<_> = (0..commands).map(|_| build(&mut wire)).collect();
        Ok(Self { wire, shell, commands: commands.into_iter() })
    }

    /// One command: started, listened to until it has ended, let go.
    fn command(&mut self) -> Result<(), Failure> {
        let [command, receive, signal] = self.commands.next().ok_or("more commands than were built")?;
        let started = self.wire.exchange(command, None)?;
        let id = message::between(&started, "<rsp:CommandId>", "</rsp:CommandId>")?;
        let received = self.wire.exchange(receive, Some(id))?;
        if !received.contains("CommandState/Done") {
            return Err("a command that does nothing did not end at once".into());
        }
        self.wire.exchange(signal, Some(id))?;
        Ok(())
    }

    fn close(mut self) -> Result<(), Failure> {
        let port = self.wire.port;
        self.wire.ask(&message::delete(port, &self.shell)).map(drop)
    }
}

//! The processes of a chaos run. Only those that were started here are touched, each by its number.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use super::process::{Orders, Role, STUCK};

/// How long processes may take to end by themselves.
const END_LIMIT: Duration = Duration::from_secs(180);

/// Processes with their orders.
#[derive(Debug)]
pub(super) struct Crowd {
    program: PathBuf,
    words: PathBuf,
    members: Vec<Member>,
}

#[derive(Debug)]
struct Member {
    orders: Orders,
    child: Child,
    /// Until when it is stopped.
    stopped: Option<Instant>,
    /// A producer that has done all it should.
    done: bool,
}

impl Crowd {
    /// Nobody yet. `program` is what is started; what it says on standard error goes to the file `words`.
    pub(super) fn new(program: &Path, words: PathBuf) -> Self {
        Self { program: program.to_owned(), words, members: Vec::new() }
    }

    /// Starts one more.
    ///
    /// # Errors
    ///
    /// Those of the operating system.
    pub(super) fn add(&mut self, orders: Orders) -> io::Result<()> {
        let child = self.start(&orders)?;
        self.members.push(Member { orders, child, stopped: None, done: false });
        Ok(())
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether every producer has done all it should.
    pub(super) fn all_produced(&self) -> bool {
        self.members.iter().all(|member| member.orders.role == Role::Worker || member.done)
    }

    /// Kills the one at `place` (SIGKILL) and starts it again with `orders`' clock; says whether it ran.
    ///
    /// # Errors
    ///
    /// Those of the operating system.
    pub(super) fn kill(&mut self, place: usize, clock_off: i64) -> io::Result<bool> {
        if self.members[place].done {
            return Ok(false);
        }
        let mut orders = self.members[place].orders.clone();
        orders.clock_off = clock_off;
        let member = &mut self.members[place];
        member.child.kill()?;
        member.child.wait()?;
        let child = self.start(&orders)?;
        self.members[place] = Member { orders, child, stopped: None, done: false };
        Ok(true)
    }

    /// Stops the one at `place` (SIGSTOP) until `until`; says whether it ran.
    pub(super) fn stop(&mut self, place: usize, until: Instant) -> bool {
        let member = &mut self.members[place];
        if member.done || member.stopped.is_some() || !signal(&member.child, Signal::STOP) {
            return false;
        }
        member.stopped = Some(until);
        true
    }

    /// Lets those go on whose time has come, and starts those again that ended by themselves before they were done.
    ///
    /// # Errors
    ///
    /// Those of the operating system.
    pub(super) fn tend(&mut self) -> io::Result<()> {
        for place in 0..self.members.len() {
            let member = &mut self.members[place];
            if member.stopped.is_some_and(|until| until <= Instant::now()) {
                signal(&member.child, Signal::CONT);
                member.stopped = None;
            }
            if member.done {
                continue;
            }
            let Some(status) = member.child.try_wait()? else { continue };
            if status.success() && member.orders.role != Role::Worker {
                member.done = true;
                continue;
            }
            let orders = member.orders.clone();
            self.members[place].child = self.start(&orders)?;
        }
        Ok(())
    }

    /// Lets producers end with what they have under way.
    pub(super) fn enough(&mut self) {
        for member in &mut self.members {
            if member.orders.role != Role::Worker {
                drop(member.child.stdin.take());
            }
        }
    }

    /// Lets everyone go on who is stopped.
    pub(super) fn wake(&mut self) {
        for member in &mut self.members {
            if member.stopped.take().is_some() {
                signal(&member.child, Signal::CONT);
            }
        }
    }

    /// Tells everyone to end, and kills whoever does not within a while; says how many that were.
    ///
    /// # Errors
    ///
    /// Those of the operating system.
    pub(super) fn dismiss(mut self) -> io::Result<usize> {
        self.wake();
        for member in &mut self.members {
            drop(member.child.stdin.take());
        }
        let until = Instant::now() + END_LIMIT;
        let mut stuck = 0;
        for member in &mut self.members {
            let status = ended(&mut member.child, until)?;
            if status.is_none_or(|status| status.code() == Some(STUCK)) {
                stuck += 1;
            }
        }
        Ok(stuck)
    }

    fn start(&self, orders: &Orders) -> io::Result<Child> {
        let words = std::fs::OpenOptions::new().append(true).create(true).open(&self.words)?;
        let mut child = Command::new(&self.program)
            .args([".", "chaos"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(words)
            .spawn()?;
        let mut line = serde_json::to_vec(orders)?;
        line.push(b'\n');
        if let Some(stdin) = &mut child.stdin {
            stdin.write_all(&line)?;
        }
        Ok(child)
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        for member in &mut self.members {
            // Killing reaches a stopped process too.
            let _ = (member.child.kill(), member.child.wait());
        }
    }
}

fn ended(child: &mut Child, until: Instant) -> io::Result<Option<ExitStatus>> {
    while Instant::now() < until {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(None)
}

fn signal(child: &Child, signal: Signal) -> bool {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    pid.is_some_and(|pid| kill_process(pid, signal).is_ok())
}

//! The shells that are open, whose they are, and when they close by themselves.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak},
    time::Duration,
};

use tokio::{
    sync::{Notify, watch},
    task::AbortHandle,
    time::Instant,
};

use crate::{
    command::Command,
    host::Host,
    operation::Caller,
    soap::{fault::Fault, request::CreateShell, response::guid},
};

/// One open shell.
pub(crate) struct Shell {
    pub(crate) id: String,
    pub(crate) owner: String,
    pub(crate) working_directory: Option<String>,
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) code_page: u32,
    /// Where it was opened from.
    pub(crate) client: IpAddr,
    pub(crate) opened: Instant,
    /// How long it may be idle while somebody is connected to it.
    pub(crate) idle_timeout: Duration,
    closes_at: Option<Instant>,
    state: Mutex<State>,
    /// Whether somebody is connected to it.
    connected: watch::Sender<bool>,
    reaper: OnceLock<AbortHandle>,
    /// Told when the shell may have to close at another time than the reaper believes.
    changed: Arc<Notify>,
}

struct State {
    /// The session it belongs to; one that was opened without cannot be disconnected.
    session: Option<String>,
    /// How long it may be idle as things are.
    idle_timeout: Duration,
    commands: HashMap<String, Arc<Command>>,
    /// Commands started since the shell was opened: the operations it holds until it is closed.
    operations: usize,
    /// Messages at work on this shell, which keep it from being idle.
    at_work: usize,
    last_used: Instant,
}

/// A message at work on a shell.
pub(crate) struct AtWork(Arc<Shell>);

impl Drop for AtWork {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.at_work -= 1;
        state.last_used = Instant::now();
    }
}

impl Shell {
    /// A command of this shell.
    pub(crate) fn command(&self, id: &str) -> Result<Arc<Command>, Fault> {
        self.lock().commands.get(id).cloned().ok_or_else(Fault::invalid_parameter)
    }

    /// Keeps a command that has just been started, within the quota.
    pub(crate) fn add(
        &self,
        processes_max: usize,
        start: impl FnOnce() -> Command,
    ) -> Result<Arc<Command>, Fault> {
        let mut state = self.lock();
        if state.commands.len() >= processes_max {
            return Err(Fault::processes_exceeded());
        }
        let command = Arc::new(start());
        state.operations += 1;
        state.commands.insert(command.id.clone(), Arc::clone(&command));
        Ok(command)
    }

    /// Ends a command and forgets it.
    pub(crate) fn end(&self, id: &str) -> Result<(), Fault> {
        let command = self.lock().commands.remove(id).ok_or_else(Fault::invalid_parameter)?;
        command.end();
        Ok(())
    }

    /// Marks a message at work until the guard is dropped.
    pub(crate) fn at_work(self: &Arc<Self>) -> AtWork {
        self.lock().at_work += 1;
        AtWork(Arc::clone(self))
    }

    /// The commands that have not been ended, by id.
    pub(crate) fn commands(&self) -> Vec<Arc<Command>> {
        let mut commands: Vec<_> = self.lock().commands.values().cloned().collect();
        commands.sort_by(|one, other| one.id.cmp(&other.id));
        commands
    }

    /// How long it has been idle.
    pub(crate) fn inactivity(&self) -> Duration {
        let state = self.lock();
        if state.at_work > 0 { Duration::ZERO } else { state.last_used.elapsed() }
    }

    /// Whether somebody is connected to it.
    pub(crate) fn is_connected(&self) -> bool {
        *self.connected.borrow()
    }

    /// Does a piece of work that ends when the shell is disconnected.
    pub(crate) async fn while_connected<T>(
        &self,
        work: impl Future<Output = Result<T, Fault>>,
    ) -> Result<T, Fault> {
        let mut connected = self.connected.subscribe();
        tokio::select! {
            biased;
            _ = connected.wait_for(|connected| !connected) => Err(Fault::shell_disconnected()),
            done = work => done,
        }
    }

    /// Leaves the shell as it is until somebody comes back, or until it has been idle for so long.
    pub(crate) fn disconnect(&self, session: &str, idle_timeout: Option<Duration>) -> Result<(), Fault> {
        let mut state = self.lock();
        match &state.session {
            None => return Err(Fault::disconnect_unsupported()),
            Some(own) if own != session => return Err(Fault::session_mismatch()),
            Some(_) if !self.is_connected() => return Err(Fault::disconnect_invalid()),
            Some(_) => {}
        }
        state.idle_timeout = idle_timeout.map_or(self.idle_timeout, |wanted| wanted.min(self.idle_timeout));
        self.connected.send_replace(false);
        self.changed.notify_one();
        Ok(())
    }

    /// Comes back to the shell from the session that left it.
    pub(crate) fn reconnect(&self, session: &str) -> Result<(), Fault> {
        let mut state = self.lock();
        if state.session.as_deref() != Some(session) {
            return Err(Fault::session_mismatch());
        }
        if self.is_connected() {
            return Err(Fault::reconnect_invalid());
        }
        self.resume(&mut state);
        Ok(())
    }

    /// Takes over the shell that another session left.
    pub(crate) fn connect(&self, session: &str) -> Result<(), Fault> {
        let mut state = self.lock();
        if self.is_connected() {
            return Err(Fault::connected_elsewhere());
        }
        state.session = Some(session.to_owned());
        self.resume(&mut state);
        Ok(())
    }

    fn resume(&self, state: &mut State) {
        state.idle_timeout = self.idle_timeout;
        self.connected.send_replace(true);
    }

    fn operations(&self) -> usize {
        self.lock().operations
    }

    fn close(&self) {
        let commands = std::mem::take(&mut self.lock().commands);
        commands.values().for_each(|command| command.end());
        if let Some(reaper) = self.reaper.get() {
            reaper.abort();
        }
    }

    /// When to look next whether the shell is over; `None` when it is.
    fn next_look(&self) -> Option<Instant> {
        let state = self.lock();
        let now = Instant::now();
        let idle_since = if state.at_work > 0 { now } else { state.last_used };
        let idle_until = idle_since + state.idle_timeout;
        let until = self.closes_at.map_or(idle_until, |closes| closes.min(idle_until));
        (until > now).then_some(until)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All open shells of a host.
#[derive(Default)]
pub(crate) struct ShellTable {
    shells: Mutex<HashMap<String, Arc<Shell>>>,
}

impl ShellTable {
    /// Opens a shell for a user, within the quotas.
    pub(crate) fn open(
        &self,
        host: &Arc<Host>,
        caller: &Caller,
        session: Option<String>,
        create: CreateShell,
    ) -> Result<Arc<Shell>, Fault> {
        let (quotas, owner) = (&host.quotas, &caller.user);
        let now = Instant::now();
        let idle_timeout = create.idle_timeout.unwrap_or(quotas.shell_idle_timeout);
        let idle_timeout = idle_timeout.min(quotas.shell_idle_timeout);
        let shell = Arc::new(Shell {
            id: create.id.unwrap_or_else(guid),
            owner: owner.clone(),
            working_directory: create.working_directory,
            environment: create.environment,
            code_page: create.code_page.unwrap_or(437),
            client: caller.address,
            opened: now,
            idle_timeout,
            closes_at: create.lifetime.and_then(|lifetime| now.checked_add(lifetime)),
            state: Mutex::new(State {
                session,
                idle_timeout,
                commands: HashMap::new(),
                operations: 0,
                at_work: 0,
                last_used: now,
            }),
            connected: watch::Sender::new(true),
            reaper: OnceLock::new(),
            changed: Arc::default(),
        });
        let mut shells = self.lock();
        if shells.values().filter(|each| each.owner == *owner).count() >= quotas.shells_per_user_max {
            return Err(Fault::shells_exceeded(quotas.shells_per_user_max));
        }
        if shells.contains_key(&shell.id) {
            return Err(Fault::invalid_parameter());
        }
        shells.insert(shell.id.clone(), Arc::clone(&shell));
        drop(shells);
        let changed = Arc::clone(&shell.changed);
        let reaper = tokio::spawn(reap(Arc::downgrade(host), Arc::downgrade(&shell), changed));
        let _ = shell.reaper.set(reaper.abort_handle());
        host.tally.shells_opened.up();
        Ok(shell)
    }

    /// A user's shell.
    pub(crate) fn get(&self, id: &str, user: &str) -> Result<Arc<Shell>, Fault> {
        let shell = self.lock().get(id).cloned().ok_or_else(|| Fault::shell_not_found(id))?;
        if shell.owner == user { Ok(shell) } else { Err(Fault::access_denied()) }
    }

    /// The shells a user may see, all of them or his own, by id.
    pub(crate) fn list(&self, owner: Option<&str>) -> Vec<Arc<Shell>> {
        let visible = |shell: &&Arc<Shell>| owner.is_none_or(|owner| shell.owner == owner);
        let mut shells: Vec<_> = self.lock().values().filter(visible).cloned().collect();
        shells.sort_by(|one, other| one.id.cmp(&other.id));
        shells
    }

    /// Closes a shell, if it is still open.
    pub(crate) fn close(&self, id: &str) {
        let shell = self.lock().remove(id);
        if let Some(shell) = shell {
            shell.close();
        }
    }

    /// Closes every shell.
    pub(crate) fn clear(&self) {
        let shells = std::mem::take(&mut *self.lock());
        shells.values().for_each(|shell| shell.close());
    }

    /// How many shells are open.
    pub(crate) fn count(&self) -> usize {
        self.lock().len()
    }

    /// The operations that a user's shells hold.
    pub(crate) fn operations(&self, user: &str) -> usize {
        self.lock().values().filter(|shell| shell.owner == user).map(|shell| shell.operations()).sum()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<Shell>>> {
        self.shells.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Closes a shell when it has been idle for too long or its life is over. It holds neither the host nor the shell.
async fn reap(host: Weak<Host>, shell: Weak<Shell>, changed: Arc<Notify>) {
    loop {
        let Some(next) = shell.upgrade().map(|shell| shell.next_look()) else { return };
        match next {
            Some(at) => tokio::select! {
                () = tokio::time::sleep_until(at) => {}
                () = changed.notified() => {}
            },
            None => break,
        }
    }
    if let (Some(host), Some(shell)) = (host.upgrade(), shell.upgrade()) {
        host.shells.close(&shell.id);
    }
}

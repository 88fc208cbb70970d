//! [`run`]: breaks things, lets all come to rest, and looks.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use opsconductor_core::{store::Store, tenant::DEFAULT_TENANT, vault};
use tokio::task::JoinHandle;

use super::{
    Backend, Chance, Settings, Summary,
    crowd::Crowd,
    ground::{Ground, blocking},
    pauses::Pauses,
    process::{Orders, Role, engine, furnish, keep, limits},
    witness::{Seen, Witness},
};
use crate::history::{Acknowledged, History, Kept, Left, read_acknowledged, read_effects, read_runs};

/// How often processes are looked after.
const TICK: Duration = Duration::from_millis(20);

/// How long until things are broken though nothing was acknowledged.
const BEGIN_LIMIT: Duration = Duration::from_secs(180);

/// How often it is counted what was acknowledged.
const COUNT: Duration = Duration::from_millis(500);

/// How far a clock is off when it is.
const HOUR: i64 = 3600;

/// Does what `settings` say.
///
/// # Errors
///
/// What kept it from being done, in words. A rule that was broken is in the summary.
pub async fn run(settings: Settings) -> Result<Summary, String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let ground = Ground::new(settings.backend, settings.runs).await.map_err(|error| error.to_string())?;
    vault::create_key_file(folder.path().join("key")).map_err(|error| error.report())?;
    let store = ground.store().await.map_err(|error| error.report())?;
    let first = engine(store.clone(), folder.path(), 0).map_err(|error| error.report())?;
    furnish(&first.local()).await.map_err(|error| error.report())?;
    first.close().await;
    let witness = Witness::begin(store.clone(), folder.path().to_owned());
    let mut chaos = Chaos {
        chance: Chance::new(settings.seed),
        crowd: Crowd::new(&settings.program, folder.path().join("words")),
        summary: Summary::new(&settings),
        folder: folder.path().to_owned(),
        disturbance: None,
        pauses: Pauses::default(),
        ground,
        store,
        settings,
    };
    chaos.people().map_err(|error| error.to_string())?;
    chaos.begin().await.map_err(|error| error.to_string())?;
    let began = Instant::now();
    chaos.break_things().await.map_err(|error| error.to_string())?;
    chaos.summary.seconds.0 = began.elapsed().as_secs_f64();
    let began = Instant::now();
    let left = chaos.come_to_rest().await?;
    chaos.summary.seconds.1 = began.elapsed().as_secs_f64();
    chaos.summary.at_rest = left == Left::default();
    chaos.look(left, witness).await
}

struct Chaos {
    settings: Settings,
    ground: Ground,
    /// The store, past everything that breaks.
    store: Arc<dyn Store>,
    crowd: Crowd,
    chance: Chance,
    summary: Summary,
    folder: PathBuf,
    /// What is being broken and mended again.
    disturbance: Option<JoinHandle<()>>,
    pauses: Pauses,
}

impl Chaos {
    fn people(&mut self) -> io::Result<()> {
        for number in 0..self.settings.producers {
            let share = self.settings.runs / self.settings.producers;
            let runs = share + u32::from(number < self.settings.runs % self.settings.producers);
            self.add(Role::Producer { number, runs, seed: self.settings.seed })?;
        }
        for _ in 0..self.settings.workers {
            self.add(Role::Worker)?;
        }
        Ok(())
    }

    fn add(&mut self, role: Role) -> io::Result<()> {
        let (clock_off, kept) = (self.clock_off(), self.settings.kept);
        let (folder, store) = (self.folder.clone(), self.ground.reached());
        self.crowd.add(Orders { role, folder, store, clock_off, kept })
    }

    /// On a server, each process has a clock of its own.
    fn clock_off(&mut self) -> i64 {
        let off = *self.chance.of(&[0, 0, HOUR, -HOUR]);
        if self.settings.backend == Backend::Sqlite || off == 0 {
            return 0;
        }
        self.summary.count("clock_off");
        off
    }

    /// Waits until the first run was acknowledged, so that something is there to be lost.
    async fn begin(&mut self) -> io::Result<()> {
        let until = Instant::now() + BEGIN_LIMIT;
        while self.acknowledged()?.is_empty() && Instant::now() < until {
            tokio::time::sleep(TICK).await;
            self.crowd.tend()?;
        }
        Ok(())
    }

    async fn break_things(&mut self) -> io::Result<()> {
        let began = Instant::now();
        let mut next = began + self.chance.millis(300..1500);
        let (mut done, mut counted) = (0.0, began);
        loop {
            tokio::time::sleep(TICK).await;
            self.crowd.tend()?;
            let past = began.elapsed().as_secs_f64() / self.settings.limit.as_secs_f64();
            if counted.elapsed() > COUNT {
                done = self.acknowledged()?.len() as f64 / f64::from(self.settings.runs.max(1));
                counted = Instant::now();
            }
            let due = (f64::from(self.settings.kills) * past.max(done)).floor() as u64;
            if self.summary.broken("kill") < due.min(u64::from(self.settings.kills)) {
                self.kill()?;
            }
            if Instant::now() >= next {
                self.disturb();
                next = Instant::now() + self.chance.millis(300..1500);
            }
            let all_killed = self.summary.broken("kill") >= u64::from(self.settings.kills);
            if (self.crowd.all_produced() && all_killed) || past >= 1.0 {
                return Ok(());
            }
        }
    }

    fn kill(&mut self) -> io::Result<()> {
        let clock_off = self.clock_off();
        // Workers come behind the producers and are meant more often. Instead of a producer that is done, the last of them.
        let producers = u64::from(self.settings.producers);
        let from = if self.chance.below(6) == 0 { 0 } else { producers };
        let place = (from + self.chance.below(self.crowd.len() as u64 - from)) as usize;
        if self.crowd.kill(place, clock_off)? || self.crowd.kill(self.crowd.len() - 1, clock_off)? {
            self.summary.count("kill");
        }
        Ok(())
    }

    /// Breaks one thing that is not a kill.
    fn disturb(&mut self) {
        let free = self.disturbance.as_ref().is_none_or(JoinHandle::is_finished);
        if self.chance.below(4) == 0 && self.pauses.begin(&self.store, &mut self.chance) {
            self.summary.count("pause");
        }
        match (self.chance.below(10), self.settings.backend) {
            (0..3, _) => {
                // Longer than a lease lasts.
                let until = Instant::now() + self.chance.millis(1600..3500);
                let place = self.chance.below(self.crowd.len() as u64) as usize;
                if self.crowd.stop(place, until) {
                    self.summary.count("stop");
                }
            }
            (3 | 4, _) if free => self.fill_the_disk(),
            (5, Backend::Postgres) if free => self.crash_the_server(),
            (_, Backend::Postgres) => self.ground.cut(&mut self.chance),
            (_, Backend::Sqlite) => {}
        }
    }

    fn fill_the_disk(&mut self) {
        let (disk, server) = (self.ground.disk(), self.ground.server());
        if !disk.can_be_filled() {
            if !self.summary.left_out.contains(&"full_disk") {
                self.summary.left_out.push("full_disk");
            }
            return;
        }
        self.summary.count("full_disk");
        let full_for = self.chance.millis(200..1200);
        self.disturbance = Some(tokio::spawn(async move {
            blocking({
                let disk = disk.clone();
                move || disk.fill()
            })
            .await;
            tokio::time::sleep(full_for).await;
            blocking(move || {
                disk.free();
                // A server that cannot write its log ends itself.
                server.iter().for_each(|server| server.start_again());
            })
            .await;
        }));
    }

    fn crash_the_server(&mut self) {
        let Some(server) = self.ground.server() else { return };
        self.summary.count("server_crash");
        let away_for = self.chance.millis(50..800);
        self.disturbance = Some(tokio::spawn(async move {
            let again = server.clone();
            blocking(move || server.crash()).await;
            tokio::time::sleep(away_for).await;
            blocking(move || again.start_again()).await;
        }));
    }

    /// Mends everything and waits until nothing is left to do.
    async fn come_to_rest(&mut self) -> Result<Left, String> {
        // First of all: who was stopped in the middle of a write holds the lock of a SQLite file that all others wait for.
        self.crowd.wake();
        if let Some(disturbance) = self.disturbance.take() {
            disturbance.await.map_err(|error| error.to_string())?;
        }
        self.pauses.end().await?;
        if let Some(proxy) = self.ground.proxy() {
            proxy.disarm();
            *self.summary.broken.entry("cut").or_default() = proxy.cuts();
        }
        self.crowd.enough();
        let store = Arc::clone(&self.store);
        let until = Instant::now() + self.settings.settle;
        loop {
            self.crowd.tend().map_err(|error| error.to_string())?;
            let left = self.ground.left(&*store).await?;
            let rest = left == Left::default() && self.crowd.all_produced();
            if rest || Instant::now() > until {
                return Ok(left);
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    async fn look(mut self, mut left: Left, witness: Witness) -> Result<Summary, String> {
        let crowd = self.crowd;
        let stuck = blocking(move || crowd.dismiss()).await.map_err(|error| error.to_string())?;
        let store = self.store;
        let kept = self.settings.kept;
        let Seen { mut over, longest } = witness.testimony().await;
        // What nobody cleaned yet goes now. All that ended before this moment less the age must be gone then.
        let at = chrono::Utc::now().timestamp_micros();
        let cleaner = engine(store.clone(), &self.folder, 0).map_err(|error| error.report())?;
        cleaner.remove_old_runs(&keep(kept)).await.map_err(|error| error.report())?;
        left.orphans = self.ground.orphans().await?;
        let runs = read_runs(&store, DEFAULT_TENANT).await.map_err(|error| error.report())?;
        let kept = Kept { age: micros(kept), at, until: chrono::Utc::now().timestamp_micros() };
        runs.iter().for_each(|run| drop(over.remove(&run.id)));
        let history = History {
            acknowledged: acknowledged(&self.folder, self.settings.producers).map_err(|e| e.to_string())?,
            effects: read_effects(&self.folder.join("effects")).map_err(|e| e.to_string())?,
            runs,
            removed: over.into_values().collect(),
            kept: Some(kept),
            limits: limits(),
            pauses: self.pauses.kept(),
            left,
        };
        self.summary.stuck = stuck;
        self.summary.unseen = longest.as_secs_f64();
        self.summary.take(&history);
        if !self.summary.breaches.is_empty() {
            show_words(&self.folder);
        }
        Ok(self.summary)
    }

    fn acknowledged(&self) -> io::Result<Vec<Acknowledged>> {
        acknowledged(&self.folder, self.settings.producers)
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

fn acknowledged(folder: &Path, producers: u32) -> io::Result<Vec<Acknowledged>> {
    let mut all = Vec::new();
    for number in 0..producers {
        all.extend(read_acknowledged(&folder.join(format!("acknowledged-{number}")))?);
    }
    Ok(all)
}

/// Shows what the processes said, for whoever looks for the reason.
fn show_words(folder: &Path) {
    if let Ok(words) = std::fs::read_to_string(folder.join("words")) {
        for line in words.lines().take(50) {
            eprintln!("{line}");
        }
    }
}

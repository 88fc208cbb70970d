//! A target on many inputs.

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use crate::{mutate, random::Random, targets::Target};

/// The longest that one input may take, with room for a slow machine and a build without optimization.
const INPUT_TIME_MAX: Duration = Duration::from_secs(20);

/// When to stop.
#[derive(Debug, Clone, Copy)]
pub enum Limit {
    /// After so many inputs.
    Inputs(u64),
    /// After so long.
    Time(Duration),
}

/// What was run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ran {
    /// How many inputs.
    pub inputs: u64,
    /// The longest that one took.
    pub slowest: Duration,
}

/// An input that breaks a promise.
#[derive(Debug)]
pub struct Failure {
    /// The target.
    pub target: &'static str,
    /// What is wrong.
    pub reason: String,
    /// The input.
    pub input: Vec<u8>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hex: String = self.input.iter().map(|byte| format!("{byte:02x}")).collect();
        write!(
            f,
            "{}: {}\n  as text: {:?}\n  again: --only {} --input {hex}",
            self.target,
            self.reason,
            String::from_utf8_lossy(&self.input),
            self.target
        )
    }
}

/// Runs `target` on inputs that `seed` determines, until `limit`. An input that never ends ends the process, after
/// saying which it is.
///
/// # Errors
///
/// The first input that breaks a promise.
pub fn run(target: &'static Target, seed: u64, limit: Limit) -> Result<Ran, Failure> {
    let seeds = (target.seeds)();
    let mut random = Random::new(seed);
    let watch = Watch::begin(target);
    let (began, mut ran) = (Instant::now(), Ran { inputs: 0, slowest: Duration::ZERO });
    while match limit {
        Limit::Inputs(most) => ran.inputs < most,
        Limit::Time(most) => began.elapsed() < most,
    } {
        let input = mutate::input(&mut random, &seeds, target.words);
        watch.begins(&input);
        let started = Instant::now();
        try_one(target, &input, random.number())?;
        ran.slowest = ran.slowest.max(started.elapsed());
        ran.inputs += 1;
    }
    Ok(ran)
}

/// Runs `target` on one input; `seed` is for what it decides by chance.
///
/// # Errors
///
/// The input breaks a promise.
pub fn try_one(target: &'static Target, input: &[u8], seed: u64) -> Result<(), Failure> {
    let mut random = Random::new(seed);
    let failed = |reason: String| Failure { target: target.name, reason, input: input.to_vec() };
    match catch_unwind(AssertUnwindSafe(|| (target.check)(input, &mut random))) {
        Ok(Ok(())) => Ok(()),
        Ok(Err(reason)) => Err(failed(reason)),
        Err(panic) => {
            let said = panic.downcast_ref::<String>().map(String::as_str);
            let said = said.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a word");
            Err(failed(format!("it panicked: {said}")))
        }
    }
}

/// Ends the process when an input takes too long: a loop cannot be stopped from outside.
struct Watch(Arc<Mutex<Present>>);

/// The input that is being tried, and since when.
type Present = Option<(Instant, Vec<u8>)>;

impl Watch {
    fn begin(target: &'static Target) -> Self {
        let present: Arc<Mutex<Present>> = Arc::default();
        let seen = Arc::downgrade(&present);
        std::thread::spawn(move || {
            while let Some(present) = seen.upgrade() {
                let late = present
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .as_ref()
                    .and_then(|(since, input)| (since.elapsed() > INPUT_TIME_MAX).then(|| input.clone()));
                drop(present);
                if let Some(input) = late {
                    let reason = format!("it goes on for more than {} s", INPUT_TIME_MAX.as_secs());
                    eprintln!("{}", Failure { target: target.name, reason, input });
                    std::process::exit(1);
                }
                std::thread::sleep(Duration::from_millis(200));
            }
        });
        Self(present)
    }

    fn begins(&self, input: &[u8]) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), input.to_vec()));
    }
}

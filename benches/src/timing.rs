//! Rounds of timed batches.

use std::io;
use std::time::{Duration, Instant};

use crate::figure::{Better, Figure};
use crate::options::Options;
use crate::statistics::median;

/// The subject of every figure that is about us.
pub const OURSELVES: &str = "opsconductor";

/// A bench: a name for its figures, and how long to measure.
#[derive(Debug, Clone)]
pub struct Bench {
    name: &'static str,
    options: Options,
}

impl Bench {
    /// A bench whose figures go by this name.
    pub fn new(name: &'static str, options: Options) -> Self {
        Self { name, options }
    }

    /// How long it measures, and what of it.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Times one operation, in microseconds. `batch` does it as many times as it is told.
    ///
    /// # Errors
    /// What printing answers.
    pub fn time(&self, metric: &str, mut batch: impl FnMut(u64)) -> io::Result<()> {
        self.rounds(metric, &mut batch, |seconds| (seconds * 1e6, "µs", Better::Lower))
    }

    /// Times one operation that takes its time, in milliseconds. `batch` does it as many times as it is told.
    ///
    /// # Errors
    /// What printing answers.
    pub fn time_long(&self, metric: &str, mut batch: impl FnMut(u64)) -> io::Result<()> {
        self.rounds(metric, &mut batch, |seconds| (seconds * 1e3, "ms", Better::Lower))
    }

    /// Times how fast an operation gets through `bytes`, in MB/s. `batch` does it as many times as it is told.
    ///
    /// # Errors
    /// What printing answers.
    pub fn throughput(&self, metric: &str, bytes: usize, mut batch: impl FnMut(u64)) -> io::Result<()> {
        let megabytes = bytes as f64 / 1e6;
        self.rounds(metric, &mut batch, |seconds| (megabytes / seconds, "MB/s", Better::Higher))
    }

    /// Prints a figure that was measured by other means.
    ///
    /// # Errors
    /// What printing answers.
    pub fn print(
        &self,
        metric: &str,
        (value, unit, better): (f64, &str, Better),
        n: u64,
        round: u32,
    ) -> io::Result<()> {
        Figure { bench: self.name, metric, subject: OURSELVES, value, unit, better, n, round, more: &[] }
            .print()
    }

    /// Each round is the median of its batches, so that a batch the machine disturbed does not count.
    fn rounds(
        &self,
        metric: &str,
        batch: &mut dyn FnMut(u64),
        figure: impl Fn(f64) -> (f64, &'static str, Better),
    ) -> io::Result<()> {
        if !self.options.wants(metric) {
            return Ok(());
        }
        let iterations = calibrate(self.options.batch, batch);
        for round in 1..=self.options.rounds {
            let seconds: Vec<f64> = (0..self.options.batches)
                .map(|_| timed(iterations, batch).as_secs_f64() / iterations as f64)
                .collect();
            if let Some(seconds) = median(&seconds) {
                let n = iterations * u64::from(self.options.batches);
                self.print(metric, figure(seconds), n, round)?;
            }
        }
        Ok(())
    }
}

/// How many iterations fill a batch: doubled until half of it is filled, which also warms caches and the processor.
fn calibrate(batch_time: Duration, batch: &mut dyn FnMut(u64)) -> u64 {
    let mut iterations = 1;
    loop {
        let took = timed(iterations, batch);
        if took >= batch_time / 2 {
            let per_iteration = took.as_secs_f64() / iterations as f64;
            return ((batch_time.as_secs_f64() / per_iteration) as u64).max(1);
        }
        iterations *= 2;
    }
}

fn timed(iterations: u64, batch: &mut dyn FnMut(u64)) -> Duration {
    let start = Instant::now();
    batch(iterations);
    start.elapsed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calibration_grows_until_a_batch_is_filled() {
        let mut largest = 0;
        let iterations = calibrate(Duration::from_micros(200), &mut |iterations| {
            largest = iterations.max(largest);
            for i in 0..iterations {
                std::hint::black_box(i);
            }
        });
        assert!(iterations >= 1);
        assert!(largest > 1);
    }

    #[test]
    fn a_metric_nobody_asked_for_is_not_run() {
        let options = Options::parse(["validate".to_owned()], true);
        let mut ran = false;
        Bench::new("micro", options).time("authorize", |_| ran = true).expect("nothing is printed");
        assert!(!ran);
    }
}

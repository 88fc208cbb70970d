//! How long a bench measures, and what of it.

use std::time::Duration;

/// The switch for one short round where no argument can be given.
pub const QUICK_VARIABLE: &str = "OPSCONDUCTOR_BENCH_QUICK";

/// What the arguments say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// How many rounds: each prints a figure of its own.
    pub rounds: u32,
    /// How many batches a round takes the median of.
    pub batches: u32,
    /// How long one batch should last.
    pub batch: Duration,
    /// Only metrics whose name contains this.
    pub only: Option<String>,
    /// Whether cargo tests rather than benches: only that it runs is asked for, and no peer need be there.
    pub smoke: bool,
}

impl Options {
    /// The options of this process: its arguments and its environment.
    pub fn from_process() -> Self {
        let quick = std::env::var(QUICK_VARIABLE).is_ok_and(|value| !matches!(value.as_str(), "" | "0"));
        Self::parse(std::env::args().skip(1), quick)
    }

    /// Reads `arguments`. Cargo passes `--bench` when it benches and nothing when it tests; other switches are those of
    /// the common test harness, which cargo hands to every target, and mean nothing here.
    pub fn parse(arguments: impl IntoIterator<Item = String>, quick: bool) -> Self {
        let mut benching = false;
        let mut quick = quick;
        let mut only = None;
        for argument in arguments {
            match argument.as_str() {
                "--bench" => benching = true,
                "--quick" => quick = true,
                switch if switch.starts_with('-') => {}
                _ => only = Some(argument),
            }
        }
        if quick || !benching {
            Self { rounds: 1, batches: 1, batch: Duration::from_millis(1), only, smoke: !benching }
        } else {
            Self { rounds: 3, batches: 15, batch: Duration::from_millis(40), only, smoke: false }
        }
    }

    /// Whether the metric is asked for.
    pub fn wants(&self, metric: &str) -> bool {
        self.only.as_deref().is_none_or(|part| metric.contains(part))
    }

    /// Whether this is one short round.
    pub fn is_quick(&self) -> bool {
        self.batches == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str], quick: bool) -> Options {
        Options::parse(arguments.iter().map(|text| (*text).to_owned()), quick)
    }

    #[test]
    fn benching_takes_full_rounds_and_testing_one_short_one() {
        assert_eq!(parse(&["--bench"], false).rounds, 3);
        assert!(parse(&[], false).is_quick());
        assert!(parse(&["--bench", "--quick"], false).is_quick());
        assert!(parse(&["--bench"], true).is_quick());
    }

    #[test]
    fn a_word_chooses_metrics() {
        let options = parse(&["--bench", "render", "--nocapture"], false);
        assert!(options.wants("render.cached"));
        assert!(!options.wants("authorize"));
        assert!(parse(&["--bench"], false).wants("authorize"));
    }
}

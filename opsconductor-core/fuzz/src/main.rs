//! Runs every target for a while: `make fuzz`.
#![forbid(unsafe_code)]

use std::{
    process::ExitCode,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use clap::Parser;
use opsconductor_fuzz::{Limit, TARGETS, Target, run, try_one};

/// The most memory that the whole may take, in kilobytes. The template's own limit is 64 MiB.
#[cfg(target_os = "linux")]
const PEAK_KB_MAX: u64 = 768 * 1024;

/// Gives random input to every parser, and says which promise was broken by which input.
#[derive(Debug, Parser)]
#[command(
    after_help = "Exit codes:\n  0  every promise held\n  1  one was broken, and the input is shown\n  2  the command line is not acceptable"
)]
struct Options {
    /// How long each target runs.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    seconds: u64,
    /// What determines the inputs; another one each time when it is not said.
    #[arg(long)]
    seed: Option<u64>,
    /// Only this target.
    #[arg(long, value_name = "TARGET")]
    only: Option<String>,
    /// Only this one input, in hexadecimal digits.
    #[arg(long, value_name = "HEX", requires = "only")]
    input: Option<String>,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let chosen: Vec<&'static Target> = TARGETS
        .iter()
        .filter(|target| options.only.as_deref().is_none_or(|only| only == target.name))
        .collect();
    if chosen.is_empty() {
        let names: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
        eprintln!("there is no such target: the targets are {}", names.join(", "));
        return ExitCode::from(2);
    }
    if let Some(hex) = &options.input {
        return one(chosen[0], hex);
    }
    let seed = options.seed.unwrap_or_else(|| {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |since| since.as_nanos() as u64)
    });
    eprintln!("--seed {seed}");
    for target in chosen {
        match run(target, seed, Limit::Time(Duration::from_secs(options.seconds))) {
            Ok(ran) => {
                eprintln!("{:10}  {:>9} inputs, the slowest took {:?}", target.name, ran.inputs, ran.slowest)
            }
            Err(failure) => {
                eprintln!("{failure}");
                return ExitCode::FAILURE;
            }
        }
    }
    bounded()
}

fn one(target: &'static Target, hex: &str) -> ExitCode {
    let digits: Option<Vec<u8>> =
        hex.chars().map(|digit| digit.to_digit(16).map(|digit| digit as u8)).collect();
    let Some(digits) = digits.filter(|digits| digits.len() % 2 == 0) else {
        eprintln!("an input is given in pairs of hexadecimal digits");
        return ExitCode::from(2);
    };
    let input: Vec<u8> = digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect();
    // What a target decides by chance is where it cuts: some ways are tried.
    for seed in 0..100 {
        if let Err(failure) = try_one(target, &input, seed) {
            eprintln!("{failure}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

#[cfg(target_os = "linux")]
fn bounded() -> ExitCode {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:")?.split_whitespace().next()?.parse::<u64>().ok());
    match peak {
        Some(peak) if peak > PEAK_KB_MAX => {
            eprintln!("it took {peak} kB of memory, and {PEAK_KB_MAX} would be enough");
            ExitCode::FAILURE
        }
        _ => ExitCode::SUCCESS,
    }
}

#[cfg(not(target_os = "linux"))]
fn bounded() -> ExitCode {
    ExitCode::SUCCESS
}

//! `demo.wall` and `demo.peak_rss`: `opsconductor demo --once --json`, from start to exit, as a process of its own.

use std::{
    env,
    error::Error,
    io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use opsconductor_benches::{Bench, Better, memory::peak_rss_mib};

/// How often the memory of the running program is read. The kernel keeps the peak, so that only the last moments before
/// the exit can be missed.
const LOOK: Duration = Duration::from_millis(2);

/// Measures and prints both.
pub(crate) fn run(bench: &Bench) -> Result<(), Box<dyn Error>> {
    if !bench.options().wants("demo.wall") && !bench.options().wants("demo.peak_rss") {
        return Ok(());
    }
    let quick = bench.options().rounds == 1;
    let program = if quick && let Some(built) = beside()? { built } else { build(quick)? };
    for round in 1..=bench.options().rounds {
        let started = Instant::now();
        let mut demo = Command::new(&program)
            .args(["demo", "--once", "--json"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let mut peak = 0.0_f64;
        let status = loop {
            peak = peak.max(peak_rss_mib(demo.id()).unwrap_or(0.0));
            if let Some(status) = demo.try_wait()? {
                break status;
            }
            std::thread::sleep(LOOK);
        };
        let wall = started.elapsed().as_secs_f64();
        if !status.success() {
            return Err(format!("the demo ended with {status}").into());
        }
        bench.print("demo.wall", (wall, "s", Better::Lower), 1, round)?;
        bench.print("demo.peak_rss", (peak, "MiB", Better::Lower), 1, round)?;
    }
    Ok(())
}

/// The program that the tests of the workspace, this short round among them, were built with.
fn beside() -> io::Result<Option<PathBuf>> {
    let bench = env::current_exe()?;
    let program = bench.parent().and_then(Path::parent).map(|folder| folder.join("opsconductor"));
    Ok(program.filter(|program| program.is_file()))
}

/// Builds the program as this bench itself was built, and says where it is.
fn build(quick: bool) -> Result<PathBuf, Box<dyn Error>> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["build", "--locked", "--package", "opsconductor-server", "--message-format", "json"]);
    // As the tests of the program want it: cargo keeps it at one place for all.
    command.args(["--features", "postgres"]);
    if !quick {
        command.arg("--release");
    }
    let built = command.stderr(Stdio::inherit()).output()?;
    if !built.status.success() {
        return Err("the opsconductor program was not built".into());
    }
    for line in String::from_utf8(built.stdout)?.lines() {
        let message: serde_json::Value = serde_json::from_str(line)?;
        let path = message["executable"].as_str().filter(|_| message["target"]["name"] == "opsconductor");
        if let Some(path) = path {
            return Ok(path.into());
        }
    }
    Err("cargo did not say where it put the opsconductor program".into())
}

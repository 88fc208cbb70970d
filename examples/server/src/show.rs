//! How runs are shown: output as it arrives, bars, a table, or JSON.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressStyle};
use opsconductor_core::{
    Error,
    engine::{Run, RunEvent, RunResult},
    run::EventKind,
};
use serde_json::{Value, json};

use crate::exit::{answer, say};

/// Follows a run to its end: a bar over its tasks, and each line of output under its target's name. On standard error,
/// so that standard output holds the result alone.
pub(crate) async fn follow(job: &str, run: &Run) -> Result<(), Error> {
    let tasks = run.steps().await?.len() as u64;
    let bar = ProgressBar::new(tasks);
    if let Ok(style) = ProgressStyle::with_template("{prefix:.bold} [{bar:30}] {pos}/{len} {elapsed}") {
        bar.set_style(style.progress_chars("=> "));
    }
    bar.set_prefix(job.to_owned());
    if !std::io::stderr().is_terminal() {
        say(&format!("{job}: run {}, {tasks} tasks", run.id()));
    }
    let mut events = run.events();
    while let Some(event) = events.next().await? {
        match &event.kind {
            EventKind::StepOutput { text, .. } => {
                for line in text.lines() {
                    print_above(&bar, &format!("{} | {line}", place(&event)));
                }
            }
            EventKind::StepFinished { status, reason } => {
                bar.inc(1);
                if let Some(reason) = reason {
                    print_above(&bar, &format!("{} {status}: {reason}", place(&event)));
                }
            }
            EventKind::RunFinished { status } => {
                bar.finish();
                print_above(&bar, &format!("{job}: {status}"));
            }
            _ => {}
        }
    }
    Ok(())
}

/// A bar that is not drawn swallows what is printed above it, so without a terminal the line goes out by itself.
fn print_above(bar: &ProgressBar, line: &str) {
    if bar.is_hidden() {
        say(line);
    } else {
        bar.println(line);
    }
}

fn place(event: &RunEvent) -> String {
    let step = event.step.as_deref().unwrap_or_default();
    match event.target.as_deref() {
        Some(target) => format!("{target:<6} {step:<8}"),
        None => format!("{step:<15}"),
    }
}

/// The results as the one object on standard output.
pub(crate) fn as_json(results: &[(String, RunResult)]) -> Result<(), Error> {
    let runs: Vec<Value> = results
        .iter()
        .map(|(job, result)| {
            let steps: Vec<Value> = result
                .steps
                .iter()
                .map(|step| {
                    json!({
                        "type": step.kind,
                        "target": step.target,
                        "status": step.status,
                        "exit_code": step.exit_code,
                        "duration_ms": step.duration.map(|took| took.as_micros() as f64 / 1e3),
                    })
                })
                .collect();
            json!({"job": job, "status": result.status, "steps": steps})
        })
        .collect();
    answer(&json!({"runs": runs}).to_string())
}

/// The results as a table on standard output.
pub(crate) fn as_table(results: &[(String, RunResult)]) -> Result<(), Error> {
    let mut rows = vec![["job", "step", "type", "target", "status", "exit", "ms"].map(str::to_owned)];
    for (job, result) in results {
        for step in &result.steps {
            rows.push([
                job.clone(),
                step.step.clone(),
                step.kind.clone(),
                step.target.clone().unwrap_or_default(),
                step.status.to_string(),
                step.exit_code.map(|code| code.to_string()).unwrap_or_default(),
                step.duration.map(|took| format!("{:.1}", took.as_secs_f64() * 1e3)).unwrap_or_default(),
            ]);
        }
    }
    answer(&columns(&rows))
}

/// Rows of cells as a table, each column as wide as its widest cell.
pub(crate) fn columns<const N: usize>(rows: &[[String; N]]) -> String {
    let mut widths = [0; N];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |row: &[String; N]| {
        let cells: Vec<_> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        cells.join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

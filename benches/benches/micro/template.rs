//! The sample job's command, rendered.

use std::error::Error;
use std::hint::black_box;

use opsconductor_benches::Bench;
use opsconductor_core::template::{Sink, Template, TemplateOptions, render};
use serde_json::{Map, Value};

const COMMAND: &str = "Restart-Service {{ svc }}; (Get-Service {{ svc }}).Status";
const RENDERED: &str = "Restart-Service Spooler; (Get-Service Spooler).Status";

/// `render.cached`: the template is compiled once. `render.fresh`: compiled each time.
pub(crate) fn run(bench: &Bench) -> Result<(), Box<dyn Error>> {
    let values = Map::from_iter([("svc".to_owned(), Value::from("Spooler"))]);
    let options = TemplateOptions::default();
    let template = Template::compile(COMMAND, Sink::PowerShell, options)?;
    assert_eq!(template.render(&values)?, RENDERED);

    bench.time("render.cached", |iterations| {
        for _ in 0..iterations {
            let _ = black_box(template.render(black_box(&values)));
        }
    })?;
    bench.time("render.fresh", |iterations| {
        for _ in 0..iterations {
            let _ = black_box(render(black_box(COMMAND), &values, Sink::PowerShell, options));
        }
    })?;
    Ok(())
}

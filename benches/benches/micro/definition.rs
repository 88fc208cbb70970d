//! Job definitions, checked.

use std::error::Error;
use std::hint::black_box;

use opsconductor_benches::Bench;
use opsconductor_core::job::{JobSpec, StepKinds};
use serde_json::{Value, json};

/// `validate.1` and `validate.100`: a definition that was read already, of so many steps, becomes a valid job.
pub(crate) fn run(bench: &Bench) -> Result<(), Box<dyn Error>> {
    let kinds = StepKinds::built_in();
    for (metric, steps) in [("validate.1", 1), ("validate.100", 100)] {
        let spec = JobSpec::from_value(definition(steps));
        assert_eq!(spec.validate(&kinds)?.steps().len(), steps);

        bench.time(metric, |iterations| {
            for _ in 0..iterations {
                let _ = black_box(black_box(&spec).validate(&kinds));
            }
        })?;
    }
    Ok(())
}

/// Steps like the sample job's first, each a little different.
fn definition(steps: usize) -> Value {
    let steps: Vec<Value> = (0..steps)
        .map(|step| {
            json!({
                "type": "winrm.exec",
                "shell": "powershell",
                "target": format!("windows-{step}"),
                "command": format!("Restart-Service {{{{ svc }}}}; (Get-Service {{{{ svc }}}}).Status # {step}"),
                "timeoutSec": 90,
            })
        })
        .collect();
    json!({"name": "Restart service on Windows", "version": 1, "parameters": {"svc": "Spooler"}, "steps": steps})
}

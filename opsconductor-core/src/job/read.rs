//! Reads the members of a step that every kind has, once its shape is known to fit or its faults are known.

use serde_json::{Map, Value};

use super::{
    members, place,
    registry::StepKind,
    selector::Selector,
    valid::{TargetChoice, ValidStep},
};
use crate::{
    Problem,
    run::{
        plan::OnLost,
        retry::{BACKOFF_SEC_DEFAULT, BACKOFF_SEC_MAX_DEFAULT, Retry, RetryOn},
    },
};

/// What a step is called that has no id of its own.
pub(super) fn default_id(index: usize) -> String {
    format!("step{}", index + 1)
}

/// Reads the members of a step. Where one does not fit, the fault is known already and anything will do.
pub(super) fn read_step(given: &Map<String, Value>, kind: &StepKind, index: usize) -> ValidStep {
    let mut step = ValidStep {
        id: String::new(),
        name: None,
        kind: kind.handler.kind().to_owned(),
        protocol: kind.handler.protocol(),
        targets: TargetChoice::None,
        single: false,
        fields: Map::with_capacity(given.len()),
        timeout_sec: members::TIMEOUT_SEC_DEFAULT,
        continue_on_error: false,
        on_lost: OnLost::Fail,
        idempotent: false,
        max_output_bytes: members::OUTPUT_BYTES_DEFAULT,
        wait_all: false,
        allow_empty: false,
        after: Vec::new(),
        when: None,
        retry: None,
        register: None,
    };
    for (name, value) in given {
        match name.as_str() {
            "type" => {}
            "id" => step.id = value.as_str().unwrap_or_default().to_owned(),
            "name" => step.name = value.as_str().map(str::to_owned),
            "target" => {
                step.single = true;
                step.targets = TargetChoice::Names(value.as_str().map(str::to_owned).into_iter().collect());
            }
            "targets" => step.targets = choice(value),
            "timeoutSec" => step.timeout_sec = whole(value).unwrap_or_default() as u32,
            "continueOnError" => step.continue_on_error = value.as_bool().unwrap_or_default(),
            "onLost" if value == "retry" => step.on_lost = OnLost::Retry,
            "onLost" => {}
            "idempotent" => step.idempotent = value.as_bool().unwrap_or_default(),
            "maxOutputBytes" => step.max_output_bytes = whole(value).unwrap_or_default() as u64,
            "wait" => step.wait_all = true,
            "allowEmpty" => step.allow_empty = value.as_bool().unwrap_or_default(),
            // Read with those of all steps, as their order.
            "dependsOn" => {}
            "when" => step.when = value.as_str().map(str::to_owned),
            "retry" => step.retry = value.as_object().map(retry),
            "register" => step.register = value.as_str().map(str::to_owned),
            _ => {
                step.fields.insert(name.clone(), value.clone());
            }
        }
    }
    if step.id.is_empty() {
        step.id = default_id(index);
    }
    step
}

fn choice(value: &Value) -> TargetChoice {
    match value.as_array() {
        Some(names) => {
            TargetChoice::Names(names.iter().filter_map(Value::as_str).map(str::to_owned).collect())
        }
        None => TargetChoice::Selected(Selector::read(value)),
    }
}

fn retry(given: &Map<String, Value>) -> Retry {
    let number = |name: &str| given.get(name).and_then(whole).map(|number| number as u32);
    let longest = number("maxBackoffSec").unwrap_or(BACKOFF_SEC_MAX_DEFAULT);
    let on = given.get("on").and_then(Value::as_array).map(|names| {
        RetryOn::ALL.into_iter().filter(|on| names.iter().any(|name| name == on.as_str())).collect()
    });
    Retry {
        max_attempts: number("maxAttempts").unwrap_or_default(),
        backoff_sec: number("backoffSec").unwrap_or(BACKOFF_SEC_DEFAULT).min(longest),
        max_backoff_sec: longest,
        on: on.unwrap_or_else(|| vec![RetryOn::Failure, RetryOn::Connection]),
    }
}

/// A whole number, also when it was written as `60.0`, which JSON Schema takes for an integer.
pub(super) fn whole(value: &Value) -> Option<i64> {
    value
        .as_i64()
        .or_else(|| value.as_f64().filter(|number| number.fract() == 0.0).map(|number| number as i64))
}

/// Takes out what is at fault, so that the templates in the rest can be looked at.
pub(super) fn drop_faulty(fields: &mut Map<String, Value>, problems: &[Problem], prefix: &str) {
    for problem in problems {
        let Some(below) = problem.pointer.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('/')) else {
            continue;
        };
        let mut tokens = below.split('/').map(place::unescape);
        let Some(member) = tokens.next() else { continue };
        let Some(last) = tokens.next_back() else {
            fields.shift_remove(&*member);
            continue;
        };
        let mut holder = fields.get_mut(&*member);
        for token in tokens {
            holder = holder.and_then(|value| value.pointer_mut(&place::join("", &token)));
        }
        match holder {
            Some(Value::Object(map)) => drop(map.shift_remove(&*last)),
            // An item keeps its place, so that pointers to the others stay true.
            Some(Value::Array(items)) => {
                if let Some(item) = last.parse::<usize>().ok().and_then(|at| items.get_mut(at)) {
                    *item = Value::Null;
                }
            }
            _ => {}
        }
    }
}

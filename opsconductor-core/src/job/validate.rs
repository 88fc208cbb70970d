//! Checks a definition, once and completely: [`JobSpec::validate`].

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use serde_json::{Map, Value};

use super::{
    compose, concurrency, explain,
    faults::Faults,
    fields::StepTemplates,
    nearest::nearest,
    place,
    registry::{StepKind, StepKinds},
    reserved,
    spec::JobSpec,
    valid::{Checked, TargetChoice, ValidJob, ValidStep},
};
use crate::{
    Error, ErrorKind, Problem, Result,
    run::plan::OnLost,
    template::{Template, TemplateOptions},
};

impl JobSpec {
    /// Checks everything that can be checked without looking at targets, with the step kinds in `kinds`.
    ///
    /// # Errors
    ///
    /// `InvalidJob`; [`Error::problems`] has every fault, in the order of the definition, each with its pointer.
    pub fn validate(&self, kinds: &StepKinds) -> Result<ValidJob> {
        let definition = self.as_value();
        let mut check = Check::new(kinds, self.faults().clone());
        let job = if self.is_left_out() { None } else { check.job(definition) };
        match job {
            Some(mut job) if check.faults.is_empty() => {
                job.definition = Arc::clone(self.shared());
                Ok(ValidJob(Arc::new(job)))
            }
            _ => Err(Error::with_problems(
                ErrorKind::InvalidJob,
                "the job definition does not hold",
                check.faults.into_problems(definition),
            )),
        }
    }
}

/// One pass over a definition.
struct Check<'d> {
    kinds: &'d StepKinds,
    faults: Faults,
    options: TemplateOptions,
    parameters: Option<&'d Map<String, Value>>,
    required: BTreeSet<String>,
}

impl<'d> Check<'d> {
    fn new(kinds: &'d StepKinds, faults: Faults) -> Self {
        Self {
            kinds,
            faults,
            options: TemplateOptions::default(),
            parameters: None,
            required: BTreeSet::new(),
        }
    }

    /// The job, or what could be made of it while faults were found.
    fn job(&mut self, definition: &'d Value) -> Option<Checked> {
        let Some(members) = definition.as_object() else {
            let given = explain::value_type(definition);
            let message =
                format!("a job definition is an object with `name`, `version` and `steps`, not {given}");
            self.faults.add("", message);
            return None;
        };
        self.kinds.job().check(definition, "", &mut self.faults);
        let flag = |name: &str| members.get(name).and_then(Value::as_bool).unwrap_or_default();
        let number = |name: &str| members.get(name).and_then(whole).unwrap_or_default();
        let allow_raw = flag("allowRaw");
        self.options.allow_raw = allow_raw;
        self.parameters = members.get("parameters").and_then(Value::as_object);
        let concurrency_key = members.get("concurrencyKey").and_then(Value::as_str);
        let concurrency_key = concurrency_key.and_then(|source| self.concurrency_key(source));
        let steps =
            self.steps(members.get("steps").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default());
        Some(Checked {
            definition: Arc::default(),
            name: members.get("name").and_then(Value::as_str).unwrap_or_default().to_owned(),
            version: number("version") as i32,
            priority: number("priority") as i16,
            concurrency_key,
            allow_raw,
            parameters: self.parameters.cloned().unwrap_or_default(),
            required: std::mem::take(&mut self.required).into_iter().collect(),
            steps,
        })
    }

    /// The template that tells runs apart. It is rendered when a run is enqueued: the run has no number yet and is on no
    /// target.
    fn concurrency_key(&mut self, source: &str) -> Option<Template> {
        let pointer = place::join("", concurrency::MEMBER);
        let template = match Template::compile(source, concurrency::SINK, self.options) {
            Ok(template) => template,
            Err(error) => {
                self.faults.add(pointer, error.to_string());
                return None;
            }
        };
        for name in template.names() {
            if reserved::is_reserved(name) {
                let message =
                    format!("a concurrency key is made of parameters alone and cannot read `{name}`");
                self.faults.add(pointer.clone(), message);
            } else {
                self.need(name, &template);
            }
        }
        Some(template)
    }

    /// A name that a template reads and nothing declares is a parameter that every run must bring.
    fn need(&mut self, name: &str, template: &Template) {
        let declared = self.parameters.is_some_and(|parameters| parameters.contains_key(name));
        let optional = template.optional_names().binary_search_by(|other| other.as_str().cmp(name)).is_ok();
        if !declared && !optional && !self.required.contains(name) {
            self.required.insert(name.to_owned());
        }
    }

    fn steps(&mut self, definitions: &'d [Value]) -> Vec<ValidStep> {
        let mut steps = Vec::with_capacity(definitions.len());
        let mut ids: HashMap<&str, usize> = HashMap::with_capacity(definitions.len());
        for (index, definition) in definitions.iter().enumerate() {
            if self.faults.is_full() {
                break;
            }
            if let Some(id) = definition.get("id").and_then(Value::as_str) {
                self.own_id(id, index, definitions, &mut ids);
            }
            steps.extend(self.step(definition, index));
        }
        steps
    }

    /// An id that another step has, by its author or by its place.
    fn own_id<'i>(&mut self, id: &'i str, index: usize, steps: &[Value], ids: &mut HashMap<&'i str, usize>) {
        if let Some(first) = ids.get(id) {
            let message = format!("`{id}` is the id of step {} already: ids must differ", first + 1);
            self.faults.add(place::join(&place::step(index), "id"), message);
            return;
        }
        ids.insert(id, index);
        let by_place =
            id.strip_prefix("step").and_then(|number| number.parse::<usize>().ok()).unwrap_or_default();
        let holder = by_place.checked_sub(1).filter(|at| *at != index).and_then(|at| steps.get(at));
        if holder.is_some_and(|step| step.get("id").is_none()) && id == default_id(by_place - 1) {
            let message =
                format!("`{id}` is what step {by_place} is called, since it has no id: choose another");
            self.faults.add(place::join(&place::step(index), "id"), message);
        }
    }

    fn step(&mut self, definition: &'d Value, index: usize) -> Option<ValidStep> {
        let kinds = self.kinds;
        let kind = definition.get("type").and_then(Value::as_str);
        let Some(kind) = kind.and_then(|name| kinds.kind(name)) else {
            self.unknown_kind(definition, index);
            return None;
        };
        // The pointer is spelled out only for a step with a fault.
        let known = self.faults.as_slice().len();
        let fits = kind.shape.check(definition, "", &mut self.faults);
        let members = definition.as_object()?;
        let mut step = read_step(members, kind, index);
        if !fits {
            let prefix = place::step(index);
            self.faults.move_below(known, &prefix);
            drop_faulty(&mut step.fields, &self.faults.as_slice()[known..], &prefix);
        }
        let problems = if fits { kind.handler.check(&step.fields) } else { Vec::new() };
        let (templates, broken) =
            StepTemplates::compile_each(kind.handler.as_ref(), &step.fields, self.options);
        for problem in problems.into_iter().chain(broken) {
            self.faults.add(place::step(index) + &problem.pointer, problem.message);
        }
        for (pointer, template) in templates.iter() {
            self.names(template, step.protocol.is_some(), index, pointer);
        }
        Some(step)
    }

    /// A step whose kind is missing or not known. What every step may have is checked all the same.
    fn unknown_kind(&mut self, definition: &Value, index: usize) {
        let prefix = place::step(index);
        self.kinds.any_step().check(definition, &prefix, &mut self.faults);
        let Some(given) = definition.get("type").and_then(Value::as_str) else { return };
        let names: Vec<&str> = self.kinds.names().collect();
        let mut message = format!("there is no step type `{given}`");
        match nearest(given, names.iter().copied()) {
            Some(meant) => message += &format!("; did you mean `{meant}`?"),
            None => message += &format!("; there are {}", explain::list(&names, "and")),
        }
        self.faults.add(place::join(&prefix, "type"), message);
    }

    /// Which parameters a template makes necessary, and whether it reads what is not there.
    fn names(&mut self, template: &Template, on_target: bool, index: usize, pointer: &str) {
        for name in template.names() {
            if reserved::is_reserved(name) {
                self.reserved_name(name, template, on_target, index, pointer);
            } else {
                self.need(name, template);
            }
        }
    }

    fn reserved_name(
        &mut self,
        name: &str,
        template: &Template,
        on_target: bool,
        index: usize,
        pointer: &str,
    ) {
        let members: &[&str] = match name {
            "target" if on_target => &reserved::TARGET_MEMBERS,
            "target" => {
                let message = "this step acts on no target, so its templates cannot read `target`";
                self.faults.add(place::step(index) + pointer, message);
                return;
            }
            "run" => &reserved::RUN_MEMBERS,
            _ => {
                let message =
                    "no earlier step's output is available to templates in this version: remove `steps`";
                self.faults.add(place::step(index) + pointer, message);
                return;
            }
        };
        for path in template.paths() {
            let mut parts = path.split('.');
            if parts.next() != Some(name) {
                continue;
            }
            if let Some(member) = parts.next().filter(|member| !members.contains(member)) {
                let message = match nearest(member, members.iter().copied()) {
                    Some(meant) => format!("`{name}` has no `{member}`; did you mean `{name}.{meant}`?"),
                    None => format!("`{name}` has no `{member}`, only {}", explain::list(members, "and")),
                };
                self.faults.add(place::step(index) + pointer, message);
            }
        }
    }
}

fn default_id(index: usize) -> String {
    format!("step{}", index + 1)
}

/// Reads the members of a step. Where one does not fit, the fault is known already and anything will do.
fn read_step(members: &Map<String, Value>, kind: &StepKind, index: usize) -> ValidStep {
    let mut step = ValidStep {
        id: String::new(),
        name: None,
        kind: kind.handler.kind().to_owned(),
        protocol: kind.handler.protocol(),
        targets: TargetChoice::None,
        single: false,
        fields: Map::with_capacity(members.len()),
        timeout_sec: compose::TIMEOUT_SEC_DEFAULT,
        continue_on_error: false,
        on_lost: OnLost::Fail,
        idempotent: false,
        max_output_bytes: compose::OUTPUT_BYTES_DEFAULT,
        wait_all: false,
    };
    for (name, value) in members {
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
    let texts = |value: &Value| {
        let items = value.as_array().map(Vec::as_slice).unwrap_or_default();
        items.iter().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    match value.get("tags") {
        Some(tags) => TargetChoice::Tags(texts(tags)),
        None => TargetChoice::Names(texts(value)),
    }
}

/// A whole number, also when it was written as `60.0`, which JSON Schema takes for an integer.
fn whole(value: &Value) -> Option<i64> {
    value
        .as_i64()
        .or_else(|| value.as_f64().filter(|number| number.fract() == 0.0).map(|number| number as i64))
}

/// Takes out what is at fault, so that the templates in the rest can be looked at.
fn drop_faulty(fields: &mut Map<String, Value>, problems: &[Problem], prefix: &str) {
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

#[cfg(test)]
mod tests;

//! Checks a definition, once and completely: [`JobSpec::validate`].

use std::{collections::HashMap, sync::Arc};

use serde_json::Value;

use super::{
    concurrency, explain,
    faults::Faults,
    fields::StepTemplates,
    graph::Graph,
    lists::{Layout, Lists},
    names::{Names, Reading},
    nearest::nearest,
    notices,
    parameters::{Parameters, Parts},
    place,
    read::{default_id, drop_faulty, read_step, whole},
    registry::StepKinds,
    spec::JobSpec,
    valid::{Checked, ValidJob, ValidStep},
};
use crate::{
    Error, ErrorKind, Result,
    template::{Condition, Template, TemplateOptions},
};

impl JobSpec {
    /// Checks everything that can be checked without looking at targets, with the step kinds in `kinds`.
    ///
    /// # Errors
    ///
    /// `InvalidJob`; [`Error::problems`] has every fault, in the order of the definition, each with its pointer.
    pub fn validate(&self, kinds: &StepKinds) -> Result<ValidJob> {
        let definition = self.as_value();
        let lists = Lists::read(definition);
        let mut check = Check::new(kinds, self.faults().clone(), lists.layout);
        let job = if self.is_left_out() { None } else { check.job(definition, &lists.steps) };
        match job {
            Some(mut job) if check.faults.is_empty() => {
                job.definition = Arc::clone(self.shared());
                Ok(ValidJob(Arc::new(job)))
            }
            _ => Err(Error::with_problems(
                ErrorKind::InvalidJob,
                "the job definition does not hold",
                check.faults.laid_out(lists.layout).into_problems(definition),
            )),
        }
    }
}

/// One pass over a definition.
struct Check<'d> {
    kinds: &'d StepKinds,
    faults: Faults,
    options: TemplateOptions,
    /// The templates of steps, to be looked at when all steps are known.
    readings: Vec<Reading>,
    layout: Layout,
}

impl<'d> Check<'d> {
    fn new(kinds: &'d StepKinds, faults: Faults, layout: Layout) -> Self {
        Self { kinds, faults, options: TemplateOptions::default(), readings: Vec::new(), layout }
    }

    /// The job, or what could be made of it while faults were found.
    fn job(&mut self, definition: &'d Value, definitions: &'d [Value]) -> Option<Checked> {
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
        let parameters = Parameters::read(members, &mut self.faults);
        let mut steps = self.steps(definitions);
        let graph = Graph::read(definitions, self.layout, &mut self.faults);
        if self.faults.is_empty() {
            steps.iter_mut().enumerate().for_each(|(index, step)| step.after = graph.before(index).to_vec());
        }
        let mut names = Names::new(&parameters, definitions, &graph, &mut self.faults);
        for reading in &self.readings {
            names.of_step(reading, &mut self.faults);
        }
        let concurrency_key = members.get(concurrency::MEMBER).and_then(Value::as_str);
        let concurrency_key = concurrency_key.and_then(|source| {
            let template = self.concurrency_key(source)?;
            names.of_job(&template, &place::join("", concurrency::MEMBER), &mut self.faults);
            Some(template)
        });
        let notify = notices::read(members, &mut self.faults);
        let required = names.required();
        let Parts { defaults, schema, secrets } = parameters.into_parts();
        Some(Checked {
            definition: Arc::default(),
            name: members.get("name").and_then(Value::as_str).unwrap_or_default().to_owned(),
            version: number("version") as i32,
            priority: number("priority") as i16,
            concurrency_key,
            allow_raw,
            parameters: defaults,
            schema,
            secrets,
            required,
            steps,
            layout: self.layout,
            timeout_sec: members.get("timeoutSec").and_then(whole).map(|number| number as u32),
            max_parallel: members.get("maxParallel").and_then(whole).map(|number| number as u32),
            notify,
        })
    }

    /// The template that tells runs apart.
    fn concurrency_key(&mut self, source: &str) -> Option<Template> {
        match Template::compile(source, concurrency::SINK, self.options) {
            Ok(template) => Some(template),
            Err(error) => {
                self.faults.add(place::join("", concurrency::MEMBER), error.to_string());
                None
            }
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
        let on_target = step.protocol.is_some();
        let mut read = |pointer: &str, template: &Template| {
            let exposed = kind.handler.exposes(pointer);
            let (pointer, template) = (pointer.to_owned(), template.clone());
            self.readings.push(Reading { step: index, pointer, template, on_target, exposed });
        };
        templates.iter().for_each(|(pointer, template)| read(pointer, template));
        match step.when.as_deref().map(Condition::compile) {
            Some(Ok(condition)) => read("/when", condition.reads()),
            Some(Err(error)) => self.faults.add(place::join(&place::step(index), "when"), error.to_string()),
            None => {}
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
}

#[cfg(test)]
mod tests;

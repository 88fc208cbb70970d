//! What the templates of a job read: parameters, and what the engine tells them.

use std::collections::{BTreeSet, HashMap};

use serde_json::Value;

use super::{
    explain, faults::Faults, graph::Graph, nearest::nearest, parameters::Parameters, place, reserved,
};
use crate::template::Template;

/// A template of a step.
pub(super) struct Reading {
    pub(super) step: usize,
    /// Relative to the step.
    pub(super) pointer: String,
    pub(super) template: Template,
    /// Whether the step acts on targets.
    pub(super) on_target: bool,
    /// Why no secret may stand there, if so.
    pub(super) exposed: Option<&'static str>,
}

/// Everything that templates may read, and what they were found to need.
pub(super) struct Names<'d> {
    parameters: &'d Parameters<'d>,
    steps: &'d [Value],
    graph: &'d Graph,
    registered: HashMap<&'d str, usize>,
    required: BTreeSet<String>,
}

impl<'d> Names<'d> {
    pub(super) fn new(
        parameters: &'d Parameters<'d>,
        steps: &'d [Value],
        graph: &'d Graph,
        faults: &mut Faults,
    ) -> Self {
        let mut names =
            Self { parameters, steps, graph, registered: HashMap::new(), required: BTreeSet::new() };
        for (index, step) in steps.iter().enumerate() {
            if let Some(name) = step.get("register").and_then(Value::as_str) {
                names.register(name, index, faults);
            }
        }
        names
    }

    /// The parameters that every run must bring, sorted.
    pub(super) fn required(self) -> Vec<String> {
        self.parameters.required(self.required)
    }

    fn register(&mut self, name: &'d str, index: usize, faults: &mut Faults) {
        let message = if let Some(first) = self.registered.get(name) {
            format!("`{name}` is registered by `{}` already: names must differ", self.graph.ids()[*first])
        } else if self.parameters.declares(name) {
            format!("`{name}` is a parameter: register another name")
        } else {
            self.registered.insert(name, index);
            return;
        };
        faults.add(place::join(&place::step(index), "register"), message);
    }

    /// Looks at a template that is rendered when a run is enqueued, at `pointer`: the run has no number yet and is on no
    /// target.
    pub(super) fn of_job(&mut self, template: &Template, pointer: &str, faults: &mut Faults) {
        for name in template.names() {
            if reserved::is_reserved(name) || self.registered.contains_key(name.as_str()) {
                let message =
                    format!("a concurrency key is made of parameters alone and cannot read `{name}`");
                faults.add(pointer, message);
            } else if self.parameters.is_secret(name) {
                let message =
                    format!("`{name}` is secret and a concurrency key is shown: make it of other parameters");
                faults.add(pointer, message);
            } else {
                self.need(name, template, pointer, faults);
            }
        }
    }

    /// Looks at a template of a step.
    pub(super) fn of_step(&mut self, reading: &Reading, faults: &mut Faults) {
        let template = &reading.template;
        for name in template.names() {
            let found = match name.as_str() {
                "target" if reading.on_target => {
                    members(name, template, &reserved::TARGET_MEMBERS).map_or(Ok(()), Err)
                }
                "target" => {
                    Err("this step acts on no target, so its templates cannot read `target`".to_owned())
                }
                "run" => members(name, template, &reserved::RUN_MEMBERS).map_or(Ok(()), Err),
                "steps" => self.outputs(reading),
                name => match self.registered.get(name) {
                    Some(earlier) => self
                        .output(*earlier, name, reading)
                        .and_then(|()| members(name, template, &reserved::STEP_MEMBERS).map_or(Ok(()), Err)),
                    None => {
                        let at = place::step(reading.step) + &reading.pointer;
                        self.need(name, template, &at, faults);
                        match reading.exposed.filter(|_| self.parameters.is_secret(name)) {
                            Some(why) => Err(format!("`{name}` is secret, and {why}")),
                            None => Ok(()),
                        }
                    }
                },
            };
            if let Err(message) = found {
                faults.add(place::step(reading.step) + &reading.pointer, message);
            }
        }
    }

    /// A name that a template reads and nothing declares is a parameter that every run must bring, or a fault where the
    /// parameters are declared by a schema.
    fn need(&mut self, name: &str, template: &Template, pointer: &str, faults: &mut Faults) {
        if let Some(message) = self.parameters.unknown(name) {
            faults.add(pointer, message);
            return;
        }
        let optional = template.optional_names().binary_search_by(|other| other.as_str().cmp(name)).is_ok();
        if !optional && !self.required.contains(name) {
            self.required.insert(name.to_owned());
        }
    }

    /// What is read of `steps`.
    fn outputs(&self, reading: &Reading) -> Result<(), String> {
        for path in reading.template.paths() {
            let mut parts = path.split('.');
            if parts.next() != Some("steps") {
                continue;
            }
            let Some(id) = parts.next() else {
                return Err("`steps` is read by the id of a step, such as `steps.check.stdout`".to_owned());
            };
            let ids = self.graph.ids();
            let Some(earlier) = ids.iter().position(|other| other == id) else {
                let message = format!("there is no step `{id}`");
                return Err(match nearest(id, ids.iter().map(String::as_str)) {
                    Some(meant) => format!("{message}; did you mean `steps.{meant}`?"),
                    None => message,
                });
            };
            self.output(earlier, id, reading)?;
            if let Some(message) =
                unknown_member(&format!("steps.{id}"), parts.next(), &reserved::STEP_MEMBERS)
            {
                return Err(message);
            }
        }
        Ok(())
    }

    /// Whether a step may read the output of the one at `earlier`, which it calls `name`.
    fn output(&self, earlier: usize, name: &str, reading: &Reading) -> Result<(), String> {
        if !self.graph.comes_before(earlier, reading.step) {
            return Err(format!(
                "`{}` has not always ended when this step begins, so `{name}` cannot be read here: name it in `dependsOn`",
                self.graph.ids()[earlier]
            ));
        }
        let (read, own) = (Chosen::of(&self.steps[earlier]), Chosen::of(&self.steps[reading.step]));
        if read.is_sole() || read == own {
            return Ok(());
        }
        Err(format!(
            "`{}` acts on other targets than this step, so it is not said whose output `{name}` is: let both act on the \
             same `targets`, or the earlier one on a single target",
            self.graph.ids()[earlier]
        ))
    }
}

/// The targets of a step as they are written.
#[derive(PartialEq)]
enum Chosen<'d> {
    None,
    One(&'d Value),
    Many(&'d Value),
}

impl<'d> Chosen<'d> {
    fn of(step: &'d Value) -> Self {
        match (step.get("target"), step.get("targets")) {
            (Some(target), _) => Self::One(target),
            (None, Some(Value::Array(names))) if names.len() == 1 => Self::One(&names[0]),
            (None, Some(targets)) => Self::Many(targets),
            (None, None) => Self::None,
        }
    }

    fn is_sole(&self) -> bool {
        !matches!(self, Self::Many(_))
    }
}

/// What is wrong with the members of `name` that a template reads.
fn members(name: &str, template: &Template, known: &[&str]) -> Option<String> {
    template.paths().iter().find_map(|path| {
        let mut parts = path.split('.');
        if parts.next() == Some(name) { unknown_member(name, parts.next(), known) } else { None }
    })
}

fn unknown_member(name: &str, member: Option<&str>, known: &[&str]) -> Option<String> {
    let member = member.filter(|member| !known.contains(member))?;
    Some(match nearest(member, known.iter().copied()) {
        Some(meant) => format!("`{name}` has no `{member}`; did you mean `{name}.{meant}`?"),
        None => format!("`{name}` has no `{member}`, only {}", explain::list(known, "and")),
    })
}

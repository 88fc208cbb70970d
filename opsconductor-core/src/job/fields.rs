//! The templates of one step, compiled: [`StepTemplates`].

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::{place, step::StepHandler};
use crate::{
    Problem, Result,
    template::{Template, TemplateOptions},
};

/// The templates among the members of a step that belong to its kind. Compile them once for a step and render them for each
/// target.
#[derive(Debug, Clone)]
pub struct StepTemplates {
    templates: Vec<StepTemplate>,
}

#[derive(Debug, Clone)]
struct StepTemplate {
    /// RFC 6901, relative to the step.
    pointer: String,
    template: Template,
}

impl StepTemplates {
    /// Compiles what `handler` says are templates in `fields`. A pointer that leads to nothing or not to a string is passed
    /// over: there is nothing to render.
    ///
    /// # Errors
    ///
    /// A problem for each template that does not hold, with its pointer relative to the step.
    pub fn compile(
        handler: &dyn StepHandler,
        fields: &Map<String, Value>,
        options: TemplateOptions,
    ) -> Result<Self, Vec<Problem>> {
        let (templates, problems) = Self::compile_each(handler, fields, options);
        if problems.is_empty() { Ok(templates) } else { Err(problems) }
    }

    /// As [`StepTemplates::compile`], with those templates that do hold beside the problems of the others.
    pub(super) fn compile_each(
        handler: &dyn StepHandler,
        fields: &Map<String, Value>,
        options: TemplateOptions,
    ) -> (Self, Vec<Problem>) {
        let found = handler.templates(fields);
        let mut templates = Vec::with_capacity(found.len());
        let mut problems = Vec::new();
        for field in found {
            let Some(source) = string_at(fields, &field.pointer) else { continue };
            match Template::compile(source, field.sink, options) {
                Ok(template) => templates.push(StepTemplate { pointer: field.pointer, template }),
                Err(error) => problems.push(Problem::new(field.pointer, error.to_string())),
            }
        }
        (Self { templates }, problems)
    }

    /// `fields` with every template rendered. What is not a template stays as it is.
    ///
    /// # Errors
    ///
    /// `Template`, naming the parameter and the member, when a value is missing or may not go where it stands. Nothing has
    /// been sent anywhere then.
    pub fn render(
        &self,
        fields: &Map<String, Value>,
        values: &Map<String, Value>,
    ) -> Result<Map<String, Value>> {
        self.render_some(fields, values, |_| true)
    }

    /// As [`StepTemplates::render`], of those templates that `which` picks; the others stay as they are.
    pub(crate) fn render_some(
        &self,
        fields: &Map<String, Value>,
        values: &Map<String, Value>,
        which: impl Fn(&Template) -> bool,
    ) -> Result<Map<String, Value>> {
        let mut rendered = fields.clone();
        for StepTemplate { pointer, template } in self.templates.iter().filter(|one| which(&one.template)) {
            if let Some(place) = value_at_mut(&mut rendered, pointer) {
                let text = template.render(values).map_err(|error| error.with("member", pointer))?;
                *place = Value::String(text);
            }
        }
        Ok(rendered)
    }

    /// Each template with its pointer, relative to the step.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Template)> {
        self.templates.iter().map(|one| (one.pointer.as_str(), &one.template))
    }
}

/// Splits a pointer into its first member and the pointer below it.
fn split(pointer: &str) -> Option<(Cow<'_, str>, &str)> {
    let tokens = pointer.strip_prefix('/')?;
    let (first, rest) = tokens.split_at(tokens.find('/').unwrap_or(tokens.len()));
    Some((place::unescape(first), rest))
}

fn string_at<'f>(fields: &'f Map<String, Value>, pointer: &str) -> Option<&'f str> {
    let (member, rest) = split(pointer)?;
    fields.get(&*member)?.pointer(rest)?.as_str()
}

fn value_at_mut<'f>(fields: &'f mut Map<String, Value>, pointer: &str) -> Option<&'f mut Value> {
    let (member, rest) = split(pointer)?;
    fields.get_mut(&*member)?.pointer_mut(rest)
}

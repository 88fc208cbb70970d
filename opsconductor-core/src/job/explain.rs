//! Turns what a JSON Schema validator finds into sentences that a person can act on.

use jsonschema::{ValidationError, error::ValidationErrorKind as Kind};
use serde_json::Value;

use super::{faults::Faults, nearest::nearest, place};

/// Adds `error`, found by `schema` in something called `what`, to `faults`.
pub(super) fn error(
    error: &ValidationError<'_>,
    schema: &Value,
    what: &str,
    prefix: &str,
    faults: &mut Faults,
) {
    let at = format!("{prefix}{}", error.instance_path().as_str());
    let own = Scope::of(error, schema);
    match error.kind() {
        Kind::AdditionalProperties { unexpected } | Kind::UnevaluatedProperties { unexpected } => {
            for name in unexpected {
                faults.add(
                    place::join(&at, name),
                    unknown_member(name, own.schema, what, error.instance_path().is_empty()),
                );
            }
        }
        Kind::PropertyNames { error: inner } => {
            let name = inner.instance().as_str().unwrap_or_default();
            faults.add(
                place::join(&at, name),
                own.sentence().map_or_else(|| refused_name(name), str::to_owned),
            );
        }
        Kind::AnyOf { context } | Kind::OneOfNotValid { context } => {
            alternatives(error, context, &own, (schema, what, prefix), faults);
        }
        Kind::OneOfMultipleValid { .. } => match own.required_choices() {
            Some(names) => {
                faults.add(at, format!("{} exclude each other: give one of them", list(&names, "and")))
            }
            None => faults
                .add(at, own.sentence().unwrap_or("fits more than one of the forms it may have").to_owned()),
        },
        Kind::Required { property } => {
            let name = property.as_str().unwrap_or_default();
            faults.add(at, own.sentence().map_or_else(|| missing(name, own.schema), str::to_owned));
        }
        _ => faults.add(at, own.sentence().map_or_else(|| own.explain(error), str::to_owned)),
    }
}

/// The part of the schema that an error is about.
struct Scope<'s> {
    /// The object that holds the keyword.
    schema: &'s Value,
    /// The keyword's value.
    rule: &'s Value,
    keyword: String,
}

impl<'s> Scope<'s> {
    fn of(error: &ValidationError<'_>, schema: &'s Value) -> Self {
        let path = error.schema_path().as_str();
        let (holder, keyword) = path.rsplit_once('/').unwrap_or(("", path));
        let holder = schema.pointer(holder).unwrap_or(&Value::Null);
        let rule = schema.pointer(path).unwrap_or(&Value::Null);
        Self { schema: holder, rule, keyword: place::unescape(keyword).into_owned() }
    }

    /// The sentence that the schema has for this fault.
    fn sentence(&self) -> Option<&'s str> {
        let special = (self.keyword == "pattern").then(|| self.schema.get("patternErrorMessage")).flatten();
        // An enumeration or a type explains itself better than a sentence about the whole.
        special.or_else(|| self.schema.get("errorMessage")).and_then(Value::as_str)
    }

    /// The names, when the rule is a choice between members of which one is to be there.
    fn required_choices(&self) -> Option<Vec<&'s str>> {
        let choices = self.rule.as_array()?;
        choices
            .iter()
            .map(|choice| match choice.as_object()?.get("required")?.as_array()?.as_slice() {
                [name] if choice.as_object()?.len() == 1 => name.as_str(),
                _ => None,
            })
            .collect()
    }

    fn explain(&self, error: &ValidationError<'_>) -> String {
        let given = error.instance().as_ref();
        match error.kind() {
            Kind::Type { .. } => wrong_type(self.rule, given),
            Kind::Enum { .. } => not_listed(self.rule, given),
            Kind::Constant { .. } => format!("must be {}", shown(self.rule)),
            Kind::Minimum { .. } | Kind::Maximum { .. } => self.between("", "minimum", "maximum"),
            Kind::MinLength { limit: 1 } | Kind::MinItems { limit: 1 } => "must not be empty".to_owned(),
            Kind::MinLength { .. } | Kind::MaxLength { .. } => {
                self.between(" characters", "minLength", "maxLength")
            }
            Kind::MinItems { .. } | Kind::MaxItems { .. } => self.between(" entries", "minItems", "maxItems"),
            Kind::MinProperties { .. } | Kind::MaxProperties { .. } => {
                self.between(" members", "minProperties", "maxProperties")
            }
            Kind::ExclusiveMinimum { limit } => format!("must be more than {limit}"),
            Kind::ExclusiveMaximum { limit } => format!("must be less than {limit}"),
            Kind::UniqueItems => "lists the same entry twice".to_owned(),
            Kind::Pattern { pattern } => format!("does not fit the pattern `{pattern}`"),
            Kind::FalseSchema => "may not be given here".to_owned(),
            // Masked, since what was given may be long, or not for every eye.
            _ => error.masked_with("this value").to_string(),
        }
    }

    fn between(&self, unit: &str, low: &str, high: &str) -> String {
        let verb = if unit.is_empty() { "must be" } else { "must have" };
        match (self.schema.get(low), self.schema.get(high)) {
            (Some(low), Some(high)) => format!("{verb} between {low} and {high}{unit}"),
            (Some(low), None) => format!("{verb} at least {low}{unit}"),
            (None, high) => format!("{verb} at most {}{unit}", high.unwrap_or(&Value::Null)),
        }
    }
}

/// No branch of a choice fits. When the branches differ by type, what was given says which was meant.
fn alternatives(
    error: &ValidationError<'_>,
    branches: &[Vec<ValidationError<'static>>],
    own: &Scope<'_>,
    (schema, what, prefix): (&Value, &str, &str),
    faults: &mut Faults,
) {
    let at = format!("{prefix}{}", error.instance_path().as_str());
    if let Some(names) = own.required_choices() {
        faults.add(at, format!("{} is missing", list(&names, "or")));
        return;
    }
    let here = error.instance_path().as_str();
    let mut meant = branches.iter().filter(|errors| {
        !errors.iter().any(|e| matches!(e.kind(), Kind::Type { .. }) && e.instance_path().as_str() == here)
    });
    match (meant.next(), meant.next()) {
        (Some(errors), None) => {
            for inner in errors {
                self::error(inner, schema, what, prefix, faults);
            }
        }
        _ => faults.add(at, own.sentence().unwrap_or("fits none of the forms it may have").to_owned()),
    }
}

fn missing(name: &str, schema: &Value) -> String {
    match schema
        .pointer(&place::join(&place::join("", "properties"), name))
        .and_then(|p| p.get("description"))
    {
        Some(Value::String(what)) => format!("`{name}` is missing ({what})"),
        _ => format!("`{name}` is missing"),
    }
}

fn unknown_member(name: &str, schema: &Value, what: &str, outermost: bool) -> String {
    let known: Vec<&str> = schema
        .get("properties")
        .and_then(Value::as_object)
        .map(|properties| properties.keys().map(String::as_str).collect())
        .unwrap_or_default();
    if let Some(meant) = nearest(name, known.iter().copied()) {
        return format!("this member is not known; did you mean `{meant}`?");
    }
    let holder = if outermost { what } else { "this" };
    match known.as_slice() {
        [] => format!("this member is not known: {holder} has no members"),
        known => format!("this member is not known: {holder} may have {}", list(known, "and")),
    }
}

fn refused_name(name: &str) -> String {
    if super::reserved::is_reserved(name) {
        format!("`{name}` is reserved for what the engine tells templates: choose another name")
    } else {
        "this name is not allowed here".to_owned()
    }
}

fn wrong_type(expected: &Value, given: &Value) -> String {
    let hint = match (expected.as_str(), given) {
        (Some("string"), Value::Number(_) | Value::Bool(_)) => ": put it in quotes",
        (Some("integer" | "number"), Value::String(text)) if text.trim().parse::<f64>().is_ok() => {
            ": remove the quotes"
        }
        (Some("boolean"), Value::String(text)) if matches!(text.as_str(), "true" | "false") => {
            ": remove the quotes"
        }
        _ => "",
    };
    if given.is_number() && expected == "integer" {
        return "must be a whole number".to_owned();
    }
    let expected: Vec<&str> = match expected {
        Value::Array(types) => types.iter().filter_map(Value::as_str).map(type_name).collect(),
        one => one.as_str().map(type_name).into_iter().collect(),
    };
    format!("must be {}, not {}{hint}", expected.join(" or "), value_type(given))
}

fn type_name(name: &str) -> &str {
    match name {
        "string" => "a string",
        "integer" => "a whole number",
        "number" => "a number",
        "boolean" => "true or false",
        "array" => "a list",
        "object" => "an object",
        other => other,
    }
}

/// What `value` is, with its article.
pub(super) fn value_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

fn not_listed(options: &Value, given: &Value) -> String {
    let options = options.as_array().map(Vec::as_slice).unwrap_or_default();
    let names = match options {
        [one] => format!("must be {}", shown(one)),
        [one, other] => format!("must be {} or {}", shown(one), shown(other)),
        many => format!("must be one of {}", many.iter().map(shown).collect::<Vec<_>>().join(", ")),
    };
    match given.as_str().and_then(|given| nearest(given, options.iter().filter_map(Value::as_str))) {
        Some(meant) if options.len() > 2 => format!("{names}; did you mean `{meant}`?"),
        _ => names,
    }
}

/// A value of a schema as people write it.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => format!("`{text}`"),
        other => format!("`{other}`"),
    }
}

/// `a`, `b` and `c`.
pub(super) fn list(names: &[&str], word: &str) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match names.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} {word} {last}", rest.join(", ")),
        _ => names.concat(),
    }
}

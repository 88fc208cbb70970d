//! `http.request`: sends a request to an HTTP service and checks its answer.

mod assertion;
mod compose;
mod schema;
mod status;
#[cfg(test)]
mod tests;

use async_trait::async_trait;
use serde_json::{Map, Value};

use self::{assertion::Assertion, status::Expected};
use super::blocking;
use crate::{
    Problem, Result,
    job::{
        members::OUTPUT_BYTES_DEFAULT,
        place,
        step::{StepContext, StepHandler, StepOutcome, TemplateField},
    },
    template::Sink,
    transport::{HttpAnswer, Protocol},
};

/// The largest answer that assertions look into.
const ASSERTED_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Sends one request to a target of the protocol `http` and holds its answer against what was expected.
///
/// | member | meaning |
/// |---|---|
/// | `method` | `GET` (default), `HEAD`, `POST`, `PUT`, `PATCH`, `DELETE` or `OPTIONS` |
/// | `path` | path and, if need be, query, below the target's base path; a template for a URL: `/users/{{ name \| quote }}` |
/// | `query` | names and values (text, number, truth value, or a list of these), which are percent-encoded whatever they hold |
/// | `headers` | names and values; each value is a template, and a line break in the result fails the step |
/// | `json` | the body as a value, each text in it a template that stays text; or one text, a template for JSON: `'{"replicas": {{ n }}}'` |
/// | `form` | the body as a form: names and values, as in `query` |
/// | `body` | the body as text, a template |
/// | `expectStatus` | a status, a class such as `2xx`, or a list of these; default `2xx` |
/// | `assert` | what must hold of the answer, see below |
/// | `followRedirects` | `true` for at most 5, or a number up to 10; default `false` |
///
/// Each entry of `assert` says what it looks at (`path`, a JSONPath or a JSON Pointer into the body; or `header`; or, with
/// neither, the body's text) and one of `equals`, `notEquals`, `contains`, `matches` (a regular expression) and `exists`. It
/// must hold for everything that the path selects, which must be something, unless it is `exists: false`. A number or a
/// truth value also equals its text, since templates make texts.
///
/// The text of the answer is the step's output, the status is in its metrics, the exit code is 0 when all expectations hold
/// and 1 when one does not: the step fails then, with the reason. What is longer than `maxOutputBytes` is not read.
///
/// A step that says `idempotent` with a method that is (`GET`, `HEAD`, `OPTIONS`, `PUT`, `DELETE`) fails when the connection
/// breaks after the request was sent; for others the outcome is unknown then, and the step ends as `onLost` says.
#[derive(Debug, Clone, Copy, Default)]
pub struct HttpRequest;

#[async_trait]
impl StepHandler for HttpRequest {
    fn kind(&self) -> &str {
        "http.request"
    }

    fn schema(&self) -> Value {
        schema::schema()
    }

    fn protocol(&self) -> Option<Protocol> {
        Some(Protocol::Http)
    }

    fn templates(&self, fields: &Map<String, Value>) -> Vec<TemplateField> {
        let mut templates = Vec::new();
        for (name, value) in fields {
            let at = place::join("", name);
            match (name.as_str(), value) {
                ("path", _) => templates.push(TemplateField::new(at, Sink::Url)),
                ("json", Value::String(_)) => templates.push(TemplateField::new(at, Sink::Json)),
                ("json" | "form" | "query" | "headers" | "body", value) => texts(value, at, &mut templates),
                ("assert", Value::Array(assertions)) => {
                    for (index, assertion) in assertions.iter().enumerate() {
                        for name in ["equals", "notEquals", "contains"] {
                            if let Some(value) = assertion.get(name) {
                                texts(value, format!("/assert/{index}/{name}"), &mut templates);
                            }
                        }
                    }
                }
                _ => {}
            }
        }
        templates
    }

    fn exposes(&self, pointer: &str) -> Option<&'static str> {
        let first = pointer.split('/').nth(1).unwrap_or_default();
        matches!(first, "path" | "query")
            .then_some("servers and proxies write URLs down: send it in a header or in the body")
    }

    fn check(&self, fields: &Map<String, Value>) -> Vec<Problem> {
        let mut problems = compose::check(fields);
        if let Some(Value::Array(assertions)) = fields.get("assert") {
            for (index, assertion) in assertions.iter().enumerate() {
                let prefix = format!("/assert/{index}");
                problems.extend(Assertion::check(assertion, &prefix));
            }
        }
        problems
    }

    async fn run(&self, context: &mut StepContext<'_>) -> Result<StepOutcome> {
        let fields = context.fields();
        let expected = Expected::read(fields.get("expectStatus"));
        let assertions: Vec<Assertion> = match fields.get("assert") {
            Some(Value::Array(list)) => list.iter().map(Assertion::read).collect::<Result<_>>()?,
            _ => Vec::new(),
        };
        let mut call = compose::call(fields)?;
        let method = call.method.clone();
        let step = context.step();
        call.body_bytes_max = step.map_or(OUTPUT_BYTES_DEFAULT, |step| step.max_output_bytes);
        call.repeatable = step.is_some_and(|step| step.idempotent) && compose::is_idempotent(&method);
        if assertions.iter().any(Assertion::needs_text) {
            call.keep_bytes_max = ASSERTED_BYTES_MAX;
        }
        let has_credential = context.target().is_some_and(|target| target.credential_ref.is_some());
        let answer = context.request(call).await?;

        let outcome = StepOutcome::succeeded()
            .with_metric("target", context.target().map(|target| target.name.as_str()))
            .with_metric("method", method)
            .with_metric("status", answer.status)
            .with_metric("content_type", answer.header("content-type").next())
            .with_metric("content_size", answer.text_bytes)
            .with_metric("redirects", answer.redirects);
        let reason = match expected.fault(&answer, has_credential) {
            Some(fault) => Some(fault),
            None => unmet(assertions, answer).await?,
        };
        Ok(match reason {
            None => outcome.with_exit_code(0),
            Some(reason) => {
                StepOutcome { succeeded: false, reason: Some(reason), ..outcome }.with_exit_code(1)
            }
        })
    }
}

/// The first assertion that does not hold. Looking through a large answer is no work for a thread that others wait for.
async fn unmet(assertions: Vec<Assertion>, answer: HttpAnswer) -> Result<Option<String>> {
    if assertions.is_empty() {
        return Ok(None);
    }
    blocking(move || Ok(assertion::first_unmet(&assertions, &answer))).await
}

/// Every text in `value` is a template whose result stays text.
fn texts(value: &Value, at: String, templates: &mut Vec<TemplateField>) {
    match value {
        Value::String(_) => templates.push(TemplateField::new(at, Sink::Text)),
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                texts(item, format!("{at}/{index}"), templates);
            }
        }
        Value::Object(members) => {
            for (name, member) in members {
                texts(member, place::join(&at, name), templates);
            }
        }
        _ => {}
    }
}

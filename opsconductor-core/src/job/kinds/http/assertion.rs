//! What must hold of an answer.

use regex::{Regex, RegexBuilder};
use serde_json::Value;
use serde_json_path::JsonPath;

use super::ASSERTED_BYTES_MAX;
use crate::{Error, ErrorKind, Problem, Result, transport::HttpAnswer};

/// What a compiled regular expression may take.
const REGEX_BYTES_MAX: usize = 1 << 20;

/// The longest value that a reason shows. A longer one is not shown at all: a part could be the beginning of a secret.
const SHOWN_BYTES_MAX: usize = 80;

/// One entry of `assert`.
pub(super) struct Assertion {
    subject: Subject,
    test: Test,
}

enum Subject {
    Path(String, JsonPath),
    Pointer(String),
    Header(String),
    Text,
}

enum Test {
    Equals(Value),
    NotEquals(Value),
    Contains(String),
    Matches(Regex),
    Exists(bool),
}

impl Assertion {
    /// What is wrong with an entry that fits the schema.
    pub(super) fn check(assertion: &Value, prefix: &str) -> Vec<Problem> {
        let mut problems = Vec::new();
        if let Some(path) = assertion.get("path").and_then(Value::as_str)
            && let Err(fault) = selector(path)
        {
            problems.push(Problem::new(format!("{prefix}/path"), fault));
        }
        if let Some(pattern) = assertion.get("matches").and_then(Value::as_str)
            && let Err(fault) = regex(pattern)
        {
            problems.push(Problem::new(format!("{prefix}/matches"), fault));
        }
        problems
    }

    /// Reads an entry that was checked and rendered.
    pub(super) fn read(assertion: &Value) -> Result<Self> {
        let unchecked = |fault: String| Error::new(ErrorKind::InvalidInput, fault).with("member", "assert");
        let text = |name: &str| assertion.get(name).and_then(Value::as_str);
        let subject = match (text("path"), text("header")) {
            (Some(path), _) => selector(path).map_err(unchecked)?,
            (None, Some(header)) => Subject::Header(header.to_owned()),
            (None, None) => Subject::Text,
        };
        let test =
            match (assertion.get("equals"), assertion.get("notEquals"), text("contains"), text("matches")) {
                (Some(value), ..) => Test::Equals(value.clone()),
                (_, Some(value), ..) => Test::NotEquals(value.clone()),
                (_, _, Some(part), _) => Test::Contains(part.to_owned()),
                (.., Some(pattern)) => Test::Matches(regex(pattern).map_err(unchecked)?),
                _ => Test::Exists(assertion.get("exists").and_then(Value::as_bool).unwrap_or(true)),
            };
        Ok(Self { subject, test })
    }

    /// Whether it looks at the body.
    pub(super) fn needs_text(&self) -> bool {
        !matches!(self.subject, Subject::Header(_))
    }

    fn what(&self) -> String {
        match &self.subject {
            Subject::Path(path, _) | Subject::Pointer(path) => format!("`{path}`"),
            Subject::Header(name) => format!("the header `{name}`"),
            Subject::Text => "the body".to_owned(),
        }
    }

    /// Why it does not hold.
    fn fault(&self, answer: &HttpAnswer, json: &Document<'_>) -> Option<String> {
        match &self.subject {
            Subject::Header(name) => {
                let values: Vec<Value> = answer.header(name).map(Value::from).collect();
                self.judge(&values.iter().collect::<Vec<_>>())
            }
            Subject::Text => {
                let text = Value::from(answer.text.as_deref().unwrap_or_default());
                let found: &[&Value] = if text == "" { &[] } else { &[&text] };
                // Nothing is a text too, if not one that exists.
                match self.test {
                    Test::Exists(_) => self.judge(found),
                    _ => self.judge(&[&text]),
                }
            }
            Subject::Path(_, path) => match json {
                Ok(json) => self.judge(&path.query(json).all()),
                Err(why) => Some(why.clone()),
            },
            Subject::Pointer(pointer) => match json {
                Ok(json) => self.judge(&json.pointer(pointer).into_iter().collect::<Vec<_>>()),
                Err(why) => Some(why.clone()),
            },
        }
    }

    fn judge(&self, found: &[&Value]) -> Option<String> {
        let what = self.what();
        match (&self.test, found) {
            (Test::Exists(true), []) => Some(format!("{what} is not there")),
            (Test::Exists(false), [_, ..]) => Some(format!("{what} is there, and should not be")),
            (Test::Exists(_), _) => None,
            (_, []) => Some(format!("{what} is not there")),
            (test, found) => {
                found.iter().find_map(|value| test.fault(value)).map(|fault| format!("{what} {fault}"))
            }
        }
    }
}

impl Test {
    /// Why it does not hold of a value: the end of a sentence.
    fn fault(&self, value: &Value) -> Option<String> {
        match self {
            Self::Equals(expected) if !equal(value, expected) => {
                Some(format!("is {}, not {}", shown(value), shown(expected)))
            }
            Self::NotEquals(other) if equal(value, other) => Some(format!("is {}", shown(value))),
            Self::Contains(part) if !as_text(value).contains(part.as_str()) => {
                Some(format!("does not contain {}", shown(&Value::from(part.as_str()))))
            }
            Self::Matches(pattern) if !pattern.is_match(&as_text(value)) => {
                Some(format!("does not match `{pattern}`"))
            }
            _ => None,
        }
    }
}

/// The answer as JSON, or why it is none.
type Document<'a> = Result<Value, String>;

/// Why the first assertion that does not hold does not.
pub(super) fn first_unmet(assertions: &[Assertion], answer: &HttpAnswer) -> Option<String> {
    if answer.text.is_none() && assertions.iter().any(Assertion::needs_text) {
        let limit =
            if answer.is_cut { "`maxOutputBytes`".to_owned() } else { format!("{ASSERTED_BYTES_MAX} bytes") };
        return Some(format!(
            "the answer is longer than {limit}, so what was asserted of it cannot be checked"
        ));
    }
    let wants_json = |one: &Assertion| matches!(one.subject, Subject::Path(..) | Subject::Pointer(_));
    let json: Document<'_> = match assertions.iter().any(wants_json) {
        true => serde_json::from_str(answer.text.as_deref().unwrap_or_default()).map_err(|error| {
            format!("the answer is not JSON, at line {} column {}", error.line(), error.column())
        }),
        false => Ok(Value::Null),
    };
    assertions
        .iter()
        .find_map(|one| one.fault(answer, &json))
        .map(|fault| format!("assertion failed: {fault}"))
}

/// Whether both are the same, numbers by their value. What a template wrote is text, so a text also equals the number or
/// the truth value that it spells.
fn equal(value: &Value, expected: &Value) -> bool {
    match (value, expected) {
        (Value::Number(one), Value::Number(other)) => one == other || one.as_f64() == other.as_f64(),
        (Value::Number(_) | Value::Bool(_), Value::String(text)) => as_text(value) == text.as_str(),
        (Value::String(text), Value::Number(_) | Value::Bool(_)) => as_text(expected) == text.as_str(),
        _ => value == expected,
    }
}

fn as_text(value: &Value) -> std::borrow::Cow<'_, str> {
    match value {
        Value::String(text) => text.into(),
        other => other.to_string().into(),
    }
}

fn shown(value: &Value) -> String {
    let kind = match value {
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
        _ => "a number",
    };
    match value.to_string() {
        text if text.len() <= SHOWN_BYTES_MAX => text,
        text => format!("{kind} of {} bytes", text.len()),
    }
}

fn regex(pattern: &str) -> Result<Regex, String> {
    let built =
        RegexBuilder::new(pattern).size_limit(REGEX_BYTES_MAX).dfa_size_limit(REGEX_BYTES_MAX).build();
    built.map_err(|error| {
        let said = error.to_string();
        // The library draws a picture over several lines, the cause last.
        let cause = said.lines().last().unwrap_or_default().trim_start_matches("error: ");
        format!("is not a regular expression: {cause}")
    })
}

fn selector(path: &str) -> Result<Subject, String> {
    if path.is_empty() || path.starts_with('/') {
        return Ok(Subject::Pointer(path.to_owned()));
    }
    if !path.starts_with('$') {
        return Err("must begin with `$`, as a JSONPath does, or with `/`, as a JSON Pointer does".to_owned());
    }
    let (descents, roots) = costs(path);
    if descents > 1 || roots > 1 {
        // Each would look through the whole answer for every place in it.
        return Err("may have `..` once and `$` at its beginning alone: a large answer would take too long"
            .to_owned());
    }
    match JsonPath::parse(path) {
        Ok(parsed) => Ok(Subject::Path(path.to_owned(), parsed)),
        Err(error) => {
            Err(format!("is not a JSONPath, at character {}: {}", error.position() + 1, error.message()))
        }
    }
}

/// How many `..` and `$` there are outside of quotes.
fn costs(path: &str) -> (usize, usize) {
    let (mut descents, mut roots) = (0, 0);
    let mut quote = None;
    let mut before = ' ';
    let mut is_escaped = false;
    for c in path.chars() {
        match quote {
            Some(_) if is_escaped => is_escaped = false,
            Some(_) if c == '\\' => is_escaped = true,
            Some(mark) if c == mark => quote = None,
            Some(_) => {}
            None if c == '"' || c == '\'' => quote = Some(c),
            None => {
                descents += usize::from(c == '.' && before == '.');
                roots += usize::from(c == '$');
            }
        }
        before = c;
    }
    (descents, roots)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    #![allow(clippy::needless_pass_by_value, reason = "literals are handed over")]

    use serde_json::{Value, json};

    use super::{Assertion, first_unmet};
    use crate::transport::HttpAnswer;

    fn fault(assertion: Value, text: &str) -> Option<String> {
        assert_eq!(Assertion::check(&assertion, ""), []);
        let mut answer = HttpAnswer::new(200);
        answer.headers = vec![("content-type".into(), "application/json".into()), ("x-n".into(), "7".into())];
        answer.text = Some(text.to_owned());
        first_unmet(&[Assertion::read(&assertion).unwrap()], &answer)
    }

    const BODY: &str =
        r#"{"state": "ready", "n": 3, "ok": true, "a/b": 1, "items": [{"id": 1}, {"id": 2}], "gone": null}"#;

    #[test]
    fn what_holds_holds() {
        for assertion in [
            json!({"path": "$.state", "equals": "ready"}),
            json!({"path": "/state", "notEquals": "failed"}),
            json!({"path": "$.n", "equals": 3.0}),
            json!({"path": "$.n", "equals": "3"}),
            json!({"path": "$.ok", "equals": "true"}),
            json!({"path": "/a~1b", "equals": 1}),
            json!({"path": "$['a/b']", "exists": true}),
            json!({"path": "$.items[*].id", "matches": "^[0-9]+$"}),
            json!({"path": "$.items[?@.id == 2]", "exists": true}),
            json!({"path": "$..id", "notEquals": 9}),
            json!({"path": "$.items", "equals": [{"id": 1}, {"id": 2}]}),
            json!({"path": "$.gone", "equals": null}),
            json!({"path": "$.none", "exists": false}),
            json!({"path": "", "exists": true}),
            json!({"header": "Content-Type", "contains": "json"}),
            json!({"header": "X-N", "equals": 7}),
            json!({"header": "X-None", "exists": false}),
            json!({"contains": "\"ready\""}),
            json!({"matches": "(?i)READY"}),
        ] {
            assert_eq!(fault(assertion.clone(), BODY), None, "{assertion}");
        }
    }

    #[test]
    fn what_does_not_hold_is_said_with_its_place() {
        for (assertion, said) in [
            (
                json!({"path": "$.state", "equals": "done"}),
                "assertion failed: `$.state` is \"ready\", not \"done\"",
            ),
            (json!({"path": "$.state", "notEquals": "ready"}), "assertion failed: `$.state` is \"ready\""),
            (json!({"path": "/none", "equals": 1}), "assertion failed: `/none` is not there"),
            (json!({"path": "$.n", "exists": false}), "assertion failed: `$.n` is there, and should not be"),
            (json!({"path": "$.items[*].id", "equals": 1}), "assertion failed: `$.items[*].id` is 2, not 1"),
            (
                json!({"header": "X-None", "equals": "a"}),
                "assertion failed: the header `X-None` is not there",
            ),
            (json!({"matches": "^ready"}), "assertion failed: the body does not match `^ready`"),
        ] {
            assert_eq!(fault(assertion, BODY).as_deref(), Some(said));
        }
        let said = fault(json!({"path": "$.x", "equals": 1}), "<html>").unwrap();
        assert!(said.contains("not JSON, at line 1"), "{said}");
        let long = format!("{{\"state\": \"{}\"}}", "s".repeat(200));
        let said = fault(json!({"path": "$.state", "equals": "x"}), &long).unwrap();
        assert!(said.contains("a text of 202 bytes") && !said.contains("sss"), "{said}");
    }

    #[test]
    fn what_cannot_be_asserted_is_refused_with_its_place() {
        for assertion in [
            json!({"path": "state", "exists": true}),
            json!({"path": "$.items[", "exists": true}),
            json!({"path": "$..a..b", "exists": true}),
            json!({"path": "$[?count($..*) > 1]", "exists": true}),
        ] {
            assert_eq!(Assertion::check(&assertion, "/assert/0")[0].pointer, "/assert/0/path", "{assertion}");
        }
        for pattern in ["(", "(a{1000}){1000}"] {
            let problems = Assertion::check(&json!({"matches": pattern}), "/assert/0");
            assert_eq!(problems[0].pointer, "/assert/0/matches", "{pattern}");
            assert!(!problems[0].message.contains('\n'), "{problems:?}");
        }
        assert_eq!(Assertion::check(&json!({"path": "$['a..b..$']", "exists": true}), ""), []);
    }
}

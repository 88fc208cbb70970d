//! From the rendered members of a step to a request.

use std::collections::HashMap;

use bytes::Bytes;
use serde_json::{Map, Value};

use crate::{Error, ErrorKind, Problem, Result, job::place, template::percent_encode, transport::HttpCall};

/// The longest path, before and after it is rendered.
pub(super) const PATH_CHARS_MAX: usize = 8 * 1024;

/// How many redirects `true` stands for.
const REDIRECTS_DEFAULT: u32 = 5;

/// What stands in a component of a URL as it is (RFC 3986, unreserved).
const UNRESERVED: &[u8] = b"-._~";

/// What else may stand in a path and a query, `%` being the mark of what is encoded already.
const PATH_CHARS: &[u8] = b"-._~!$&'()*+,;=:@/?%";

/// Whether a method, by its definition, may be repeated without harm (RFC 9110, 9.2.2).
pub(super) fn is_idempotent(method: &str) -> bool {
    matches!(method, "GET" | "HEAD" | "OPTIONS" | "PUT" | "DELETE")
}

/// What no schema says of these members.
pub(super) fn check(fields: &Map<String, Value>) -> Vec<Problem> {
    let mut problems = Vec::new();
    // What a template makes of it is checked when the step runs.
    if let Some(path) = fields.get("path").and_then(Value::as_str).filter(|path| !path.starts_with('{'))
        && let Err(fault) = path_fault(path)
    {
        problems.push(Problem::new("/path", fault));
    }
    if let Some(Value::Object(headers)) = fields.get("headers") {
        let mut seen = HashMap::new();
        for name in headers.keys() {
            let lower = name.to_ascii_lowercase();
            if HttpCall::RESERVED_HEADERS.contains(&lower.as_str()) {
                let message =
                    format!("`{name}` is set by the engine or belongs to the connection: remove it");
                problems.push(Problem::new(place::join("/headers", name), message));
            } else if let Some(first) = seen.insert(lower, name) {
                let message = format!("`{name}` and `{first}` are the same header: keep one");
                problems.push(Problem::new(place::join("/headers", name), message));
            }
        }
    }
    problems
}

/// The request that rendered members ask for.
pub(super) fn call(fields: &Map<String, Value>) -> Result<HttpCall> {
    let text = |name: &str| fields.get(name).and_then(Value::as_str);
    let mut call = HttpCall::new(text("method").unwrap_or("GET"), path(fields)?);
    call.redirects_max = match fields.get("followRedirects") {
        Some(Value::Bool(true)) => REDIRECTS_DEFAULT,
        Some(Value::Number(number)) => number.as_f64().map_or(0, |number| number as u32),
        _ => 0,
    };
    if let Some(Value::Object(headers)) = fields.get("headers") {
        let pairs =
            headers.iter().filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())));
        call.headers = pairs.collect();
    }
    let body = match (fields.get("json"), fields.get("form"), text("body")) {
        (Some(json), _, _) => Some((document(json)?, "application/json")),
        (_, Some(Value::Object(form)), _) => Some((pairs(form), "application/x-www-form-urlencoded")),
        (_, _, Some(text)) => Some((text.to_owned(), "text/plain; charset=utf-8")),
        _ => None,
    };
    if let Some((body, content_type)) = body {
        call.body = Some(Bytes::from(body));
        if !call.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
            call.headers.push(("Content-Type".to_owned(), content_type.to_owned()));
        }
    }
    Ok(call)
}

/// A body in JSON: the value, or what a template for JSON was rendered to.
fn document(json: &Value) -> Result<String> {
    let Value::String(text) = json else { return Ok(json.to_string()) };
    match serde_json::from_str::<serde::de::IgnoredAny>(text) {
        Ok(_) => Ok(text.clone()),
        // Its own words could quote a value.
        Err(error) => Err(Error::new(
            ErrorKind::InvalidInput,
            format!("the rendered `json` is not JSON, at line {} column {}", error.line(), error.column()),
        )),
    }
}

/// Path and query, with everything percent-encoded that cannot stand there.
fn path(fields: &Map<String, Value>) -> Result<String> {
    let rendered = fields.get("path").and_then(Value::as_str).unwrap_or_default();
    path_fault(rendered)
        .map_err(|fault| Error::new(ErrorKind::InvalidInput, format!("the rendered path {fault}")))?;
    let mut path = String::with_capacity(rendered.len() + 16);
    percent_encode(rendered, PATH_CHARS, &mut path);
    if let Some(Value::Object(query)) =
        fields.get("query").filter(|query| query.as_object().is_some_and(|q| !q.is_empty()))
    {
        let query = pairs(query);
        if !query.is_empty() {
            path.push(if rendered.contains('?') { '&' } else { '?' });
            path.push_str(&query);
        }
    }
    if path.len() > 8 * PATH_CHARS_MAX {
        return Err(Error::new(
            ErrorKind::InvalidInput,
            "path and query are longer than 64 KiB: send a body instead",
        ));
    }
    Ok(path)
}

/// The end of a sentence about a path that is none.
fn path_fault(path: &str) -> Result<(), &'static str> {
    if !path.is_empty() && !path.starts_with(['/', '?']) {
        Err("must begin with `/`; the host is the target's")
    } else if path.starts_with("//") {
        Err("must not begin with `//`, which would name a host; the host is the target's")
    } else if path.contains('#') {
        Err("must not hold `#`: a fragment is not sent; write %23 for the character")
    } else if path.contains('\\') {
        Err("must not hold a backslash: write %5C for the character")
    } else if path.contains(char::is_control) {
        Err("must not hold a line break or another control character")
    } else {
        Ok(())
    }
}

/// Names and values as in a query or a form, all percent-encoded.
fn pairs(members: &Map<String, Value>) -> String {
    let mut out = String::new();
    let mut add = |name: &str, value: &Value| {
        let text = match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        if !out.is_empty() {
            out.push('&');
        }
        percent_encode(name, UNRESERVED, &mut out);
        out.push('=');
        percent_encode(&text, UNRESERVED, &mut out);
    };
    for (name, value) in members {
        match value {
            Value::Array(items) => items.iter().for_each(|item| add(name, item)),
            value => add(name, value),
        }
    }
    out
}

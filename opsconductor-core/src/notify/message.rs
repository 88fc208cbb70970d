//! What a notification tells, in the forms in which it goes out.

use serde_json::{Map, Value};

use super::PAYLOAD_BYTES_MAX;
use crate::{
    Error, ErrorKind, Result,
    template::{Sink, TemplateOptions, render},
};

/// Longest subject of a mail, in characters.
const SUBJECT_CHARS_MAX: usize = 150;

/// Longest value in a mail, in characters.
const VALUE_CHARS_MAX: usize = 2_000;

/// What a notification tells.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    payload: Map<String, Value>,
    template: Option<String>,
}

impl Message {
    /// Of a payload, with the template for the body of a webhook. What is no object tells nothing.
    pub fn new(payload: Value, template: Option<String>) -> Self {
        let payload = match payload {
            Value::Object(payload) => payload,
            _ => Map::new(),
        };
        Self { payload, template }
    }

    /// The body of a webhook.
    ///
    /// # Errors
    ///
    /// `Template` when the template cannot be rendered with this payload; `InvalidInput` when what comes out is no JSON or too
    /// long.
    pub fn json(&self) -> Result<String> {
        let Some(template) = &self.template else { return Ok(Value::from(self.payload.clone()).to_string()) };
        let body = render(template, &self.payload, Sink::Json, TemplateOptions::default())?;
        if body.len() > PAYLOAD_BYTES_MAX {
            let message = format!("the template makes a body of more than {PAYLOAD_BYTES_MAX} bytes");
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
        if serde_json::from_str::<&serde_json::value::RawValue>(&body).is_err() {
            return Err(Error::new(ErrorKind::InvalidInput, "the template makes a body that is no JSON"));
        }
        Ok(body)
    }

    /// The subject of a mail: one line.
    pub fn subject(&self) -> String {
        let text = |name: &str| self.payload.get(name).and_then(Value::as_str);
        let subject = match (text("subject"), text("job_name"), text("status")) {
            (Some(subject), ..) => subject.to_owned(),
            (None, Some(job), Some(status)) => match self.payload.get("run_id") {
                Some(run) => format!("{job}: {status} (run {run})"),
                None => format!("{job}: {status}"),
            },
            _ => "Notification".to_owned(),
        };
        let one_line = subject.chars().map(|c| if c.is_control() { ' ' } else { c });
        one_line.take(SUBJECT_CHARS_MAX).collect()
    }

    /// The plain part of a mail.
    pub fn text(&self) -> String {
        let mut text = format!("{}\n\n", self.subject());
        for (label, value) in self.lines() {
            text.push_str(&format!("{label}: {value}\n"));
        }
        text
    }

    /// The HTML part of a mail. Every value is escaped.
    pub fn html(&self) -> String {
        let mut rows = String::new();
        for (label, value) in self.lines() {
            let (label, value) = (escaped(&label), escaped(&value));
            rows.push_str(&format!(
                "<tr><th align=\"left\" valign=\"top\">{label}</th><td>{value}</td></tr>\n"
            ));
        }
        let subject = escaped(&self.subject());
        format!(
            "<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\"><title>{subject}</title></head>\n\
             <body><h1>{subject}</h1>\n<table cellpadding=\"4\">\n{rows}</table></body></html>\n"
        )
    }

    /// What is told, a line each: the members of objects under their own names.
    fn lines(&self) -> Vec<(String, String)> {
        let mut lines = Vec::new();
        for (name, value) in &self.payload {
            let label = name.replace('_', " ");
            match value {
                Value::Null => {}
                Value::Object(members) => {
                    let parts: Vec<_> = members
                        .iter()
                        .map(|(name, value)| format!("{} {}", plain(value), name.replace('_', " ")))
                        .collect();
                    lines.push((label, parts.join(", ")));
                }
                Value::Array(items) => {
                    lines.extend(items.iter().map(|item| (label.clone(), item_line(item))));
                }
                value => lines.push((label, plain(value))),
            }
        }
        lines
    }
}

/// One of a list: its members one after the other.
fn item_line(item: &Value) -> String {
    match item {
        Value::Object(members) => {
            let parts: Vec<_> = members.values().filter(|value| !value.is_null()).map(plain).collect();
            parts.join(" · ")
        }
        value => plain(value),
    }
}

fn plain(value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        value => value.to_string(),
    };
    let tame = text.chars().map(|c| if c.is_control() && c != '\n' && c != '\t' { ' ' } else { c });
    tame.take(VALUE_CHARS_MAX).collect()
}

fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            '\n' => safe.push_str("<br>"),
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use serde_json::json;

    use super::*;

    fn told() -> Message {
        let payload = json!({"job_name": "<b>Restart</b>\r\nBcc: x@y", "status": "failed", "run_id": 7, "requested_by": null,
            "steps_summary": {"total": 2, "succeeded": 1, "failed": 1},
            "error_details": [{"step": "step1", "target": null, "status": "failed", "reason": "a < b"}]});
        Message::new(payload, None)
    }

    #[test]
    fn a_mail_shows_values_as_they_are_and_never_as_markup_or_headers() {
        let subject = told().subject();
        assert_eq!(subject, "<b>Restart</b>  Bcc: x@y: failed (run 7)");
        assert!(told().text().contains(
            "steps summary: 2 total, 1 succeeded, 1 failed\nerror details: step1 · failed · a < b\n"
        ));
        let html = told().html();
        assert!(html.contains("&lt;b&gt;Restart&lt;/b&gt;") && html.contains("a &lt; b"), "{html}");
        assert!(!html.contains("<b>") && !html.contains("requested by"), "{html}");
    }

    #[test]
    fn a_template_makes_the_body_and_a_value_stays_a_value() {
        let body = |template: &str| Message { template: Some(template.to_owned()), ..told() }.json();
        let made = body(r#"{"text": {{ job_name | quote }}, "ok": {{ run_id }}}"#).unwrap();
        assert_eq!(serde_json::from_str::<Value>(&made).unwrap()["text"], "<b>Restart</b>\r\nBcc: x@y");
        assert_eq!(body("not json").unwrap_err().kind(), ErrorKind::InvalidInput);
        assert_eq!(body("{{ nothing }}").unwrap_err().kind(), ErrorKind::Template);
        assert_eq!(serde_json::from_str::<Value>(&told().json().unwrap()).unwrap()["run_id"], 7);
    }
}

//! Which statuses are expected.

use serde_json::Value;

use crate::transport::HttpAnswer;

/// A list of statuses and classes of them.
pub(super) struct Expected(Vec<Status>);

#[derive(Clone, Copy)]
enum Status {
    One(u16),
    /// The first digit.
    Class(u16),
}

impl Expected {
    /// What a checked step says, or all that mean success.
    pub(super) fn read(value: Option<&Value>) -> Self {
        let one = |value: &Value| match value {
            // A class is one digit and `xx`.
            Value::String(class) => {
                class.as_bytes().first().map(|digit| Status::Class(u16::from(digit - b'0')))
            }
            number => number.as_f64().map(|status| Status::One(status as u16)),
        };
        Self(match value {
            None => vec![Status::Class(2)],
            Some(Value::Array(list)) => list.iter().filter_map(one).collect(),
            Some(value) => one(value).into_iter().collect(),
        })
    }

    /// Why the answer's status is not what was expected.
    pub(super) fn fault(&self, answer: &HttpAnswer, has_credential: bool) -> Option<String> {
        let status = answer.status;
        let fits = |expected: &Status| match *expected {
            Status::One(one) => one == status,
            Status::Class(digit) => status / 100 == digit,
        };
        if self.0.iter().any(fits) {
            return None;
        }
        let expected: Vec<String> = self.0.iter().map(Status::shown).collect();
        let hint = match status {
            301 | 302 | 303 | 307 | 308 => "; the step follows no redirect unless `followRedirects` says so",
            401 | 403 if has_credential => "; the service refuses the target's credential",
            401 => "; the target has no credential",
            _ => "",
        };
        Some(format!("the service answered with the status {status}, not {}{hint}", expected.join(" or ")))
    }
}

impl Status {
    fn shown(&self) -> String {
        match self {
            Self::One(status) => status.to_string(),
            Self::Class(digit) => format!("{digit}xx"),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::needless_pass_by_value, reason = "literals are handed over")]

    use serde_json::{Value, json};

    use super::Expected;
    use crate::transport::HttpAnswer;

    fn fault(expected: Value, status: u16) -> Option<String> {
        Expected::read(Some(&expected).filter(|value| !value.is_null()))
            .fault(&HttpAnswer::new(status), false)
    }

    #[test]
    fn statuses_and_classes_are_told_apart() {
        assert!(fault(Value::Null, 204).is_none() && fault(Value::Null, 304).is_some());
        assert!(fault(json!(404), 404).is_none() && fault(json!(404), 405).is_some());
        assert!(fault(json!(["2xx", 404.0]), 404).is_none());
        assert_eq!(
            fault(json!(["2xx", 404]), 500).as_deref(),
            Some("the service answered with the status 500, not 2xx or 404")
        );
    }
}

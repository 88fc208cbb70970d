//! What a regular expression found.

use super::super::native::Native;
use crate::machine::powershell::value::Value;

fn match_object(found: &fancy_regex::Match<'_>, source: &str, groups: Value) -> Value {
    let index = source[..found.start()].encode_utf16().count();
    let text: Value = found.as_str().into();
    Value::object(
        "System.Text.RegularExpressions.Match",
        vec![
            ("Groups".into(), groups),
            ("Success".into(), Value::Bool(true)),
            ("Index".into(), Value::count(index)),
            ("Length".into(), Value::count(found.as_str().encode_utf16().count())),
            ("Value".into(), text.clone()),
            ("__text".into(), text),
        ],
        Native::None,
    )
}

fn of_captures(regex: &fancy_regex::Regex, captures: &fancy_regex::Captures<'_, str>, source: &str) -> Value {
    let groups = crate::machine::powershell::value::Hash::new(true);
    for (i, name) in regex.capture_names().enumerate() {
        let group = match captures.get(i) {
            Some(found) => match_object(&found, source, Value::Null),
            None => failed_match(),
        };
        groups.set(Value::Int(i as i32), group.clone());
        if let Some(name) = name {
            groups.set(name.into(), group);
        }
    }
    match captures.get(0) {
        Some(found) => match_object(&found, source, Value::Hash(groups.into())),
        None => failed_match(),
    }
}

fn failed_match() -> Value {
    Value::object(
        "System.Text.RegularExpressions.Match",
        vec![
            ("Success".into(), Value::Bool(false)),
            ("Value".into(), "".into()),
            ("__text".into(), "".into()),
        ],
        Native::None,
    )
}

pub(in super::super::super) fn regex_match(regex: &fancy_regex::Regex, source: &str) -> Value {
    match regex.captures(source) {
        Ok(Some(captures)) => of_captures(regex, &captures, source),
        _ => failed_match(),
    }
}

pub(in super::super::super) fn regex_matches(regex: &fancy_regex::Regex, source: &str) -> Value {
    let all = regex.captures_iter(source).filter_map(std::result::Result::ok);
    Value::array(all.map(|captures| of_captures(regex, &captures, source)).collect())
}

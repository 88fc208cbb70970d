//! `serial`: how many targets a step takes at a time.

use serde_json::{Value, json};

use super::read::whole;

/// The size of a batch as its author put it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Size {
    Targets(u32),
    Percent(u32),
}

impl Size {
    /// The sizes that `serial` says: one, or a list of them.
    pub(super) fn read(value: &Value) -> Vec<Self> {
        let one = |value: &Value| match value.as_str() {
            Some(text) => text.strip_suffix('%').and_then(|number| number.parse().ok()).map(Self::Percent),
            None => whole(value).map(|number| Self::Targets(number as u32)),
        };
        match value.as_array() {
            Some(sizes) => sizes.iter().filter_map(one).collect(),
            None => one(value).into_iter().collect(),
        }
    }

    /// How many of `targets` that is, at least one.
    pub(super) fn of(self, targets: u32) -> u32 {
        let size = match self {
            Self::Targets(size) => u64::from(size),
            Self::Percent(percent) => u64::from(targets) * u64::from(percent) / 100,
        };
        (size as u32).max(1)
    }
}

/// Its schema.
pub(super) fn schema() -> Value {
    let message = "must be a number of targets such as 5, a part of them such as \"25%\", or a list of these";
    let size = json!({
        "anyOf": [
            {"type": "integer", "minimum": 1, "maximum": 1_000_000},
            {"type": "string", "pattern": "^(100|[1-9][0-9]?)%$"}
        ]
    });
    json!({
        "description": "how many targets the step takes at a time: the next batch begins when the one before has ended; with a list the first batch has the first size and so on, and the last size holds for all that follow",
        "errorMessage": message,
        "anyOf": [size.clone(), {"type": "array", "minItems": 1, "maxItems": 100, "items": size}]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_numbers_or_parts() {
        assert_eq!(Size::read(&json!(5)), [Size::Targets(5)]);
        assert_eq!(Size::read(&json!([1, "25%"])), [Size::Targets(1), Size::Percent(25)]);
        assert_eq!((Size::Percent(25).of(10), Size::Percent(1).of(10), Size::Targets(9).of(3)), (2, 1, 9));
    }
}

//! RFC 6901 pointers: building them, and putting problems in the order of their document.

use std::{borrow::Cow, collections::HashMap, fmt::Write};

use serde_json::Value;

use crate::Problem;

/// Appends one reference token to `pointer`.
pub(super) fn push(pointer: &mut String, token: &str) {
    pointer.push('/');
    for c in token.chars() {
        match c {
            '~' => pointer.push_str("~0"),
            '/' => pointer.push_str("~1"),
            c => pointer.push(c),
        }
    }
}

/// `pointer` with one more reference token.
pub(crate) fn join(pointer: &str, token: &str) -> String {
    let mut joined = String::with_capacity(pointer.len() + token.len() + 1);
    joined.push_str(pointer);
    push(&mut joined, token);
    joined
}

/// The pointer to the step at `index`.
pub(super) fn step(index: usize) -> String {
    let mut pointer = String::from("/steps/");
    // Writing to a String cannot fail.
    let _ = write!(pointer, "{index}");
    pointer
}

/// The reference token with its escapes undone.
pub(super) fn unescape(token: &str) -> Cow<'_, str> {
    if token.contains('~') { token.replace("~1", "/").replace("~0", "~").into() } else { token.into() }
}

/// Sorts `problems` by where in `document` their pointers lead; those at the same place keep their order.
pub(super) fn sort(problems: &mut [Problem], document: &Value) {
    if problems.len() < 2 {
        return;
    }
    let mut members = HashMap::new();
    problems.sort_by_cached_key(|problem| path(&problem.pointer, document, &mut members));
}

/// Where each member of an object stands, by the object's pointer. Looking each name up anew would let a wide object with
/// many faults take its square in time.
type Members<'d> = HashMap<String, HashMap<&'d str, usize>>;

fn path<'d>(pointer: &str, document: &'d Value, members: &mut Members<'d>) -> Vec<usize> {
    let mut path = Vec::new();
    let mut at = document;
    let mut walked = 0;
    for token in pointer.split('/').skip(1) {
        let (index, next) = match at {
            Value::Array(items) => {
                let index = token.parse().unwrap_or(usize::MAX);
                (index, items.get(index))
            }
            Value::Object(map) => {
                let places = members
                    .entry(pointer[..walked].to_owned())
                    .or_insert_with(|| map.keys().enumerate().map(|(at, key)| (key.as_str(), at)).collect());
                let key = unescape(token);
                (places.get(&*key).copied().unwrap_or(usize::MAX), map.get(&*key))
            }
            _ => (usize::MAX, None),
        };
        path.push(index);
        let Some(next) = next else { break };
        at = next;
        walked += token.len() + 1;
    }
    path
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn problems_come_in_the_order_of_the_document() {
        let document = json!({"b": [{"y": 1, "x/~": 2}], "a": 3});
        let pointers = ["/a", "/b/0/x~1~0", "", "/b/0/y", "/b/0", "/b"];
        let mut problems: Vec<_> = pointers.iter().map(|p| Problem::new(*p, "m")).collect();
        sort(&mut problems, &document);
        let sorted: Vec<_> = problems.iter().map(|p| p.pointer.as_str()).collect();
        assert_eq!(sorted, ["", "/b", "/b/0", "/b/0/y", "/b/0/x~1~0", "/a"]);
    }

    #[test]
    fn tokens_are_escaped() {
        assert_eq!(join("/a", "b/c~d"), "/a/b~1c~0d");
        assert_eq!(unescape("b~1c~0d"), "b/c~d");
        assert_eq!(unescape("~01"), "~1");
    }
}

//! [`Names`]: the ids of one store by the order in which they were seen.

use std::collections::HashMap;

/// Numbers the ids of each kind as they are seen, so that two stores that were asked the same show the same.
#[derive(Debug, Default)]
pub(super) struct Names {
    given: HashMap<(String, String), usize>,
    counts: HashMap<String, usize>,
}

impl Names {
    /// `text`, as `Debug` writes a value, with each `SomeId(17)` replaced by the place of that id among those seen, and
    /// without epochs, whose values are each store's own.
    pub(super) fn rename(&mut self, text: &str) -> String {
        let mut renamed = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find("Id(") {
            let (before, after) = rest.split_at(at);
            let number: String = after[3..].chars().take_while(|c| c.is_ascii_digit() || *c == '-').collect();
            renamed.push_str(before);
            if number.is_empty() || !after[3 + number.len()..].starts_with(')') {
                renamed.push_str("Id(");
                rest = &after[3..];
                continue;
            }
            let begin = before.rfind(|c: char| !c.is_ascii_alphabetic()).map_or(0, |at| at + 1);
            rest = &after[3 + number.len()..];
            let place = self.place(&before[begin..], number);
            renamed.push_str(&format!("#{place}"));
            // What closes the id is left out with it.
            rest = &rest[1..];
        }
        renamed.push_str(rest);
        without_epochs(&renamed)
    }

    fn place(&mut self, kind: &str, number: String) -> usize {
        let count = self.counts.entry(kind.to_owned()).or_default();
        *self.given.entry((kind.to_owned(), number)).or_insert_with(|| {
            *count += 1;
            *count
        })
    }
}

fn without_epochs(text: &str) -> String {
    let mut parts = text.split("epoch: ");
    let mut kept = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        kept.push_str("epoch: _");
        kept.push_str(part.trim_start_matches(|c: char| c.is_ascii_digit() || c == '-'));
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{RunId, TaskId, WorkerId};

    #[test]
    fn ids_become_places_and_epochs_go() {
        let mut names = Names::default();
        let text = format!("{:?}", (RunId::new(7), TaskId::new(7), RunId::new(-9), RunId::new(7)));
        assert_eq!(names.rename(&text), "(Run#1, Task#1, Run#2, Run#1)");
        assert_eq!(names.rename("RunId(-9) epoch: 12, x"), "Run#2 epoch: _, x");
        let worker = format!("{:?}", WorkerId::generate());
        assert_eq!(names.rename(&worker), worker, "the caller gave it");
    }
}

//! The order in which targets are made: each after those that come before it.

use std::collections::{BTreeMap, BTreeSet};

/// The names of `before`, each after all that it names. What is in a circle, or after one, is left over.
pub(super) fn sorted(before: &BTreeMap<&str, BTreeSet<&str>>) -> (Vec<String>, Vec<String>) {
    let mut waits: BTreeMap<&str, usize> = BTreeMap::new();
    let mut after: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, names) in before {
        // One that is not there is nothing to wait for.
        let known = names.iter().filter(|name| before.contains_key(*name));
        waits.insert(name, known.clone().count());
        known.for_each(|first| after.entry(first).or_default().push(name));
    }
    let mut ready: Vec<&str> =
        waits.iter().filter(|(_, count)| **count == 0).map(|(name, _)| *name).collect();
    let mut order = Vec::with_capacity(before.len());
    while let Some(name) = ready.pop() {
        order.push(name.to_owned());
        for next in after.get(name).into_iter().flatten() {
            if let Some(count) = waits.get_mut(next) {
                *count -= 1;
                if *count == 0 {
                    ready.push(next);
                }
            }
        }
    }
    let left = waits.into_iter().filter(|(_, count)| *count > 0).map(|(name, _)| name.to_owned()).collect();
    (order, left)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_comes_after_those_before_it_and_circles_are_left() {
        let before = BTreeMap::from([
            ("a", BTreeSet::from(["b", "c"])),
            ("b", BTreeSet::from(["c", "gone"])),
            ("c", BTreeSet::new()),
            ("x", BTreeSet::from(["y"])),
            ("y", BTreeSet::from(["x", "a"])),
            ("z", BTreeSet::from(["x"])),
        ]);
        let (order, left) = sorted(&before);
        assert_eq!(order, ["c", "b", "a"]);
        assert_eq!(left, ["x", "y", "z"]);
    }
}

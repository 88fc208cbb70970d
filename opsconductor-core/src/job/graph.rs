//! Which steps wait for which: [`Graph`].

use std::collections::HashMap;

use serde_json::Value;

use super::{explain, faults::Faults, nearest::nearest, place, read::default_id};

/// The member that names what a step waits for.
const MEMBER: &str = "dependsOn";

/// For each step those that it waits for, by index.
#[derive(Debug, Default)]
pub(super) struct Graph {
    ids: Vec<String>,
    before: Vec<Vec<u32>>,
}

impl Graph {
    /// Reads the order of steps: each waits for the one before it, unless it says what it depends on. What cannot be is
    /// added to `faults`.
    pub(super) fn read(definitions: &[Value], faults: &mut Faults) -> Self {
        let ids: Vec<String> = definitions.iter().enumerate().map(|(index, step)| id(step, index)).collect();
        let mut by_id: HashMap<&str, u32> = HashMap::with_capacity(ids.len());
        for (id, index) in ids.iter().zip(0_u32..) {
            by_id.entry(id).or_insert(index);
        }
        let before = definitions.iter().enumerate().map(|(index, step)| {
            let Some(named) = step.get(MEMBER).and_then(Value::as_array) else {
                return index.checked_sub(1).map(|before| before as u32).into_iter().collect();
            };
            let mut before = Vec::with_capacity(named.len());
            for (at, name) in named.iter().enumerate() {
                let Some(name) = name.as_str() else { continue };
                let pointer = || place::join(&place::join(&place::step(index), MEMBER), &at.to_string());
                match by_id.get(name) {
                    Some(found) if before.contains(found) => {
                        faults.add(pointer(), format!("`{name}` is named twice"));
                    }
                    Some(found) => before.push(*found),
                    None => {
                        let mut message = format!("there is no step `{name}`");
                        if let Some(meant) = nearest(name, ids.iter().map(String::as_str)) {
                            message += &format!("; did you mean `{meant}`?");
                        }
                        faults.add(pointer(), message);
                    }
                }
            }
            before
        });
        let before = before.collect();
        let graph = Self { ids, before };
        if let Some(circle) = graph.circle() {
            let names: Vec<&str> = circle.iter().map(|index| graph.ids[*index as usize].as_str()).collect();
            let message = match names[..] {
                [own] => format!("`{own}` waits for itself"),
                _ => format!("{} wait for each other, so none can begin", explain::list(&names, "and")),
            };
            faults.add(place::join(&place::step(circle[0] as usize), MEMBER), message);
        }
        graph
    }

    /// What the steps are called.
    pub(super) fn ids(&self) -> &[String] {
        &self.ids
    }

    /// Those that the step at `index` waits for.
    pub(super) fn before(&self, index: usize) -> &[u32] {
        &self.before[index]
    }

    /// Whether `earlier` has always ended when `later` begins.
    pub(super) fn comes_before(&self, earlier: usize, later: usize) -> bool {
        let mut seen = vec![false; self.before.len()];
        let mut left = vec![later];
        while let Some(step) = left.pop() {
            for before in &self.before[step] {
                let before = *before as usize;
                if before == earlier {
                    return true;
                }
                if !std::mem::replace(&mut seen[before], true) {
                    left.push(before);
                }
            }
        }
        false
    }

    /// Steps of which each waits for the next and the last for the first, beginning with the lowest.
    fn circle(&self) -> Option<Vec<u32>> {
        let mut waits: Vec<usize> = self.before.iter().map(Vec::len).collect();
        let mut after: Vec<Vec<usize>> = vec![Vec::new(); self.before.len()];
        for (step, before) in self.before.iter().enumerate() {
            before.iter().for_each(|before| after[*before as usize].push(step));
        }
        let mut free: Vec<usize> = (0..waits.len()).filter(|step| waits[*step] == 0).collect();
        while let Some(step) = free.pop() {
            for next in &after[step] {
                waits[*next] -= 1;
                if waits[*next] == 0 {
                    free.push(*next);
                }
            }
        }
        // Whatever is left waits for something that is left: going back from any of them leads into a circle.
        let mut step = waits.iter().position(|left| *left > 0)? as u32;
        let mut way = Vec::new();
        while !way.contains(&step) {
            way.push(step);
            step = *self.before[step as usize].iter().find(|before| waits[**before as usize] > 0)?;
        }
        let begin = way.iter().position(|at| *at == step)?;
        let mut circle = way.split_off(begin);
        let lowest = circle.iter().enumerate().min_by_key(|(_, step)| **step).map_or(0, |(at, _)| at);
        circle.rotate_left(lowest);
        Some(circle)
    }
}

fn id(step: &Value, index: usize) -> String {
    step.get("id").and_then(Value::as_str).map_or_else(|| default_id(index), str::to_owned)
}

//! Filters on lists.

use serde_json::Value as Json;

use super::{Filter, Refused, list_of};
use crate::template::budget::Budget;
use crate::template::value::{Val, copy, equal, order, weigh};

impl Filter {
    pub(super) fn end<'t>(self, on: &Val<'t>, value: &Json, budget: &mut Budget) -> Result<Val<'t>, Refused> {
        let first = self == Self::First;
        match value {
            Json::Array(_) => on
                .part(budget, |whole| {
                    let items = whole.as_array()?;
                    if first { items.first() } else { items.last() }
                })?
                .ok_or_else(|| "needs a list that is not empty".into()),
            Json::String(text) => {
                let found = if first { text.chars().next() } else { text.chars().next_back() };
                Ok(Val::own(found.ok_or("needs a string that is not empty")?.to_string()))
            }
            _ => Err("needs a list or a string".into()),
        }
    }

    pub(super) fn ordered<'t>(
        self,
        value: &Json,
        reverse: bool,
        budget: &mut Budget,
    ) -> Result<Val<'t>, Refused> {
        let mut items: Vec<&Json> = list_of(value)?.iter().collect();
        // A merge sort compares each item about log2(n) times; paid before, for a comparison cannot stop the sort.
        let rounds = usize::BITS - items.len().leading_zeros();
        for item in &items {
            budget.step()?;
            budget.read(
                item.as_str().map_or(0, str::len).saturating_add(64).saturating_mul(rounds as usize + 1),
            )?;
        }
        if let [first, rest @ ..] = items.as_slice() {
            for item in rest {
                if order(first, item, budget)?.is_none() {
                    return Err("needs a list of numbers only or of strings only".into());
                }
            }
        }
        let mut free = Budget::new();
        items.sort_by(|left, right| {
            free = Budget::new();
            order(left, right, &mut free).ok().flatten().unwrap_or(std::cmp::Ordering::Equal)
        });
        let one = match self {
            Self::Min => items.first(),
            Self::Max => items.last(),
            _ => {
                weigh(value, budget, 0)?;
                let sorted = items.into_iter().cloned();
                return Ok(Val::own(if reverse {
                    sorted.rev().collect::<Vec<_>>()
                } else {
                    sorted.collect()
                }));
            }
        };
        let one = one.ok_or("needs a list that is not empty")?;
        Ok(Val::own(copy(one, budget)?))
    }
}

/// Each item once, in order of first appearance.
pub(super) fn unique<'t>(value: &Json, budget: &mut Budget) -> Result<Val<'t>, Refused> {
    let mut kept: Vec<&Json> = Vec::new();
    for item in list_of(value)? {
        let mut seen = false;
        for earlier in &kept {
            if equal(earlier, item, budget, 0)? {
                seen = true;
                break;
            }
        }
        if !seen {
            weigh(item, budget, 0)?;
            kept.push(item);
        }
    }
    Ok(Val::own(kept.into_iter().cloned().collect::<Vec<_>>()))
}

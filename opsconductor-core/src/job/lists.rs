//! The three lists of steps of a job, one after the other: `steps`, `onFailure` and `finally`.

use std::borrow::Cow;

use serde_json::Value;

use crate::run::plan::Runs;

/// The steps of all lists.
pub(super) struct Lists<'d> {
    pub(super) steps: Cow<'d, [Value]>,
    pub(super) layout: Layout,
}

/// Where each list begins. Steps are counted through all of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Layout {
    on_failure: usize,
    finally: usize,
}

impl<'d> Lists<'d> {
    pub(super) fn read(definition: &'d Value) -> Self {
        let list = |name: &str| {
            definition.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
        };
        let (steps, on_failure, finally) = (list("steps"), list("onFailure"), list("finally"));
        let layout = Layout { on_failure: steps.len(), finally: steps.len() + on_failure.len() };
        // Most jobs have the one list.
        let steps = match on_failure.is_empty() && finally.is_empty() {
            true => Cow::Borrowed(steps),
            false => Cow::Owned([steps, on_failure, finally].concat()),
        };
        Self { steps, layout }
    }
}

impl Layout {
    /// In which part of a run the step at `index` has its turn.
    pub(super) fn runs(&self, index: usize) -> Runs {
        match index {
            _ if index < self.on_failure => Runs::OnSuccess,
            _ if index < self.finally => Runs::OnFailure,
            _ => Runs::Always,
        }
    }

    /// Whether the list of `earlier` comes before that of `later`.
    pub(super) fn comes_before(&self, earlier: usize, later: usize) -> bool {
        let list = |index: usize| u8::from(index >= self.on_failure) + u8::from(index >= self.finally);
        list(earlier) < list(later)
    }

    /// `pointer` as it is in the definition, where steps are counted in each list.
    pub(super) fn place(&self, pointer: String) -> String {
        let Some(below) = pointer.strip_prefix("/steps/") else { return pointer };
        let (number, rest) = below.split_at(below.find('/').unwrap_or(below.len()));
        let Ok(index) = number.parse::<usize>() else { return pointer };
        match self.runs(index) {
            Runs::OnSuccess => pointer,
            Runs::OnFailure => format!("/onFailure/{}{rest}", index - self.on_failure),
            Runs::Always => format!("/finally/{}{rest}", index - self.finally),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn steps_are_counted_through_and_named_by_their_lists() {
        let job = json!({"steps": [1, 2], "finally": [3]});
        let lists = Lists::read(&job);
        assert_eq!(*lists.steps, [json!(1), json!(2), json!(3)]);
        let place = |pointer: &str| lists.layout.place(pointer.to_owned());
        assert_eq!(place("/steps/1/id"), "/steps/1/id");
        assert_eq!(place("/steps/2/id"), "/finally/0/id");
        assert_eq!(place("/steps/2"), "/finally/0");
        assert_eq!(place("/parameters/steps"), "/parameters/steps");
        let both = json!({"steps": [1], "onFailure": [2, 3], "finally": [4]});
        let layout = Lists::read(&both).layout;
        assert_eq!(
            (layout.runs(0), layout.runs(2), layout.runs(3)),
            (Runs::OnSuccess, Runs::OnFailure, Runs::Always)
        );
        assert_eq!(layout.place("/steps/2/x".to_owned()), "/onFailure/1/x");
    }
}

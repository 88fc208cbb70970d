//! "Did you mean": the known name that is closest to a mistyped one.

/// Names longer than this are not typing slips of a known one.
const NAME_CHARS_MAX: usize = 64;

/// The candidate that `given` is most likely meant to be; `None` when nothing is close.
pub(crate) fn nearest<'c>(given: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let given: Vec<char> = given.chars().take(NAME_CHARS_MAX + 1).flat_map(char::to_lowercase).collect();
    if given.is_empty() || given.len() > NAME_CHARS_MAX {
        return None;
    }
    candidates
        .into_iter()
        .map(|candidate| (distance(&given, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= (candidate.chars().count().min(given.len()) / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Insertions, deletions, replacements and swaps of neighbours, case aside.
fn distance(given: &[char], candidate: &str) -> usize {
    let candidate: Vec<char> = candidate.chars().flat_map(char::to_lowercase).collect();
    let width = candidate.len() + 1;
    let mut before_last = vec![0; width];
    let mut last: Vec<usize> = (0..width).collect();
    for (row, &a) in given.iter().enumerate() {
        let mut current = vec![row + 1; width];
        for (column, &b) in candidate.iter().enumerate() {
            let replaced = last[column] + usize::from(a != b);
            let mut best = replaced.min(last[column + 1] + 1).min(current[column] + 1);
            if row > 0 && column > 0 && a == candidate[column - 1] && given[row - 1] == b {
                best = best.min(before_last[column - 1] + 1);
            }
            current[column + 1] = best;
        }
        before_last = std::mem::replace(&mut last, current);
    }
    last[width - 1]
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn slips_are_recognized_and_other_words_are_not() {
        let known = ["command", "timeoutSec", "target", "targets", "env", "id"];
        for (given, meant) in [
            ("comand", Some("command")),
            ("ocmmand", Some("command")),
            ("timeoutsec", Some("timeoutSec")),
            ("timeout_sec", Some("timeoutSec")),
            ("tagret", Some("target")),
            ("Targets", Some("targets")),
            ("evn", Some("env")),
            ("retry", None),
            ("when", None),
            ("", None),
        ] {
            assert_eq!(nearest(given, known), meant, "{given}");
        }
        assert_eq!(nearest(&"x".repeat(100_000), known), None);
    }
}

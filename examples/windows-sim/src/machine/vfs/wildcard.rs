//! Patterns with `*`, `?` and sets of characters.

/// Whether `name` fits a pattern of `*`, `?` and, when asked, `[a-z]` sets, without regard to case.
pub(crate) fn wildcard(pattern: &str, name: &str, sets: bool) -> bool {
    let pattern: Vec<char> = pattern.to_lowercase().chars().collect();
    let name: Vec<char> = name.to_lowercase().chars().collect();
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        let step = match pattern.get(p) {
            Some('*') => {
                star = Some((p, n));
                p += 1;
                continue;
            }
            Some('?') => Some(p + 1),
            Some('`') if sets && pattern.get(p + 1) == Some(&name[n]) => Some(p + 2),
            Some('[') if sets => match_set(&pattern, p, name[n]),
            Some(&c) if c == name[n] => Some(p + 1),
            _ => None,
        };
        match (step, star) {
            (Some(next), _) => {
                p = next;
                n += 1;
            }
            (None, Some((star_p, star_n))) => {
                p = star_p + 1;
                n = star_n + 1;
                star = Some((star_p, star_n + 1));
            }
            (None, None) => return false,
        }
    }
    pattern[p..].iter().all(|&c| c == '*')
}

/// Where the pattern goes on after the set at `open`, when the set holds `c`.
fn match_set(pattern: &[char], open: usize, c: char) -> Option<usize> {
    let close = open + 1 + pattern[open + 1..].iter().position(|&x| x == ']')?;
    let set = &pattern[open + 1..close];
    let mut i = 0;
    let mut found = false;
    while i < set.len() {
        if set.get(i + 1) == Some(&'-') && i + 2 < set.len() {
            found |= set[i] <= c && c <= set[i + 2];
            i += 3;
        } else {
            found |= set[i] == c;
            i += 1;
        }
    }
    found.then_some(close + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_match_as_windows_does() {
        assert!(wildcard("*.txt", "A.TXT", false));
        assert!(wildcard("a?c*", "abcdef", false));
        assert!(wildcard("[a-c]x", "bx", true));
        assert!(!wildcard("[a-c]x", "dx", true));
        assert!(!wildcard("a*b", "acx", false));
    }
}

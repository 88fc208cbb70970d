//! Replacement patterns of .NET regular expressions.

/// Replaces every match; `$1`, `${name}`, `$&` and `$$` mean what they mean in .NET.
pub(in super::super) fn replace_regex(regex: &fancy_regex::Regex, text: &str, with: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut last = 0;
    for captures in regex.captures_iter(text).filter_map(std::result::Result::ok) {
        let Some(found) = captures.get(0) else { continue };
        out.push_str(&text[last..found.start()]);
        substitute(&captures, with, &mut out);
        last = found.end();
    }
    out.push_str(&text[last..]);
    out
}

fn substitute(captures: &fancy_regex::Captures<'_, str>, with: &str, out: &mut String) {
    let mut rest = with;
    while let Some(dollar) = rest.find('$') {
        out.push_str(&rest[..dollar]);
        let after = &rest[dollar + 1..];
        if let Some(tail) = after.strip_prefix('$') {
            out.push('$');
            rest = tail;
        } else if let Some(tail) = after.strip_prefix('&') {
            out.push_str(captures.get(0).map_or("", |m| m.as_str()));
            rest = tail;
        } else if let Some((name, tail)) = after.strip_prefix('{').and_then(|t| t.split_once('}')) {
            let group = name.parse::<usize>().map_or_else(|_| captures.name(name), |i| captures.get(i));
            out.push_str(group.map_or("", |m| m.as_str()));
            rest = tail;
        } else {
            let digits = after.bytes().take_while(u8::is_ascii_digit).count();
            match after[..digits].parse::<usize>() {
                Ok(index) if index < captures.len() => {
                    out.push_str(captures.get(index).map_or("", |m| m.as_str()));
                    rest = &after[digits..];
                }
                _ => {
                    out.push('$');
                    rest = after;
                }
            }
        }
    }
    out.push_str(rest);
}

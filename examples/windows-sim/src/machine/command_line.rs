//! Command lines as Windows programs take them apart.

/// Splits by the rules of `CommandLineToArgvW`: `2n` backslashes before a quote are `n` and the quote opens or closes,
/// `2n+1` are `n` and a literal quote, `""` inside quotes is a quote.
pub(crate) fn split(line: &str) -> Vec<String> {
    let mut arguments = Vec::new();
    let chars: Vec<char> = line.chars().collect();
    let mut i = 0;
    while i < chars.len() {
        while i < chars.len() && matches!(chars[i], ' ' | '\t') {
            i += 1;
        }
        if i == chars.len() {
            break;
        }
        let mut argument = String::new();
        let mut quoted = false;
        while i < chars.len() && (quoted || !matches!(chars[i], ' ' | '\t')) {
            match chars[i] {
                '\\' => {
                    let start = i;
                    while i < chars.len() && chars[i] == '\\' {
                        i += 1;
                    }
                    let count = i - start;
                    if chars.get(i) == Some(&'"') {
                        argument.extend(std::iter::repeat_n('\\', count / 2));
                        if count % 2 == 1 {
                            argument.push('"');
                            i += 1;
                        }
                    } else {
                        argument.extend(std::iter::repeat_n('\\', count));
                    }
                }
                '"' if quoted && chars.get(i + 1) == Some(&'"') => {
                    argument.push('"');
                    i += 2;
                }
                '"' => {
                    quoted = !quoted;
                    i += 1;
                }
                c => {
                    argument.push(c);
                    i += 1;
                }
            }
        }
        arguments.push(argument);
    }
    arguments
}

/// Cuts the program off a command line: its name, unquoted, and the rest untouched.
pub(crate) fn program(line: &str) -> (String, &str) {
    let line = line.trim_start();
    if let Some(rest) = line.strip_prefix('"') {
        return match rest.find('"') {
            Some(end) => (rest[..end].to_owned(), rest[end + 1..].trim_start()),
            None => (rest.to_owned(), ""),
        };
    }
    match line.find([' ', '\t']) {
        Some(end) => (line[..end].to_owned(), line[end..].trim_start()),
        None => (line.to_owned(), ""),
    }
}

/// One argument, quoted when it has to be so that [`split`] gives it back.
pub(crate) fn quote(argument: &str) -> String {
    if !argument.is_empty() && !argument.contains([' ', '\t', '"']) {
        return argument.to_owned();
    }
    let mut quoted = String::from("\"");
    let mut backslashes = 0;
    for c in argument.chars() {
        match c {
            '\\' => backslashes += 1,
            '"' => {
                quoted.extend(std::iter::repeat_n('\\', backslashes * 2 + 1));
                backslashes = 0;
            }
            _ => {
                quoted.extend(std::iter::repeat_n('\\', backslashes));
                backslashes = 0;
            }
        }
        if c != '\\' {
            quoted.push(c);
        }
    }
    quoted.extend(std::iter::repeat_n('\\', backslashes * 2));
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_split_as_windows_splits_them() {
        assert_eq!(
            split(r#"a "b c" d\\e "f\"g" "h\\" "i""j""#),
            ["a", "b c", r"d\\e", "f\"g", r"h\", "i\"j"]
        );
        assert_eq!(split(r#"  x "" "#), ["x", ""]);
    }

    #[test]
    fn quoting_is_undone_by_splitting() {
        for text in ["plain", "with space", r"end\ ", r#"a"b\"c\\"#, ""] {
            assert_eq!(split(&quote(text)), [text], "{text}");
        }
    }
}

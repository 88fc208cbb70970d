//! Filters over text: `find`, `findstr`, `sort` and `more`.

use crate::machine::codepage;
use crate::machine::surroundings::Surroundings;

/// The lines of the named files, or of standard input when none is named.
async fn lines_of(
    surroundings: &Surroundings,
    files: &[&String],
) -> Result<Vec<(Option<String>, String)>, String> {
    if files.is_empty() {
        let text = surroundings.input_text().await;
        return Ok(text.lines().map(|l| (None, l.to_owned())).collect());
    }
    let mut lines = Vec::new();
    for file in files {
        let data = surroundings.machine.state().files.read(&surroundings.full_path(file));
        let data = data.map_err(|_| (*file).clone())?;
        let text = codepage::decode(surroundings.code_page, &data);
        lines.extend(text.lines().map(|l| (Some((*file).clone()), l.to_owned())));
    }
    Ok(lines)
}

fn split_options(arguments: &[String]) -> (Vec<String>, Vec<&String>) {
    let (options, rest): (Vec<&String>, Vec<&String>) =
        arguments.iter().partition(|a| a.starts_with('/') && a.len() > 1);
    (options.into_iter().map(|o| o.to_ascii_lowercase()).collect(), rest)
}

/// `find "text" [file]`; the text must stand in quotes.
pub(super) async fn find(surroundings: &Surroundings, arguments: &[String], line: &str) -> i32 {
    let (options, rest) = split_options(arguments);
    if rest.is_empty() || !line.contains('"') {
        surroundings.complain("FIND: Parameter format not correct\r\n").await;
        return 2;
    }
    let lines = match lines_of(surroundings, &rest[1..]).await {
        Ok(lines) => lines,
        Err(file) => {
            surroundings.complain(&format!("File not found - {}\r\n", file.to_uppercase())).await;
            return 1;
        }
    };
    let ignore_case = options.iter().any(|o| o == "/i");
    let invert = options.iter().any(|o| o == "/v");
    let needle = if ignore_case { rest[0].to_lowercase() } else { rest[0].clone() };
    let found: Vec<&String> = lines
        .iter()
        .map(|(_, l)| l)
        .filter(|l| (if ignore_case { l.to_lowercase() } else { (*l).clone() }).contains(&needle) != invert)
        .collect();
    if options.iter().any(|o| o == "/c") {
        surroundings.print(&format!("{}\r\n", found.len())).await;
    } else {
        if let Some(file) = rest.get(1) {
            surroundings.print(&format!("\r\n---------- {}\r\n", file.to_uppercase())).await;
        }
        for line in &found {
            surroundings.print(&format!("{line}\r\n")).await;
        }
    }
    i32::from(found.is_empty())
}

/// `findstr [/i] [/v] [/c:text] [/r] words [file]`; words are alternatives.
pub(super) async fn findstr(surroundings: &Surroundings, arguments: &[String]) -> i32 {
    let (options, mut rest) = split_options(arguments);
    let literal =
        arguments.iter().find_map(|a| a.get(..3).filter(|p| p.eq_ignore_ascii_case("/c:")).map(|_| &a[3..]));
    let needles: Vec<String> = match literal {
        Some(text) => vec![text.to_owned()],
        None if rest.is_empty() => {
            surroundings.complain("FINDSTR: Bad command line\r\n").await;
            return 2;
        }
        None => rest.remove(0).split_whitespace().map(str::to_owned).collect(),
    };
    let has = |name: &str| options.iter().any(|o| o == name);
    let pattern = |needle: &String| {
        let body =
            if has("/r") || literal.is_none() && !has("/l") { basic_regex(needle) } else { escape(needle) };
        fancy_regex::Regex::new(&format!("{}{body}", if has("/i") { "(?i)" } else { "" }))
    };
    let Ok(patterns) = needles.iter().map(pattern).collect::<Result<Vec<_>, _>>() else {
        surroundings.complain("FINDSTR: Bad command line\r\n").await;
        return 2;
    };
    let lines = match lines_of(surroundings, &rest).await {
        Ok(lines) => lines,
        Err(file) => {
            surroundings.complain(&format!("FINDSTR: Cannot open {file}\r\n")).await;
            return 1;
        }
    };
    let mut code = 1;
    for (file, line) in &lines {
        if patterns.iter().any(|p| p.is_match(line).unwrap_or(false)) != has("/v") {
            code = 0;
            let prefix = match file {
                Some(file) if rest.len() > 1 => format!("{file}:"),
                _ => String::new(),
            };
            surroundings.print(&format!("{prefix}{line}\r\n")).await;
        }
    }
    code
}

fn escape(text: &str) -> String {
    text.chars().fold(String::new(), |mut out, c| {
        if !c.is_alphanumeric() && c.is_ascii() {
            out.push('\\');
        }
        out.push(c);
        out
    })
}

/// `findstr` knows `.`, `*`, `^`, `$`, `[...]` and `\x`; all else is itself.
fn basic_regex(text: &str) -> String {
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '.' | '*' | '^' | '$' | '[' | ']' | '-' => out.push(c),
            '\\' => match chars.next() {
                Some('<' | '>') => out.push_str("\\b"),
                Some(next) => out.push_str(&escape(&next.to_string())),
                None => out.push_str("\\\\"),
            },
            other => out.push_str(&escape(&other.to_string())),
        }
    }
    out
}

pub(super) async fn sort(surroundings: &Surroundings, arguments: &[String]) -> i32 {
    let (options, rest) = split_options(arguments);
    let Ok(mut lines) = lines_of(surroundings, &rest).await else {
        surroundings.complain("The system cannot find the file specified.\r\n").await;
        return 1;
    };
    lines.sort_by_key(|(_, l)| l.to_lowercase());
    if options.iter().any(|o| o == "/r" || o == "/reverse") {
        lines.reverse();
    }
    for (_, line) in &lines {
        surroundings.print(&format!("{line}\r\n")).await;
    }
    0
}

/// Without a console `more` is a plain copy.
pub(super) async fn more(surroundings: &Surroundings, arguments: &[String]) -> i32 {
    let (_, rest) = split_options(arguments);
    if rest.is_empty() {
        while let Some(line) = surroundings.stdin.read_line().await {
            surroundings.stdout.write(&[&line[..], b"\r\n"].concat()).await;
        }
        return 0;
    }
    match lines_of(surroundings, &rest).await {
        Ok(lines) => {
            for (_, line) in &lines {
                surroundings.print(&format!("{line}\r\n")).await;
            }
            0
        }
        Err(file) => {
            surroundings.complain(&format!("Cannot access file {}\r\n", surroundings.full_path(&file))).await;
            1
        }
    }
}

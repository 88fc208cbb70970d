//! Quoted values come back byte for byte from real shells, and from a model of PowerShell's tokenizer.

use std::io::Write as _;
use std::process::{Command, Stdio};

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

use super::*;
use crate::template::quote;

/// Values that have broken quoting somewhere: marks of every language, in any order.
fn hostile() -> impl Strategy<Value = String> {
    let mark = proptest::sample::select(vec![
        "'",
        "\"",
        "`",
        "\\",
        "$",
        "$(",
        "${",
        ")",
        "}",
        "(",
        "{",
        ";",
        "&",
        "|",
        "<",
        ">",
        "\n",
        "\r",
        "\t",
        " ",
        "*",
        "?",
        "[",
        "]",
        "~",
        "#",
        "!",
        "^",
        "%",
        "@",
        "=",
        ",",
        "-",
        "--",
        "--%",
        "\u{2018}",
        "\u{2019}",
        "\u{201A}",
        "\u{201B}",
        "\u{201C}",
        "\u{201D}",
        "\u{201E}",
        "\u{2013}",
        "\u{2028}",
        "\u{85}",
        "\u{A0}",
        "\u{FEFF}",
        "é",
        "界",
        "\u{1F600}",
        "\u{7}",
        "\u{1B}[31m",
        "\u{7F}",
        "a",
        "EOF",
        "'\n'@",
        "\"\n\"@",
        "$((6*7))MARK",
        "%PATH%",
        "'@",
        "<#",
        "#>",
        "{{ x }}",
        "{% if %}",
        "-rf",
        "/",
    ]);
    proptest::collection::vec(mark, 0..12).prop_map(|marks| marks.concat())
}

fn samples<T: std::fmt::Debug>(strategy: impl Strategy<Value = T>, count: usize) -> Vec<T> {
    let mut runner = TestRunner::deterministic();
    (0..count).map(|_| strategy.new_tree(&mut runner).unwrap().current()).collect()
}

/// Runs a script in one process and gives what it printed, without trailing text after the last NUL.
fn shell(program: &str, script: String) -> Vec<Vec<u8>> {
    let mut child = Command::new(program)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| panic!("{program} is needed for this test: {error}"));
    let mut stdin = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || stdin.write_all(script.as_bytes()));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    let mut parts: Vec<Vec<u8>> = output.stdout.split(|byte| *byte == 0).map(<[u8]>::to_vec).collect();
    parts.pop();
    parts
}

#[test]
fn shells_give_back_quoted_values() {
    let template = compile("printf '%s\\0' {{ x | quote }}\n", Sink::Sh).unwrap();
    let values: Vec<String> = samples(hostile(), 5_000);
    let mut script = String::new();
    for value in &values {
        script.push_str(&template.render(&map(json!({ "x": value }))).unwrap());
        script.push('\n');
    }
    for program in ["dash", "bash"] {
        let printed = shell(program, script.clone());
        assert_eq!(printed.len(), values.len(), "{program}");
        for (value, printed) in values.iter().zip(printed) {
            assert_eq!(value.as_bytes(), printed, "{program}");
        }
    }
}

/// Whatever script is accepted around a quoted placeholder, the value does not run: the marker would be computed.
#[test]
fn no_accepted_shell_script_runs_a_value() {
    let piece = proptest::sample::select(vec![
        "echo ",
        "cat ",
        "'",
        "'",
        "\"",
        "\"",
        "\\",
        "$(",
        ")",
        "(",
        "`",
        "#",
        "\n",
        "\n",
        " ",
        " ",
        "${y",
        "${y:-",
        "}",
        "$y",
        "$",
        "<<EOF\n",
        "<<'EOF'\n",
        "<<-EOF\n",
        "\nEOF\n",
        "\tEOF\n",
        "case a in a) ",
        ";; esac",
        "$'",
        "$((",
        "))",
        ";",
        "|",
        "it's",
        "a",
        "=",
        "{{ x | quote }}",
        "{{ x | quote }}",
        " {{ x | quote }} ",
        "{{ p }}",
    ]);
    let scripts = samples(proptest::collection::vec(piece, 1..14).prop_map(|pieces| pieces.concat()), 12_000);
    let values = [
        "$((6*7))MARK",
        "';echo $((6*7))MARK;'",
        "\";echo $((6*7))MARK;\"",
        "`echo $((6*7))MARK`",
        "\necho $((6*7))MARK\n",
        "\nEOF\necho $((6*7))MARK\n",
        "');echo $((6*7))MARK #",
        "$(echo $((6*7))MARK)'\"",
    ];
    let mut script = String::new();
    let mut accepted = 0;
    for source in scripts.iter().filter(|source| source.contains("| quote")) {
        let Ok(template) = compile(source, Sink::Sh) else { continue };
        let x = values[accepted % values.len()];
        let Ok(rendered) = template.render(&map(json!({"x": x, "p": "EOF"}))) else { continue };
        accepted += 1;
        script.push_str(&format!(
            "(eval {}) </dev/null 2>&1; printf '\\0'\n",
            quote(&rendered, Sink::Sh).unwrap()
        ));
    }
    assert!(accepted > 500, "only {accepted} scripts were accepted");
    for program in ["dash", "bash"] {
        let printed = shell(program, script.clone());
        assert_eq!(printed.len(), accepted, "{program}");
        for part in printed {
            let part = String::from_utf8_lossy(&part).into_owned();
            assert!(!part.contains("42MARK"), "{program} ran a value: {part}");
        }
    }
}

#[test]
fn json_and_urls_give_back_quoted_values() {
    for value in samples(hostile(), 5_000) {
        let back: String = serde_json::from_str(&quote(&value, Sink::Json).unwrap()).unwrap();
        assert_eq!(back, value);
        if let Ok(encoded) = quote(&value, Sink::Url) {
            assert!(encoded.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.~%".contains(&byte)));
            assert_eq!(decode(&encoded), value.as_bytes());
        }
        if let Ok(quoted) = quote(&value, Sink::Cmd) {
            let inner = quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(&quoted);
            assert_eq!(inner, value);
            assert!(!inner.contains(['"', '&', '|', '<', '>', '^', '%', '!', '(', ')', '\n', '\r']));
        }
    }
}

fn decode(text: &str) -> Vec<u8> {
    let mut bytes = text.bytes();
    let mut out = Vec::new();
    while let Some(byte) = bytes.next() {
        out.push(if byte == b'%' {
            let digits = [bytes.next().unwrap(), bytes.next().unwrap()];
            u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
        } else {
            byte
        });
    }
    out
}

/// A model of PowerShell's tokenizer, written apart from the one under test: it collects the single-quoted literals
/// that stand in code, and gives up on what does not parse.
struct Model<'s> {
    chars: &'s [char],
    at: usize,
    /// Whether `#` begins a comment inside a word too: it depends on the parser's mode.
    comments_in_words: bool,
    literals: Vec<String>,
}

fn is_single(c: char) -> bool {
    ['\'', '\u{2018}', '\u{2019}', '\u{201A}', '\u{201B}'].contains(&c)
}

fn is_double(c: char) -> bool {
    ['"', '\u{201C}', '\u{201D}', '\u{201E}'].contains(&c)
}

impl Model<'_> {
    fn read(script: &str, comments_in_words: bool) -> Option<Vec<String>> {
        let chars: Vec<char> = script.chars().collect();
        let mut model = Model { chars: &chars, at: 0, comments_in_words, literals: Vec::new() };
        model.code(None)?;
        Some(model.literals)
    }

    fn peek(&self, ahead: usize) -> Option<char> {
        self.chars.get(self.at + ahead).copied()
    }

    fn code(&mut self, until: Option<char>) -> Option<()> {
        let mut in_word = false;
        while let Some(c) = self.peek(0) {
            self.at += 1;
            let was_in_word = std::mem::replace(&mut in_word, !c.is_whitespace() && !";|&,({".contains(c));
            match c {
                _ if Some(c) == until => return Some(()),
                ')' | '}' => return None,
                '`' => self.at += 1,
                '#' if !was_in_word || self.comments_in_words => {
                    while self.peek(0).is_some_and(|c| c != '\n') {
                        self.at += 1;
                    }
                }
                '<' if self.peek(0) == Some('#') => {
                    while !(self.peek(0)? == '#' && self.peek(1)? == '>') || self.chars[self.at - 1] == '<' {
                        self.at += 1;
                    }
                    self.at += 2;
                    in_word = false;
                }
                '@' if !was_in_word && self.peek(0).is_some_and(|c| is_single(c) || is_double(c)) => {
                    self.here_string()?
                }
                '(' => self.code(Some(')'))?,
                '{' => self.code(Some('}'))?,
                '$' if self.peek(0) == Some('{') => {
                    while self.peek(0)? != '}' {
                        self.at += 1;
                    }
                    self.at += 1;
                }
                c if is_single(c) => self.single()?,
                c if is_double(c) => self.double()?,
                _ => {}
            }
        }
        until.is_none().then_some(())
    }

    fn single(&mut self) -> Option<()> {
        let mut value = String::new();
        loop {
            let c = self.peek(0)?;
            self.at += 1;
            if is_single(c) {
                match self.peek(0) {
                    Some(second) if is_single(second) => {
                        self.at += 1;
                        value.push(second);
                    }
                    _ => break,
                }
            } else {
                value.push(c);
            }
        }
        self.literals.push(value);
        Some(())
    }

    fn double(&mut self) -> Option<()> {
        loop {
            let c = self.peek(0)?;
            self.at += 1;
            match c {
                '`' => self.at += 1,
                '$' if self.peek(0) == Some('(') => {
                    self.at += 1;
                    self.within_string()?;
                }
                c if is_double(c) => match self.peek(0) {
                    Some(second) if is_double(second) => self.at += 1,
                    _ => return Some(()),
                },
                _ => {}
            }
        }
    }

    /// Literals in a sub-expression of a string are not where a quoted placeholder may stand.
    fn within_string(&mut self) -> Option<()> {
        let kept = self.literals.len();
        self.code(Some(')'))?;
        self.literals.truncate(kept);
        Some(())
    }

    fn here_string(&mut self) -> Option<()> {
        let single = is_single(self.peek(0)?);
        self.at += 1;
        while self.peek(0)? != '\n' {
            if !self.peek(0)?.is_whitespace() {
                return None;
            }
            self.at += 1;
        }
        loop {
            let c = self.peek(0)?;
            if c == '\n'
                && self.peek(1).is_some_and(|c| if single { is_single(c) } else { is_double(c) })
                && self.peek(2) == Some('@')
            {
                self.at += 3;
                return Some(());
            }
            self.at += 1;
            if !single && c == '`' {
                self.at += 1;
            }
            if !single && c == '$' && self.peek(0) == Some('(') {
                self.at += 1;
                self.within_string()?;
            }
        }
    }
}

#[test]
fn powershell_gives_back_quoted_values() {
    for value in samples(hostile(), 10_000) {
        let quoted = quote(&value, Sink::PowerShell).unwrap();
        for comments_in_words in [false, true] {
            let script = format!("f {quoted}; g 'end'");
            let literals = Model::read(&script, comments_in_words).unwrap();
            assert_eq!(literals, [value.clone(), "end".to_owned()], "{script}");
        }
    }
}

/// Whatever script is accepted around a quoted placeholder, PowerShell reads the value as one literal.
#[test]
fn every_accepted_powershell_script_reads_a_quoted_value_as_one_literal() {
    let piece = proptest::sample::select(vec![
        "f ",
        "'",
        "'",
        "\"",
        "\"",
        "`",
        "$(",
        ")",
        "(",
        "{",
        "}",
        "@{",
        "#",
        "<#",
        "#>",
        "\n",
        "\n",
        "\r\n",
        " ",
        " ",
        "${",
        "$y",
        "$",
        "@'\n",
        "\n'@",
        "@\"\n",
        "\n\"@",
        "\u{2018}",
        "\u{201D}",
        "it's",
        "a",
        "=",
        ";",
        "@",
        "<",
        ">",
        ",",
        "--%",
        "{{ x | quote }}",
        "{{ x | quote }}",
        " {{ x | quote }} ",
        "{{ p }}",
    ]);
    let scripts = samples(proptest::collection::vec(piece, 1..14).prop_map(|pieces| pieces.concat()), 40_000);
    let values = samples(hostile(), 500);
    let mut accepted = 0;
    for source in scripts.iter().filter(|source| source.contains("| quote")) {
        let Ok(template) = compile(source, Sink::PowerShell) else { continue };
        let x = format!("\u{E000}{}", values[accepted % values.len()]);
        let Ok(rendered) = template.render(&map(json!({"x": x, "p": "p"}))) else { continue };
        for comments_in_words in [false, true] {
            let Some(literals) = Model::read(&rendered, comments_in_words) else { continue };
            accepted += 1;
            let wanted = source.matches("| quote").count();
            let found = literals.iter().filter(|literal| **literal == x).count();
            assert_eq!(found, wanted, "{source:?} gave {rendered:?}");
        }
    }
    assert!(accepted > 2_000, "only {accepted} scripts were accepted");
}

//! The grammar of a command line: operators, groups, redirections, `if` and `for`.

use super::tree::{Condition, ForValues, Node, Redirect, Target};

/// How deep groups may stand in each other.
const DEPTH_MAX: usize = 100;

/// Parses a line; none when there is nothing to run, the unexpected token (or nothing) when it makes no sense.
pub(super) fn parse(line: &str) -> Result<Option<Node>, String> {
    let mut parser = Parser { chars: line.chars().collect(), at: 0, depth: 0 };
    let node = parser.sequence()?;
    parser.skip_space();
    match parser.peek() {
        None => Ok(node),
        Some(c) => Err(c.to_string()),
    }
}

struct Parser {
    chars: Vec<char>,
    at: usize,
    depth: usize,
}

impl Parser {
    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn take(&mut self, text: &str) -> bool {
        let found = text.chars().enumerate().all(|(i, c)| self.chars.get(self.at + i) == Some(&c));
        if found {
            self.at += text.chars().count();
        }
        found
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(' ' | '\t' | '\r' | '\n' | ',' | ';' | '=')) {
            self.at += 1;
        }
    }

    /// `a & b`, the loosest.
    fn sequence(&mut self) -> Result<Option<Node>, String> {
        let mut left = self.either()?;
        loop {
            self.skip_space();
            if self.peek() != Some('&') || self.chars.get(self.at + 1) == Some(&'&') {
                return Ok(left);
            }
            self.at += 1;
            let Some(first) = left else { return Err("&".to_owned()) };
            left = match self.either()? {
                Some(second) => Some(Node::Then(Box::new(first), Box::new(second))),
                None => Some(first),
            };
        }
    }

    fn either(&mut self) -> Result<Option<Node>, String> {
        let mut left = self.both()?;
        loop {
            self.skip_space();
            if !self.take("||") {
                return Ok(left);
            }
            let (Some(first), Some(second)) = (left, self.both()?) else { return Err("||".to_owned()) };
            left = Some(Node::Or(Box::new(first), Box::new(second)));
        }
    }

    fn both(&mut self) -> Result<Option<Node>, String> {
        let mut left = self.pipe()?;
        loop {
            self.skip_space();
            if !self.take("&&") {
                return Ok(left);
            }
            let (Some(first), Some(second)) = (left, self.pipe()?) else { return Err("&&".to_owned()) };
            left = Some(Node::And(Box::new(first), Box::new(second)));
        }
    }

    fn pipe(&mut self) -> Result<Option<Node>, String> {
        let mut left = self.command()?;
        loop {
            self.skip_space();
            if self.peek() != Some('|') || self.chars.get(self.at + 1) == Some(&'|') {
                return Ok(left);
            }
            self.at += 1;
            let (Some(first), Some(second)) = (left, self.command()?) else { return Err("|".to_owned()) };
            left = Some(Node::Pipe(Box::new(first), Box::new(second)));
        }
    }

    fn command(&mut self) -> Result<Option<Node>, String> {
        self.skip_space();
        while self.take("@") {
            self.skip_space();
        }
        if self.peek() == Some('(') {
            return self.group().map(Some);
        }
        let word = self.lookahead_word();
        match word.as_str() {
            "if" => {
                self.at += 2;
                return self.conditional().map(Some);
            }
            "for" => {
                self.at += 3;
                return self.for_loop().map(Some);
            }
            "rem" => {
                self.at = self.chars.len();
                return Ok(None);
            }
            _ => {}
        }
        let (text, redirects) = self.simple()?;
        if text.trim().is_empty() && redirects.is_empty() {
            return Ok(None);
        }
        Ok(Some(Node::Command(text, redirects)))
    }

    fn group(&mut self) -> Result<Node, String> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err("(".to_owned());
        }
        self.at += 1;
        let inner = self.sequence()?.ok_or_else(|| ")".to_owned())?;
        self.skip_space();
        if !self.take(")") {
            return Err(String::new());
        }
        self.depth -= 1;
        let (text, redirects) = self.simple()?;
        if !text.trim().is_empty() && !text.trim_start().to_ascii_lowercase().starts_with("else") {
            return Err(text.trim().to_owned());
        }
        if !text.trim().is_empty() {
            self.at -= text.chars().count();
        }
        Ok(Node::Group(Box::new(inner), redirects))
    }

    /// The letters that come next, in lower case.
    fn lookahead_word(&self) -> String {
        self.chars[self.at..].iter().take_while(|c| c.is_alphanumeric()).collect::<String>().to_lowercase()
    }

    fn word(&mut self) -> String {
        self.skip_space();
        let mut word = String::new();
        let mut quoted = false;
        while let Some(c) = self.peek() {
            if !quoted && (c.is_whitespace() || matches!(c, '&' | '|' | '(' | ')' | '<' | '>')) {
                break;
            }
            if !quoted && c == '=' && self.chars.get(self.at + 1) == Some(&'=') {
                break;
            }
            quoted ^= c == '"';
            word.push(c);
            self.at += 1;
        }
        word
    }

    fn conditional(&mut self) -> Result<Node, String> {
        let mut ignore_case = false;
        let mut negated = false;
        let mut first = self.word();
        loop {
            match first.to_ascii_lowercase().as_str() {
                "/i" => ignore_case = true,
                "not" => negated = !negated,
                _ => break,
            }
            first = self.word();
        }
        let condition = match first.to_ascii_lowercase().as_str() {
            "exist" => Condition::Exist(self.word()),
            "defined" => Condition::Defined(self.word()),
            "errorlevel" => Condition::ErrorLevel(self.word().parse().map_err(|_| String::new())?),
            _ => {
                while matches!(self.peek(), Some(' ')) {
                    self.at += 1;
                }
                if self.take("==") {
                    Condition::Equal(first, self.word(), ignore_case)
                } else {
                    let operator = self.word().to_ascii_lowercase();
                    let right = self.word();
                    match operator.as_str() {
                        "equ" => Condition::Equal(first, right, ignore_case),
                        "neq" => Condition::Not(Box::new(Condition::Equal(first, right, ignore_case))),
                        _ => return Err(operator),
                    }
                }
            }
        };
        let condition = if negated { Condition::Not(Box::new(condition)) } else { condition };
        let yes = self.command()?.ok_or_else(String::new)?;
        self.skip_space();
        let no = if self.lookahead_word() == "else" {
            self.at += 4;
            Some(Box::new(self.command()?.ok_or_else(String::new)?))
        } else {
            None
        };
        Ok(Node::If(condition, Box::new(yes), no))
    }

    fn for_loop(&mut self) -> Result<Node, String> {
        let mut variable = self.word();
        let range = variable.eq_ignore_ascii_case("/l");
        if range {
            variable = self.word();
        }
        let name = variable.trim_start_matches('%').chars().next().filter(|_| variable.starts_with('%'));
        let name = name.ok_or_else(|| variable.clone())?;
        if !self.word().eq_ignore_ascii_case("in") {
            return Err(String::new());
        }
        self.skip_space();
        if !self.take("(") {
            return Err(String::new());
        }
        let start = self.at;
        while !matches!(self.peek(), None | Some(')')) {
            self.at += 1;
        }
        let inside: String = self.chars[start..self.at].iter().collect();
        if !self.take(")") || !self.word().eq_ignore_ascii_case("do") {
            return Err(String::new());
        }
        let words: Vec<String> =
            inside.split([' ', ',', ';', '=']).filter(|w| !w.is_empty()).map(str::to_owned).collect();
        let values = if range {
            let numbers: Vec<i64> = words.iter().filter_map(|w| w.parse().ok()).collect();
            match numbers[..] {
                [start, step, end] => ForValues::Range(start, step, end),
                _ => return Err(String::new()),
            }
        } else {
            ForValues::Words(words)
        };
        let body: String = self.chars[self.at..].iter().collect();
        self.at = self.chars.len();
        Ok(Node::For(name, values, body.trim().to_owned()))
    }

    /// A command's text up to the next operator, with its redirections taken out.
    fn simple(&mut self) -> Result<(String, Vec<Redirect>), String> {
        let mut text = String::new();
        let mut redirects = Vec::new();
        let mut quoted = false;
        while let Some(c) = self.peek() {
            match c {
                '"' => {
                    quoted = !quoted;
                    text.push(c);
                    self.at += 1;
                }
                _ if quoted => {
                    text.push(c);
                    self.at += 1;
                }
                '^' => {
                    self.at += 1;
                    if let Some(next) = self.peek() {
                        text.push(next);
                        self.at += 1;
                    }
                }
                '&' | '|' => break,
                ')' if self.depth > 0 => break,
                '>' | '<' => redirects.push(self.redirect(&mut text)?),
                _ => {
                    text.push(c);
                    self.at += 1;
                }
            }
        }
        Ok((text, redirects))
    }

    fn redirect(&mut self, text: &mut String) -> Result<Redirect, String> {
        let input = self.peek() == Some('<');
        self.at += 1;
        let append = !input && self.take(">");
        // A single digit before the sign, standing alone, is the handle.
        let mut handle = if input { 0 } else { 1 };
        let mut tail = text.chars().rev();
        if let (Some(digit), before) = (tail.next(), tail.next())
            && let Some(number) = digit.to_digit(10)
            && before.is_none_or(char::is_whitespace)
        {
            handle = number as u8;
            text.pop();
        }
        if self.take("&") {
            let digit = self.peek().and_then(|c| c.to_digit(10)).ok_or_else(|| "&".to_owned())?;
            self.at += 1;
            return Ok(Redirect { handle, append, target: Target::Handle(digit as u8) });
        }
        let file = self.word().trim_matches('"').to_owned();
        if file.is_empty() {
            return Err(String::new());
        }
        let target = if input { Target::Input(file) } else { Target::File(file) };
        Ok(Redirect { handle, append, target })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    fn command(text: &str) -> Box<Node> {
        Box::new(Node::Command(text.to_owned(), Vec::new()))
    }

    #[test]
    fn operators_bind_as_in_cmd() {
        let node = parse("a && b || c & d").unwrap().unwrap();
        let and = Node::And(command("a "), command("b "));
        let expected = Node::Then(Box::new(Node::Or(Box::new(and), command("c "))), command("d"));
        assert_eq!(node, expected);
    }

    #[test]
    fn redirections_are_taken_out_of_the_text() {
        let Some(Node::Command(text, redirects)) = parse(r#"dir "a & b" > out.txt 2>&1"#).unwrap() else {
            panic!("a command")
        };
        assert_eq!(text.trim(), r#"dir "a & b""#);
        assert_eq!(redirects.len(), 2);
        assert_eq!(redirects[1], Redirect { handle: 2, append: false, target: Target::Handle(1) });
    }

    #[test]
    fn nonsense_is_refused() {
        assert_eq!(parse("& dir"), Err("&".to_owned()));
        assert_eq!(parse("(dir"), Err(String::new()));
        assert_eq!(parse("dir >"), Err(String::new()));
    }
}

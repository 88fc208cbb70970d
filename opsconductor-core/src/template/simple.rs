//! The short way for what most templates are: text, `{{ name }}` and `{{ name | quote }}`. It gives exactly the tree
//! that the parser's way gives, several times faster, or nothing: whatever else a source holds, errors too, is the
//! parser's to read.

use super::budget::SOURCE_BYTES_MAX;
use super::tree::{Emit, Expr, How, Needs, Node};

/// The tree of `source`, when it is that simple.
pub(super) fn read(source: &str) -> Option<Vec<Node>> {
    if source.len() > SOURCE_BYTES_MAX {
        return None;
    }
    let mut rest = source.strip_suffix('\n').unwrap_or(source);
    rest = rest.strip_suffix('\r').unwrap_or(rest);
    // A text and a placeholder for each two braces: room for all of them without growing, save in odd sources.
    let braces = rest.bytes().filter(|byte| *byte == b'{').count();
    let mut nodes = Vec::with_capacity(braces.min(15) + 1);
    let (mut line, mut column) = (1, 1);
    while !rest.is_empty() {
        let (text, tag) = rest.split_at(text_length(rest));
        if !text.is_empty() {
            nodes.push(Node::Text(text.into()));
            advance(text, &mut line, &mut column);
        }
        if tag.is_empty() {
            break;
        }
        let inner = skip_spaces(tag.strip_prefix("{{")?);
        let (name, after) = name(inner)?;
        let (how, after) = match skip_spaces(after).strip_prefix('|') {
            None => (How::Plain, after),
            Some(filter) => (How::Quote, skip_spaces(filter).strip_prefix("quote")?),
        };
        let end = skip_spaces(after).strip_prefix("}}")?;
        // The tag is of one line and ASCII, so that its bytes are columns.
        let before_name = (tag.len() - inner.len()) as u32;
        nodes.push(Node::Emit(Emit {
            expr: Expr::Var(name.into()),
            how,
            needs: Needs::default(),
            line,
            column: column + before_name,
        }));
        column += (tag.len() - end.len()) as u32;
        rest = end;
    }
    Some(nodes)
}

/// How far the text goes before the next tag of any kind.
fn text_length(source: &str) -> usize {
    let is_tag = |pair: &[u8]| pair[0] == b'{' && matches!(pair[1], b'{' | b'%' | b'#');
    source.as_bytes().windows(2).position(is_tag).unwrap_or(source.len())
}

fn skip_spaces(source: &str) -> &str {
    source.trim_start_matches(' ')
}

/// A name that is no word of the language, and what stands after it.
fn name(source: &str) -> Option<(&str, &str)> {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let length = source.bytes().position(|byte| !is_part(&byte))?;
    let (name, rest) = source.split_at(length);
    let starts = name.bytes().next().is_some_and(|first| !first.is_ascii_digit());
    let is_word =
        matches!(name, "true" | "True" | "false" | "False" | "none" | "None" | "not" | "loop" | "self");
    (starts && !is_word).then_some((name, rest))
}

/// Lines end at `\n`; a column is a character.
fn advance(text: &str, line: &mut u32, column: &mut u32) {
    let last_line = match text.rfind('\n') {
        None => text,
        Some(at) => {
            *line += text.bytes().filter(|byte| *byte == b'\n').count() as u32;
            *column = 1;
            &text[at + 1..]
        }
    };
    *column += last_line.chars().count() as u32;
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use proptest::prelude::*;

    use super::super::{Sink, TemplateOptions, syntax};
    use super::*;

    fn both(source: &str, sink: Sink) -> Option<(String, String)> {
        let short = read(source)?;
        let long = syntax::parse_any(source, sink, TemplateOptions::default());
        Some((
            format!("{short:?}"),
            format!("{:?}", long.unwrap_or_else(|error| panic!("{source:?}: {error}"))),
        ))
    }

    #[test]
    fn what_most_templates_are_goes_the_short_way() {
        for source in [
            "",
            "\n",
            "no placeholder { here } at % all #\r\n",
            "{{x}}",
            "Restart-Service {{ svc }}; (Get-Service {{ svc|quote }}).Status\r\n\n",
            "ä\n{ü{{  _x1  |  quote  }}}}\n",
        ] {
            let (short, long) = both(source, Sink::Text).unwrap();
            assert_eq!(short, long, "{source:?}");
        }
    }

    #[test]
    fn what_is_more_goes_the_long_way() {
        for source in [
            "{{ x.y }}",
            "{{ x | upper }}",
            "{{ x | quotes }}",
            "{{ x | raw }}",
            "{{- x }}",
            "{{ x -}}",
            "{{ x }",
            "{{ }}",
            "{{ 1 }}",
            "{{ é }}",
            "{{ xé }}",
            "{{ 'x' }}",
            "{{ true }}",
            "{{ not x }}",
            "{{ loop }}",
            "{% if x %}{% endif %}",
            "{# x #}",
            "{{ x",
            "{{",
            "{{{ x }}",
            "{{ x\n}}",
            "{{ x | quote | quote }}",
        ] {
            assert!(read(source).is_none(), "{source:?}");
        }
        assert!(read(&"x".repeat(SOURCE_BYTES_MAX)).is_some());
        assert!(read(&"x".repeat(SOURCE_BYTES_MAX + 1)).is_none());
    }

    fn pieces(pieces: &'static [&'static str]) -> impl Strategy<Value = String> {
        prop::collection::vec(prop::sample::select(pieces), 0..12).prop_map(|chosen| chosen.concat())
    }

    proptest! {
        #[test]
        fn both_ways_give_the_same_tree(
            source in prop_oneof![
                pieces(&[
                    "{{ x }}", "{{x}}", "{{ y|quote }}", "{{  x | quote }}", "{", "}", "a", "é", "\n", "\r", " ", "'", "#",
                    "%", "-", "|", "quote",
                ]),
                pieces(&[
                    "{{", "{{ ", "}}", " }}", "{", "}", "%", "#", "-", "+", "|", " ", "\t", "\n", "\r", "x", "X_1", "9",
                    "é", "\u{a0}", ".", "quote", "raw", "true", "not", "if", "in", "is", "and", "or", "else", "loop",
                    "None", "range", "recursive", "set",
                ]),
                prop::sample::select(&["if", "else", "in", "is", "and", "or", "set", "for", "range", "block", "raw",
                    "quote", "endif", "elif", "with", "Not", "nil", "null", "super", "caller", "varargs"][..])
                    .prop_map(|word| format!("{{{{ {word} }}}} {{{{ {word} | quote }}}}")),
                "\\PC{0,24}",
            ],
            sink in prop::sample::select(&Sink::ALL[..]),
        ) {
            if let Some((short, long)) = both(&source, sink) {
                prop_assert_eq!(short, long);
            }
        }
    }
}

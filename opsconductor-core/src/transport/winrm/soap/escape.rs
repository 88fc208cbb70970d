//! Text on its way into XML.

use std::borrow::Cow;

/// Escapes `text` for element content and attribute values alike. Line ends and tabs go as character references,
/// so that neither the parser's line-end rule nor attribute normalization changes them. `None` when a character
/// has no place in XML 1.0 at all.
pub(in super::super) fn escape(text: &str) -> Option<Cow<'_, str>> {
    let Some(first) = special(text) else { return Some(Cow::Borrowed(text)) };
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    let (mut rest, mut next) = (text, Some(first));
    while let Some(at) = next {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let character = rest.chars().next()?;
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            '\t' => out.push_str("&#9;"),
            '\n' => out.push_str("&#10;"),
            '\r' => out.push_str("&#13;"),
            '\u{0}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => return None,
            other => out.push(other),
        }
        rest = &rest[character.len_utf8()..];
        next = special(rest);
    }
    out.push_str(rest);
    Some(Cow::Owned(out))
}

/// Where the next character stands that may mean something to XML. All of these are one byte long, but for two that have
/// no place in it.
fn special(text: &str) -> Option<usize> {
    text.bytes().position(|byte| byte < b' ' || matches!(byte, b'&' | b'<' | b'>' | b'"' | b'\'' | b'\xef'))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::escape;
    use crate::transport::winrm::soap::tree;

    #[test]
    fn what_is_escaped_comes_back_as_it_was() {
        let text = "a <b> & \"c\" 'd' ]]> \t\r\n é 日本 \u{1f980} \u{f000} \u{fffd}";
        let document = format!("<x y=\"{0}\">{0}</x>", escape(text).unwrap());
        let element = tree::parse(&document).unwrap();
        assert_eq!(element.text, text);
        assert_eq!(element.attribute("y").unwrap().as_deref(), Some(text));
    }

    #[test]
    fn a_character_outside_xml_is_refused() {
        for text in ["a\0b", "\u{1b}[0m", "\u{ffff}"] {
            assert_eq!(escape(text), None, "{text:?}");
        }
    }
}

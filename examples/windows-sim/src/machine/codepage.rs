//! The code pages a console speaks.

/// The upper halves of the single-byte code pages, from 0x80.
const CP437: &str = "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u{a0}";
const CP850: &str = "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜø£Ø×ƒáíóúñÑªº¿®¬½¼¡«»░▒▓│┤ÁÂÀ©╣║╗╝¢¥┐└┴┬├─┼ãÃ╚╔╩╦╠═╬¤ðÐÊËÈıÍÎÏ┘┌█▄¦Ì▀ÓßÔÒõÕµþÞÚÛÙýÝ¯´\u{ad}±‗¾¶§÷¸°¨·¹³²■\u{a0}";
const CP1252: &str = "€\u{81}‚ƒ„…†‡ˆ‰Š‹Œ\u{8d}Ž\u{8f}\u{90}‘’“”•–—˜™š›œ\u{9d}žŸ\u{a0}¡¢£¤¥¦§¨©ª«¬\u{ad}®¯°±²³´µ¶·¸¹º»¼½¾¿ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÐÑÒÓÔÕÖ×ØÙÚÛÜÝÞßàáâãäåæçèéêëìíîïðñòóôõö÷øùúûüýþÿ";

fn upper_half(code_page: u32) -> Option<&'static str> {
    match code_page {
        437 => Some(CP437),
        850 => Some(CP850),
        1252 => Some(CP1252),
        _ => None,
    }
}

/// Whether the machine has this code page.
pub(crate) fn is_known(code_page: u32) -> bool {
    matches!(code_page, 20127 | 65001) || upper_half(code_page).is_some()
}

/// The bytes of `text`; what the page lacks becomes `?`.
pub(crate) fn encode(code_page: u32, text: &str) -> Vec<u8> {
    if code_page == 65001 || text.is_ascii() {
        return text.as_bytes().to_vec();
    }
    let upper = upper_half(code_page).unwrap_or("");
    let mut units = Vec::with_capacity(text.len());
    for c in text.chars() {
        let byte = if c.is_ascii() {
            Some(c as u8)
        } else {
            upper.chars().position(|u| u == c).and_then(|i| u8::try_from(i + 0x80).ok())
        };
        units.push(byte.unwrap_or_else(|| best_fit(c)));
    }
    units
}

/// The plain letter Windows puts for some characters a page lacks.
fn best_fit(c: char) -> u8 {
    match c {
        '‘' | '’' | '‚' => b'\'',
        '“' | '”' | '„' => b'"',
        '–' | '—' => b'-',
        _ => b'?',
    }
}

/// The text of `bytes`; what is no character becomes U+FFFD.
pub(crate) fn decode(code_page: u32, bytes: &[u8]) -> String {
    match upper_half(code_page) {
        Some(upper) if !bytes.is_ascii() => {
            let table: Vec<char> = upper.chars().collect();
            bytes.iter().map(|&b| if b < 0x80 { b as char } else { table[usize::from(b) - 0x80] }).collect()
        }
        _ => String::from_utf8_lossy(bytes).into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_complete_and_go_both_ways() {
        for page in [437, 850, 1252] {
            assert_eq!(upper_half(page).map(|u| u.chars().count()), Some(128), "{page}");
            let all: Vec<u8> = (0..=255).collect();
            assert_eq!(encode(page, &decode(page, &all)), all, "{page}");
        }
    }

    #[test]
    fn a_missing_character_is_a_question_mark() {
        assert_eq!(encode(437, "ü→日"), vec![0x81, b'?', b'?']);
        assert_eq!(encode(65001, "日"), "日".as_bytes());
    }
}

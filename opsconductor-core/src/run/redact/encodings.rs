//! The forms in which a secret may show itself in output.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use zeroize::{Zeroize as _, Zeroizing};

use super::ENCODED_SECRET_BYTES_MIN;

/// A line of a secret with several is looked for by itself from this length on; shorter ones are too common.
const LINE_BYTES_MIN: usize = 8;

/// A set of byte strings to look for. Wiped when dropped.
#[derive(Default)]
pub(super) struct Forms(BTreeSet<Vec<u8>>);

impl Forms {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.0.iter().map(Vec::as_slice)
    }

    fn add(&mut self, form: impl Into<Vec<u8>>) {
        let mut form = Zeroizing::new(form.into());
        if !form.is_empty() && !self.0.contains(form.as_slice()) {
            self.0.insert(std::mem::take(&mut *form));
        }
    }

    /// Encodings whose edges were cut off may be too short to mean anything.
    fn add_encoded(&mut self, form: &[u8]) {
        if form.len() >= ENCODED_SECRET_BYTES_MIN {
            self.add(form);
        }
    }
}

impl Drop for Forms {
    fn drop(&mut self) {
        std::mem::take(&mut self.0).into_iter().for_each(|mut form| form.zeroize());
    }
}

/// Adds every form of `secret`.
pub(super) fn add_forms(secret: &str, forms: &mut Forms) {
    add_encodings(secret, forms);
    // A secret read from a file often ends in a line break, or has other white space around it, that output does not show.
    let trimmed = secret.trim();
    if trimmed.len() < secret.len() {
        add_encodings(trimmed, forms);
    }
    if trimmed.contains('\n') {
        for line in trimmed.lines().filter(|line| line.len() >= LINE_BYTES_MIN && !line.starts_with("-----"))
        {
            forms.add(line);
            forms.add(utf16le(line).as_slice());
        }
    }
}

fn add_encodings(secret: &str, forms: &mut Forms) {
    forms.add(secret);
    if secret.len() < ENCODED_SECRET_BYTES_MIN {
        return;
    }
    for escape in QUOTES {
        forms.add(rewrite(secret, escape).as_bytes());
    }
    for json in JSON {
        forms.add(rewrite(secret, |c, out| json.escape(c, out)).as_bytes());
    }
    for entities in XML {
        forms.add(rewrite(secret, |c, out| escape_xml(c, entities, out)).as_bytes());
    }
    for hex in [LOWER, UPPER] {
        for percent in PERCENT {
            forms.add(rewrite(secret, |c, out| percent.escape(c, hex, out)).as_bytes());
        }
        let every_byte = |c: char, out: &mut String| {
            c.encode_utf8(&mut [0; 4]).bytes().for_each(|byte| push_hex(byte, hex, out));
        };
        forms.add(rewrite(secret, every_byte).as_bytes());
    }
    let wide = utf16le(secret);
    add_base64(secret.as_bytes(), forms);
    add_base64(&wide, forms);
    forms.add(wide.as_slice());
}

/// What a character becomes in some form.
type Escape = fn(char, &mut String);

/// A secret within quotation marks: PowerShell's single ones (whose typographic kin count as well) and double ones, a
/// POSIX shell's single ones in both usual ways and double ones.
const QUOTES: &[Escape] = &[
    |c, out| if c == '\'' { out.push_str("''") } else { out.push(c) },
    |c, out| match c {
        '\'' | '\u{2018}'..='\u{201b}' => out.extend([c, c]),
        _ => out.push(c),
    },
    |c, out| match c {
        '"' | '$' | '`' => out.extend(['`', c]),
        _ => out.push(c),
    },
    |c, out| if c == '\'' { out.push_str(r"'\''") } else { out.push(c) },
    |c, out| if c == '\'' { out.push_str("'\"'\"'") } else { out.push(c) },
    |c, out| match c {
        '"' | '$' | '`' | '\\' => out.extend(['\\', c]),
        _ => out.push(c),
    },
];

/// How a writer of JSON escapes beyond what it must.
struct Json {
    /// Written as `\u` and four digits although it need not be.
    beyond: &'static str,
    /// Whether everything beyond ASCII is.
    ascii: bool,
    /// Whether `/` gets a backslash.
    slash: bool,
    hex: &'static Digits,
}

/// Most writers; PHP; Python; Go; PowerShell 5; .NET.
const JSON: &[Json] = &[
    Json { beyond: "", ascii: false, slash: false, hex: LOWER },
    Json { beyond: "", ascii: true, slash: true, hex: LOWER },
    Json { beyond: "", ascii: true, slash: false, hex: LOWER },
    Json { beyond: "<>&", ascii: false, slash: false, hex: LOWER },
    Json { beyond: "<>&'", ascii: false, slash: false, hex: LOWER },
    Json { beyond: "<>&'\"+`\u{7f}", ascii: true, slash: false, hex: UPPER },
];

impl Json {
    fn escape(&self, c: char, out: &mut String) {
        let short = match c {
            '"' | '\\' => Some(c),
            '/' if self.slash => Some(c),
            '\u{8}' => Some('b'),
            '\u{c}' => Some('f'),
            '\n' => Some('n'),
            '\r' => Some('r'),
            '\t' => Some('t'),
            _ => None,
        };
        let by_number = self.beyond.contains(c) || (self.ascii && !c.is_ascii()) || c < ' ';
        match short {
            Some(short) if !self.beyond.contains(c) => out.extend(['\\', short]),
            _ if by_number => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    out.push_str("\\u");
                    unit.to_be_bytes().into_iter().for_each(|byte| push_hex(byte, self.hex, out));
                }
            }
            _ => out.push(c),
        }
    }
}

/// What stands for `>`, `"` and `'`; `&` and `<` have one form only.
type Entities = [&'static str; 3];

const XML: &[Entities] = &[
    ["&gt;", "\"", "'"],
    [">", "&quot;", "'"],
    ["&gt;", "&quot;", "'"],
    ["&gt;", "&quot;", "&apos;"],
    ["&gt;", "&quot;", "&#39;"],
    ["&gt;", "&quot;", "&#x27;"],
    ["&gt;", "&#34;", "&#39;"],
];

fn escape_xml(c: char, [greater, double, single]: &Entities, out: &mut String) {
    match c {
        '&' => out.push_str("&amp;"),
        '<' => out.push_str("&lt;"),
        '>' => out.push_str(greater),
        '"' => out.push_str(double),
        '\'' => out.push_str(single),
        _ => out.push(c),
    }
}

/// What a percent-encoder leaves as it is, letters and digits apart, and what a space becomes.
struct Percent {
    left: &'static str,
    space: &'static str,
}

/// RFC 3986, also as Python's `quote` and as JavaScript's `encodeURIComponent` and `encodeURI` have it; forms, in the
/// two usual ways.
const PERCENT: &[Percent] = &[
    Percent { left: "-._~", space: "%20" },
    Percent { left: "-._~/", space: "%20" },
    Percent { left: "-._~!'()*", space: "%20" },
    Percent { left: "-._~!'()*;,/?:@&=+$#", space: "%20" },
    Percent { left: "-._~", space: "+" },
    Percent { left: "-._*", space: "+" },
];

impl Percent {
    fn escape(&self, c: char, hex: &Digits, out: &mut String) {
        if c == ' ' {
            out.push_str(self.space);
        } else if c.is_ascii_alphanumeric() || self.left.contains(c) {
            out.push(c);
        } else {
            for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                out.push('%');
                push_hex(byte, hex, out);
            }
        }
    }
}

/// Base64 of `bytes` alone, and the part of it that is the same whatever comes before and after, for each of the three
/// places a byte can have in a group.
fn add_base64(bytes: &[u8], forms: &mut Forms) {
    for engine in [&STANDARD, &URL_SAFE] {
        for before in 0..3 {
            let mut padded = Zeroizing::new(vec![0; before]);
            padded.reserve_exact(bytes.len());
            padded.extend_from_slice(bytes);
            let encoded = Zeroizing::new(engine.encode(padded.as_slice()));
            if before == 0 {
                forms.add_encoded(encoded.as_bytes());
                forms.add_encoded(encoded.trim_end_matches('=').as_bytes());
            }
            // A character has six bits: those that also hold bits from outside are left out.
            let (first, end) = ((before * 8).div_ceil(6), padded.len() * 8 / 6);
            if first < end {
                forms.add_encoded(&encoded.as_bytes()[first..end]);
            }
        }
    }
}

fn utf16le(text: &str) -> Zeroizing<Vec<u8>> {
    let mut out = Zeroizing::new(Vec::with_capacity(2 * text.len()));
    text.encode_utf16().for_each(|unit| out.extend_from_slice(&unit.to_le_bytes()));
    out
}

fn rewrite(text: &str, escape: impl Fn(char, &mut String)) -> Zeroizing<String> {
    // Room for the longest escape of every byte, because a buffer that grows leaves a copy behind.
    let mut out = Zeroizing::new(String::with_capacity(6 * text.len()));
    text.chars().for_each(|c| escape(c, &mut out));
    out
}

type Digits = [u8; 16];
const LOWER: &Digits = b"0123456789abcdef";
const UPPER: &Digits = b"0123456789ABCDEF";

fn push_hex(byte: u8, digits: &Digits, out: &mut String) {
    out.extend([byte >> 4, byte & 15].map(|nibble| char::from(digits[usize::from(nibble)])));
}

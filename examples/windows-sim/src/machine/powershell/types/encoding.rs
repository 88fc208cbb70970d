//! `System.Text.Encoding`.

use crate::machine::codepage;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Encoding {
    Utf8 { bom: bool },
    Utf16,
    Utf16BigEndian,
    Ascii,
    CodePage(u32),
}

impl Encoding {
    /// What `Get-Content` and `Set-Content` use when nothing is said.
    pub(in super::super) const DEFAULT: Self = Self::CodePage(1252);

    /// As the `-Encoding` parameter and `GetEncoding` name them.
    pub(in super::super) fn parse(name: &str) -> Option<Self> {
        Some(match name.to_ascii_lowercase().as_str() {
            "utf8" | "utf-8" | "65001" => Self::Utf8 { bom: true },
            "unicode" | "utf-16" | "utf-16le" | "string" | "1200" => Self::Utf16,
            "bigendianunicode" | "utf-16be" | "1201" => Self::Utf16BigEndian,
            "ascii" | "us-ascii" | "20127" => Self::Ascii,
            "default" | "windows-1252" | "iso-8859-1" | "1252" => Self::DEFAULT,
            "oem" | "ibm437" | "437" => Self::CodePage(437),
            "850" | "ibm850" => Self::CodePage(850),
            _ => return None,
        })
    }

    pub(in super::super) fn type_name(self) -> &'static str {
        match self {
            Self::Utf8 { .. } => "System.Text.UTF8Encoding",
            Self::Utf16 | Self::Utf16BigEndian => "System.Text.UnicodeEncoding",
            Self::Ascii => "System.Text.ASCIIEncoding",
            Self::CodePage(_) => "System.Text.SBCSCodePageEncoding",
        }
    }

    pub(in super::super) fn code_page(self) -> u32 {
        match self {
            Self::Utf8 { .. } => 65001,
            Self::Utf16 => 1200,
            Self::Utf16BigEndian => 1201,
            Self::Ascii => 20127,
            Self::CodePage(page) => page,
        }
    }

    pub(in super::super) fn web_name(self) -> &'static str {
        match self {
            Self::Utf8 { .. } => "utf-8",
            Self::Utf16 => "utf-16",
            Self::Utf16BigEndian => "utf-16BE",
            Self::Ascii => "us-ascii",
            Self::CodePage(437) => "IBM437",
            Self::CodePage(850) => "ibm850",
            Self::CodePage(_) => "Windows-1252",
        }
    }

    pub(in super::super) fn of_code_page(page: u32) -> Self {
        match page {
            65001 => Self::Utf8 { bom: true },
            20127 => Self::Ascii,
            page => Self::CodePage(page),
        }
    }

    /// What stands at the start of a file.
    pub(in super::super) fn preamble(self) -> &'static [u8] {
        match self {
            Self::Utf8 { bom: true } => &[0xEF, 0xBB, 0xBF],
            Self::Utf16 => &[0xFF, 0xFE],
            Self::Utf16BigEndian => &[0xFE, 0xFF],
            _ => &[],
        }
    }

    pub(in super::super) fn encode(self, text: &str) -> Vec<u8> {
        match self {
            Self::Utf8 { .. } => text.as_bytes().to_vec(),
            Self::Utf16 => text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
            Self::Utf16BigEndian => text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
            Self::Ascii => text.chars().map(|c| if c.is_ascii() { c as u8 } else { b'?' }).collect(),
            Self::CodePage(page) => codepage::encode(page, text),
        }
    }

    pub(in super::super) fn decode(self, bytes: &[u8]) -> String {
        let units = |read: fn([u8; 2]) -> u16| -> String {
            let units: Vec<u16> = bytes.chunks_exact(2).map(|pair| read([pair[0], pair[1]])).collect();
            String::from_utf16_lossy(&units)
        };
        match self {
            Self::Utf8 { .. } => String::from_utf8_lossy(bytes).into_owned(),
            Self::Utf16 => units(u16::from_le_bytes),
            Self::Utf16BigEndian => units(u16::from_be_bytes),
            Self::Ascii if bytes.is_ascii() => String::from_utf8_lossy(bytes).into_owned(),
            Self::Ascii => bytes.iter().map(|&b| if b.is_ascii() { b as char } else { '?' }).collect(),
            Self::CodePage(page) => codepage::decode(page, bytes),
        }
    }

    /// The text of a file: its byte order mark decides, else this encoding.
    pub(in super::super) fn decode_file(self, bytes: &[u8]) -> String {
        for encoding in [Self::Utf8 { bom: true }, Self::Utf16, Self::Utf16BigEndian] {
            if let Some(rest) = bytes.strip_prefix(encoding.preamble()) {
                return encoding.decode(rest);
            }
        }
        self.decode(bytes)
    }
}

//! Here-documents of a shell: which text is in one, and whether a value could end it.

use super::Place;

/// What a character did.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Step {
    /// It belongs to the delimiter or the document.
    Within,
    /// It ended the word or the document: what comes is code.
    Code,
    /// Nobody can tell where the document ends.
    Lost,
}

/// A here-document on its way.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Here {
    None,
    /// After `<<`: the delimiter is being read.
    Delimiter(Delimiter),
    /// The delimiter is known; the document begins on the next line.
    Pending(Delimiter),
    /// In the document, with what is known of the line.
    Body {
        end: Delimiter,
        line: Line,
        before: Before,
    },
}

#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Delimiter {
    word: String,
    /// `<<-`: tabs at the start of a line are dropped.
    tabs: bool,
    /// White space was read before the word.
    spaced: bool,
    quote: Option<char>,
    /// The closing quotation mark was read.
    closed: bool,
}

/// What the characters before mean in an unquoted here-document.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Before {
    Nothing,
    Backslash,
    Variable,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Line {
    /// The line equals that many bytes of the delimiter so far.
    Matches(usize),
    /// The line holds a value, so that it could be the delimiter.
    Unknown,
    /// The line is not the delimiter.
    Differs,
}

const LONE_VALUE: &str = "a line of a here-document that may consist of a placeholder could end the document: put a \
                          space or another mark next to the placeholder";

impl Here {
    /// Whether characters belong to the delimiter or the document.
    pub(super) fn takes_text(&self) -> bool {
        matches!(self, Self::Delimiter(_) | Self::Body { .. })
    }

    /// The line that announced the document ends.
    pub(super) fn begin(&mut self) {
        if let Self::Pending(end) = std::mem::replace(self, Self::None) {
            *self = Self::Body { end, line: Line::Matches(0), before: Before::Nothing };
        }
    }

    /// Reads one character of the delimiter or of the document.
    pub(super) fn read(&mut self, c: char) -> Result<Step, &'static str> {
        match self {
            Self::Delimiter(delimiter) => match delimiter.read(c) {
                Step::Code => {
                    *self = Self::Pending(std::mem::take(delimiter));
                    if c == '\n' {
                        self.begin();
                    }
                    Ok(Step::Code)
                }
                step => Ok(step),
            },
            Self::Body { .. } => self.read_body(c),
            Self::None | Self::Pending(_) => Ok(Step::Code),
        }
    }

    fn read_body(&mut self, c: char) -> Result<Step, &'static str> {
        let Self::Body { end, line, before } = self else { return Ok(Step::Code) };
        let expands = end.quote.is_none();
        let escaped = *before == Before::Backslash;
        *before = match c {
            _ if escaped || !expands => Before::Nothing,
            '\\' => Before::Backslash,
            '$' => Before::Variable,
            c if *before == Before::Variable && is_name(c) => Before::Variable,
            _ => Before::Nothing,
        };
        if c == '\n' {
            match *line {
                // The backslash joins this line and the next.
                _ if escaped => return Ok(Step::Lost),
                Line::Unknown => return Err(LONE_VALUE),
                Line::Matches(length) if length == end.word.len() => {
                    *self = Self::None;
                    return Ok(Step::Code);
                }
                _ => *line = Line::Matches(0),
            }
            return Ok(Step::Within);
        }
        *line = match *line {
            Line::Matches(0) if end.tabs && c == '\t' => Line::Matches(0),
            Line::Matches(length) if end.word[length..].starts_with(c) => {
                Line::Matches(length + c.len_utf8())
            }
            Line::Unknown if is_name(c) => Line::Unknown,
            _ => Line::Differs,
        };
        Ok(Step::Within)
    }

    /// What may stand here, if this is the delimiter or the document.
    pub(super) fn place(&self) -> Option<Place> {
        Some(match self {
            Self::Delimiter(_) => Place::refused("stands in the delimiter of a here-document: write a word"),
            Self::Body { before: Before::Backslash | Before::Variable, .. } => Place::refused(
                "follows a backslash or a variable, and would become part of it: put a space between",
            ),
            Self::Body { .. } => Place::inside(
                "stands in a here-document, where the marks of \"| quote\" would be text: leave it out, or use printf \
                 with a quoted placeholder",
            ),
            Self::None | Self::Pending(_) => return None,
        })
    }

    /// Passes over a value in the document.
    pub(super) fn pass(&mut self) {
        if let Self::Body { line, .. } = self
            && *line != Line::Differs
        {
            *line = Line::Unknown;
        }
    }
}

impl Delimiter {
    fn read(&mut self, c: char) -> Step {
        let fresh = self.word.is_empty() && self.quote.is_none();
        match c {
            '-' if fresh && !self.tabs && !self.spaced => self.tabs = true,
            ' ' | '\t' if fresh => self.spaced = true,
            '\'' | '"' if fresh => self.quote = Some(c),
            '\'' | '"' if self.quote == Some(c) && !self.closed && !self.word.is_empty() => {
                self.closed = true
            }
            c if is_name(c) && !self.closed => self.word.push(c),
            '\n' | ';' | '|' | '>' | ' ' | '\t' if self.closed || (!fresh && self.quote.is_none()) => {
                return Step::Code;
            }
            // `<<<`, and delimiters that take more than a word to write.
            _ => return Step::Lost,
        }
        Step::Within
    }
}

/// What can be part of a shell's name.
pub(super) fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

//! How a URL is read: scheme and authority, then path, query and fragment.

use super::{Machine, Place};
use crate::template::tree::Needs;

/// The state.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Url {
    part: Part,
    /// Hexadecimal digits of a percent escape that are still to come.
    escape: u8,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Part {
    /// Before the first `:` or `/`: a scheme or a path, nobody knows yet.
    Start,
    /// After `scheme:`, with that many slashes.
    Slashes(u8),
    Authority,
    Path,
}

impl Machine for Url {
    fn start() -> Self {
        Self { part: Part::Start, escape: 0 }
    }

    fn read(&mut self, c: char) -> Result<Option<Self>, &'static str> {
        self.escape = if c == '%' { 2 } else { self.escape.saturating_sub(1) };
        self.part = match (self.part, c) {
            (Part::Start, ':') => Part::Slashes(0),
            // `//host/path` has an authority without a scheme.
            (Part::Start, '/' | '\\') => Part::Slashes(1),
            (Part::Start | Part::Authority, '?' | '#') => Part::Path,
            (Part::Start, _) => Part::Start,
            (Part::Slashes(0), '/' | '\\') => Part::Slashes(1),
            (Part::Slashes(_), '/' | '\\') => Part::Authority,
            (Part::Authority, '/' | '\\') => Part::Path,
            (Part::Authority, _) => Part::Authority,
            (Part::Slashes(_) | Part::Path, _) => Part::Path,
        };
        Ok(None)
    }

    fn place(&self) -> Place {
        if self.escape > 0 {
            return Place::refused("stands in the middle of a percent escape: finish the escape");
        }
        match self.part {
            Part::Path => Place::default(),
            // One slash was read: the value could not bring the second, but nothing may be taken for a host.
            Part::Slashes(_) => Place::open(),
            Part::Start | Part::Authority => Place {
                needs: Needs { something: true, literal: true, ..Needs::default() },
                no_quote: Some(
                    "stands in the scheme or the host of the URL, which cannot be percent-encoded: pass a plain value, \
                     or write the host out",
                ),
                ..Place::default()
            },
        }
    }

    fn pass(&mut self, _quoted: bool) -> Option<Self> {
        // A value after one slash is not empty, quoted or not, so the second slash can no longer come.
        if let Part::Slashes(_) = self.part {
            self.part = Part::Path;
        }
        None
    }

    fn same_region(&self, other: &Self) -> bool {
        self.part == other.part && (self.escape > 0) == (other.escape > 0)
    }
}

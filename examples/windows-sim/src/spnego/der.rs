//! As much of DER as SPNEGO tokens need.

/// A tag of the context class, constructed: `[n]`.
pub(crate) const fn context(n: u8) -> u8 {
    0xa0 | n
}

pub(crate) const APPLICATION: u8 = 0x60;
pub(crate) const SEQUENCE: u8 = 0x30;
pub(crate) const OID: u8 = 0x06;
pub(crate) const OCTETS: u8 = 0x04;
pub(crate) const ENUMERATED: u8 = 0x0a;

/// Reads elements one after the other.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl<'a> Reader<'a> {
    /// The tag of the next element.
    pub(crate) fn peek(&self) -> Option<u8> {
        self.0.first().copied()
    }

    /// The content of the next element when it has the tag.
    pub(crate) fn take(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.take_whole(tag).map(|(_, content)| content)
    }

    /// The next element when it has the tag: with its header, and its content.
    pub(crate) fn take_whole(&mut self, tag: u8) -> Option<(&'a [u8], &'a [u8])> {
        if self.peek()? != tag {
            return None;
        }
        let first = *self.0.get(1)?;
        let (header, length) = if first < 0x80 {
            (2, usize::from(first))
        } else {
            let count = usize::from(first & 0x7f);
            if count == 0 || count > 3 {
                return None;
            }
            let digits = self.0.get(2..2 + count)?;
            (2 + count, digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)))
        };
        let whole = self.0.get(..header + length)?;
        self.0 = &self.0[header + length..];
        Some((whole, &whole[header..]))
    }
}

/// Writes one element around its content.
pub(crate) fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(content.len() + 5);
    out.push(tag);
    match content.len() {
        short if short < 0x80 => out.push(short as u8),
        length => {
            let digits = length.to_be_bytes();
            let skip = digits.iter().take_while(|digit| **digit == 0).count();
            out.push(0x80 | (digits.len() - skip) as u8);
            out.extend(&digits[skip..]);
        }
    }
    out.extend(content);
    out
}

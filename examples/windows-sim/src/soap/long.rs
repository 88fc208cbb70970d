//! Long input, taken out of its envelope before that is read as XML.
//!
//! A Send may carry half a megabyte of base64 in a kilobyte of XML. Reading it as XML looks at every character several times.

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use memchr::memchr;
use roxmltree::Document;

use super::{
    names,
    request::{Operation, Request},
};

/// How long a text must be to be taken out.
const LONG: usize = 4096;

/// Reads an envelope whose Send carries long input. `None` for every other envelope, and for one with anything wrong about it:
/// that is to be read as a whole, which finds out what.
pub(super) fn read(envelope: &[u8]) -> Option<Request> {
    if envelope.len() < LONG {
        return None;
    }
    let (start, end) = long_text(envelope)?;
    let rest = [&envelope[..start], &envelope[end..]].concat();
    let text = std::str::from_utf8(&rest).ok()?;
    let document = Document::parse(text.trim_start_matches('\u{feff}')).ok()?;
    let skipped = rest.len() - document.input_text().len();
    let mut streams = document.descendants().filter(|node| node.has_tag_name((names::SHELL, "Stream")));
    let in_stream = streams.next()?.range().contains(&(start - skipped)) && streams.next().is_none();
    let mut request = Request::of(&document).ok()?;
    match &mut request.operation {
        Operation::Send(input) if in_stream && input.data.is_empty() => {
            // What is no base64 is no text of the stream, or none that would be taken.
            input.data = BASE64.decode(&envelope[start..end]).ok()?;
            Some(request)
        }
        _ => None,
    }
}

/// Where the first long text between two tags begins and ends.
fn long_text(envelope: &[u8]) -> Option<(usize, usize)> {
    let mut start = 0;
    loop {
        let end = start + memchr(b'<', &envelope[start..])?;
        if end - start >= LONG {
            return Some((start, end));
        }
        start = end + memchr(b'>', &envelope[end..])? + 1;
    }
}

//! Redaction: whatever the secret, the text and the pieces it comes in, the secret does not come out.

use opsconductor_core::{
    Secret,
    run::redact::{MASK, Redactor},
};

use super::{Target, seeds_of, text};
use crate::random::Random;

/// The first byte is the length of the secret, which comes next; the rest is the output.
pub(super) const REDACTOR: Target = Target {
    name: "redactor",
    seeds: || {
        seeds_of(&[
            "\u{7}hunter2login with hunter2 failed: aHVudGVyMg== 68756e74657232",
            "\u{4}aaaaaaaaaaaaaaaabaaaa",
            "\u{5}a+++ba+++ba+++a+++b%2B%2B",
            "\u{1}xxyx",
            "\u{9}<p>\"&'\\n\u{e9}x &lt;p&gt; <p>\"&'\\n\u{e9}",
        ])
    },
    words: &["hunter2", "aHVudGVyMg==", "a+++b", "[redacted]", "%2B", "\\u002b", "&amp;", "\u{e9}"],
    check: redactor,
};

fn redactor(input: &[u8], random: &mut Random) -> Result<(), String> {
    let Some((length, rest)) = input.split_first() else { return Ok(()) };
    let (secret, output) = rest.split_at(usize::from(*length).min(rest.len()));
    let secret = Secret::from(text(secret));
    let redactor = Redactor::new([&secret]).map_err(|error| error.report())?;
    let whole = redactor.redact_bytes(output);
    let mut pieces = Vec::new();
    let (mut stream, mut left) = (redactor.stream(), output);
    while !left.is_empty() {
        let (piece, after) = left.split_at(1 + random.below(left.len()));
        stream.push(piece, &mut pieces);
        left = after;
    }
    stream.finish(&mut pieces);
    if pieces != whole {
        return Err("what comes in pieces comes out otherwise".to_owned());
    }
    // The mask may hold a short secret, and complete one beside it.
    let shown = replaced(&whole, MASK.as_bytes());
    let bytes = secret.expose().as_bytes();
    if !bytes.is_empty() && shown.windows(bytes.len()).any(|window| window == bytes) {
        return Err("the secret is shown".to_owned());
    }
    Ok(())
}

/// The bytes with one that is in no text in place of every `mask`.
fn replaced(bytes: &[u8], mask: &[u8]) -> Vec<u8> {
    let (mut out, mut left) = (Vec::with_capacity(bytes.len()), bytes);
    while let Some(first) = left.first() {
        match left.strip_prefix(mask) {
            Some(after) => {
                out.push(0xff);
                left = after;
            }
            None => {
                out.push(*first);
                left = &left[1..];
            }
        }
    }
    out
}

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use proptest::prelude::*;

use super::*;

fn redactor(secrets: &[&str]) -> Redactor {
    let secrets: Vec<Secret<String>> = secrets.iter().map(|text| Secret::from(*text)).collect();
    Redactor::new(&secrets).unwrap()
}

fn forms(secrets: &[&str]) -> Vec<Vec<u8>> {
    let mut forms = encodings::Forms::default();
    secrets.iter().for_each(|secret| encodings::add_forms(secret, &mut forms));
    forms.iter().map(<[u8]>::to_vec).collect()
}

/// What the redactor must do, said as plainly as possible: every place where a form stands is covered, places that
/// overlap are one, and each is a mask.
fn naive(forms: &[Vec<u8>], input: &[u8]) -> Vec<u8> {
    let mut spans: Vec<(usize, usize)> = Vec::new();
    for form in forms {
        for (start, part) in input.windows(form.len()).enumerate() {
            if part == form {
                spans.push((start, start + form.len()));
            }
        }
    }
    spans.sort_unstable();
    let (mut out, mut at) = (Vec::new(), 0);
    for (start, end) in spans {
        if start >= at {
            out.extend_from_slice(&input[at..start]);
            out.extend_from_slice(MASK.as_bytes());
        }
        at = at.max(end);
    }
    out.extend_from_slice(&input[at..]);
    out
}

/// How much of `given` must be held: the longest end that begins a form.
fn could_become_a_match(forms: &[Vec<u8>], given: &[u8]) -> usize {
    let begins = |end: &[u8]| forms.iter().any(|form| form.starts_with(end));
    (0..=given.len()).find(|at| begins(&given[*at..])).map_or(0, |at| given.len() - at)
}

fn streamed(redactor: &Redactor, chunks: impl IntoIterator<Item = impl AsRef<[u8]>>) -> Vec<u8> {
    let (mut stream, mut out) = (redactor.stream(), Vec::new());
    chunks.into_iter().for_each(|chunk| stream.push(chunk.as_ref(), &mut out));
    stream.finish(&mut out);
    out
}

#[test]
fn every_encoding_is_found() {
    // Everything that any of the encodings treats in its own way.
    let secret = "p'ä\"$`\\ss <w>&/+=~_ö🔑\t!";
    let redactor = redactor(&[secret]);
    let base64 = |before: &str, after: &str| STANDARD.encode(format!("{before}{secret}{after}"));
    let wide: Vec<u8> = secret.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let hex = |upper: bool| -> String {
        secret.bytes().map(|b| if upper { format!("{b:02X}") } else { format!("{b:02x}") }).collect()
    };
    let whole: Vec<(&str, Vec<u8>)> = vec![
        ("itself", secret.into()),
        ("base64", base64("", "").into()),
        ("base64, URL-safe", URL_SAFE_NO_PAD.encode(secret).into()),
        ("hex", hex(false).into()),
        ("HEX", hex(true).into()),
        ("JSON by serde", serde_json::to_string(secret).unwrap()[1..].trim_end_matches('"').into()),
        ("JSON by Python", r#"p'\u00e4\"$`\\ss <w>&/+=~_\u00f6\ud83d\udd11\t!"#.into()),
        ("JSON by PowerShell 5", "p\\u0027ä\\\"$`\\\\ss \\u003cw\\u003e\\u0026/+=~_ö🔑\\t!".into()),
        (
            "JSON by .NET",
            r"p\u0027\u00E4\u0022$\u0060\\ss \u003Cw\u003E\u0026/\u002B=~_\u00F6\uD83D\uDD11\t!".into(),
        ),
        ("XML text", "p'ä\"$`\\ss &lt;w&gt;&amp;/+=~_ö🔑\t!".into()),
        ("XML attribute", "p&apos;ä&quot;$`\\ss &lt;w&gt;&amp;/+=~_ö🔑\t!".into()),
        (
            "URL",
            "p%27%C3%A4%22%24%60%5C%73%73"
                .replace("%73", "s")
                .chars()
                .chain("%20%3Cw%3E%26%2F%2B%3D~_%C3%B6%F0%9F%94%91%09%21".chars())
                .collect::<String>()
                .into(),
        ),
        ("url", "p%27%c3%a4%22%24%60%5css%20%3cw%3e%26%2f%2b%3d~_%c3%b6%f0%9f%94%91%09%21".into()),
        ("form", "p%27%C3%A4%22%24%60%5Css+%3Cw%3E%26%2F%2B%3D%7E_%C3%B6%F0%9F%94%91%09%21".into()),
        ("encodeURIComponent", "p'%C3%A4%22%24%60%5Css%20%3Cw%3E%26%2F%2B%3D~_%C3%B6%F0%9F%94%91%09!".into()),
        ("UTF-16LE", wide.clone()),
        ("-EncodedCommand", STANDARD.encode(&wide).into()),
        ("PowerShell, quoted", secret.replace('\'', "''").into()),
        ("sh, quoted", secret.replace('\'', r"'\''").into()),
        ("Python's shlex, quoted", secret.replace('\'', "'\"'\"'").into()),
    ];
    for (name, form) in whole {
        let text = [b"a ", form.as_slice(), b" z"].concat();
        assert_eq!(redactor.redact_bytes(&text), b"a [redacted] z", "{name}");
    }
}

#[test]
fn base64_is_found_wherever_the_secret_stands_in_it() {
    let secret = "correct horse battery";
    let redactor = redactor(&[secret]);
    for before in ["", "a", "ab", "abc", "user:", "DOMAIN\\user:"] {
        for after in ["", "z", "yz", "xyz"] {
            let text = format!("{before}{secret}{after}");
            let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
            for encoded in [STANDARD.encode(&text), URL_SAFE_NO_PAD.encode(&text), STANDARD.encode(wide)] {
                let shown = redactor.redact_str(&encoded);
                assert!(shown.contains(MASK), "{before}…{after}: {encoded}");
                // At each edge one character holds bits of the secret and of what is beside it.
                let outside = shown.replace(MASK, "").len();
                assert!(outside <= (before.len() + after.len()) * 4 + 4, "{before}…{after}: {shown}");
            }
        }
    }
}

#[test]
fn typographic_quotes_are_doubled_in_powershell() {
    let shown = redactor(&["it\u{2019}s 'it'"]).redact_str("'it\u{2019}\u{2019}s ''it'''");
    assert_eq!(shown, "'[redacted]'");
}

#[test]
fn a_short_secret_is_matched_as_itself_and_an_empty_one_not_at_all() {
    let shown = redactor(&["", "abc"]).redact_str("abc 616263 YWJj");
    assert_eq!(shown, "[redacted] 616263 YWJj");
    assert_eq!(redactor(&[""]).redact_str("nothing"), "nothing");
    assert_eq!(Redactor::none().redact_str("nothing"), "nothing");
}

#[test]
fn the_lines_of_a_key_are_secrets_too() {
    let key = "-----BEGIN KEY-----\nb3BlbnNzaC1rZXk\nc29tZSBtb3Jl\n=abc\n-----END KEY-----\n";
    let redactor = redactor(&[key]);
    assert_eq!(redactor.redact_str(&format!("<{key}>")), "<[redacted]>");
    assert_eq!(redactor.redact_str(&format!("<{}>", key.trim_end())), "<[redacted]>");
    assert_eq!(redactor.redact_str("key: c29tZSBtb3Jl\r\n"), "key: [redacted]\r\n");
    assert_eq!(redactor.redact_str("-----BEGIN KEY-----"), "-----BEGIN KEY-----");
}

#[test]
fn white_space_around_a_secret_may_be_missing_in_what_is_said() {
    let redactor = redactor(&[" hunter2pass \n"]);
    assert_eq!(redactor.redact_str("it is hunter2pass."), "it is [redacted].");
    assert_eq!(redactor.redact_str("aHVudGVyMnBhc3M="), "[redacted]");
}

#[test]
fn overlapping_secrets_are_both_hidden() {
    let redactor = redactor(&["abcdef", "defghi", "hunter2", "hunter22"]);
    assert_eq!(redactor.redact_str("<abcdefghi>"), "<[redacted]>");
    assert_eq!(redactor.redact_str("<abcdefabcdef>"), "<[redacted][redacted]>");
    assert_eq!(redactor.redact_str("<hunter2> <hunter22>"), "<[redacted]> <[redacted]>");
}

#[test]
fn a_pattern_is_never_read_as_one() {
    let redactor = redactor(&["a+++b", ".*.*", "(((("]);
    assert_eq!(redactor.redact_str("aab a+++b xyz .*.* (((("), "aab [redacted] xyz [redacted] [redacted]");
}

#[test]
fn a_stream_starts_anew_after_it_is_finished() {
    let redactor = redactor(&["hunter2"]);
    let (mut stream, mut out) = (redactor.stream(), Vec::new());
    stream.push(b"hunt", &mut out);
    stream.finish(&mut out);
    stream.push(b"er2 hunter2", &mut out);
    stream.finish(&mut out);
    assert_eq!(out, b"hunter2 [redacted]");
}

#[test]
fn streams_do_not_mix() {
    let redactor = redactor(&["hunter2"]);
    let (mut one, mut two, mut out) = (redactor.stream(), redactor.stream(), Vec::new());
    one.push(b"hunt", &mut out);
    two.push(b"er2", &mut out);
    one.push(b"er2", &mut out);
    one.finish(&mut out);
    two.finish(&mut out);
    assert_eq!(out, b"er2[redacted]");
}

#[test]
fn an_endless_match_is_one_mask_and_holds_no_memory() {
    let redactor = redactor(&["aaaa"]);
    let (mut stream, mut out) = (redactor.stream(), Vec::new());
    for _ in 0..1000 {
        stream.push(&[b'a'; 100], &mut out);
    }
    stream.push(b"b", &mut out);
    assert_eq!(out, b"[redacted]b");
}

#[test]
fn large_keys_are_found_by_the_denser_structure() {
    let key: String = (0..3000).map(|n| char::from(b'!' + (n * n % 89) as u8)).collect();
    let redactor = redactor(&[&key]);
    let text = format!("<{key}> {}", serde_json::to_string(&key).unwrap());
    let chunks = text.as_bytes().chunks(7);
    assert_eq!(streamed(&redactor, chunks), b"<[redacted]> \"[redacted]\"");
}

#[test]
fn secrets_are_bounded() {
    let half = Secret::from("x".repeat(SECRETS_BYTES_MAX / 2 + 1));
    assert_eq!(Redactor::new([&half, &half]).unwrap_err().kind(), ErrorKind::InvalidInput);
}

#[test]
fn text_stays_text() {
    // The UTF-16LE form of this secret begins within the letter before it.
    let redactor = redactor(&["\u{4180}\u{4242}"]);
    let shown = redactor.redact_str("ÀABB");
    assert_eq!(shown, "\u{fffd}[redacted]");
}

#[test]
fn debug_shows_no_secret() {
    let redactor = redactor(&["hunter2"]);
    let mut stream = redactor.stream();
    stream.push(b"hunter", &mut Vec::new());
    let shown = format!("{redactor:?} {stream:?}");
    assert!(!shown.contains("hunter"), "{shown}");
}

/// Secrets of few letters, so that they overlap, nest and repeat.
fn dense_secret() -> impl Strategy<Value = String> {
    prop_oneof!["[ab]{1,6}", "[ab']{4,8}", "[a-c&%\n\"é]{4,12}"]
}

/// Input in which secrets and their forms are likely.
fn input(secrets: &[String]) -> impl Strategy<Value = Vec<u8>> + use<> {
    let forms = forms(&secrets.iter().map(String::as_str).collect::<Vec<_>>());
    let cut = (prop::sample::select(forms.clone()), any::<prop::sample::Index>())
        .prop_map(|(form, at)| form[..at.index(form.len())].to_vec());
    let piece = prop_oneof![
        4 => prop::sample::select(forms),
        2 => cut,
        2 => "[ab]{0,5}".prop_map(String::into_bytes),
        1 => prop::collection::vec(any::<u8>(), 0..4),
    ];
    prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

fn case() -> impl Strategy<Value = (Vec<String>, Vec<u8>, Vec<prop::sample::Index>)> {
    prop::collection::vec(dense_secret(), 1..4).prop_flat_map(|secrets| {
        let input = input(&secrets);
        (Just(secrets), input, prop::collection::vec(any::<prop::sample::Index>(), 0..6))
    })
}

proptest! {
    #[test]
    fn any_chunks_give_what_the_plain_rule_gives((secrets, input, cuts) in case()) {
        let secrets: Vec<&str> = secrets.iter().map(String::as_str).collect();
        let (redactor, forms) = (redactor(&secrets), forms(&secrets));
        let expected = naive(&forms, &input);
        prop_assert_eq!(redactor.redact_bytes(&input), &expected[..]);

        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(input.len() + 1)).collect();
        cuts.extend([0, input.len()]);
        cuts.sort_unstable();
        let chunks = cuts.windows(2).map(|cut| &input[cut[0]..cut[1]]);
        prop_assert_eq!(streamed(&redactor, chunks), &expected[..]);
        prop_assert_eq!(streamed(&redactor, input.chunks(1)), &expected[..]);
    }

    #[test]
    fn only_what_could_become_a_match_is_held((secrets, input, _) in case()) {
        let secrets: Vec<&str> = secrets.iter().map(String::as_str).collect();
        let (redactor, forms) = (redactor(&secrets), forms(&secrets));
        let (mut stream, mut out) = (redactor.stream(), Vec::new());
        for (index, byte) in input.iter().enumerate() {
            stream.push(&[*byte], &mut out);
            prop_assert_eq!(stream.held_len(), could_become_a_match(&forms, &input[..=index]));
        }
    }
}

#[test]
fn behind_a_gap_the_end_of_a_secret_is_taken_out_too() {
    let redactor = Redactor::new([&Secret::from("correct-horse")]).unwrap();
    let whole = "correct-horse battery hunter";
    for cut in 0..whole.len() {
        for piece in [1, 2, 5, 64] {
            let mut stream = redactor.stream();
            let mut out = Vec::new();
            stream.push(b"x corr", &mut out);
            stream.discard();
            let before = out.len();
            for piece in whole.as_bytes()[cut..].chunks(piece) {
                stream.push(piece, &mut out);
            }
            stream.finish(&mut out);
            assert_eq!(&out[..before], b"x ", "what was held back is gone");
            let said = String::from_utf8(out.split_off(before)).unwrap();
            let expected = match cut {
                0..=9 => "[redacted] battery hunter".to_owned(),
                // Three bytes and less say next to nothing.
                _ => whole[cut..].to_owned(),
            };
            assert_eq!(said, expected, "cut at {cut}, pieces of {piece}");
        }
    }
}

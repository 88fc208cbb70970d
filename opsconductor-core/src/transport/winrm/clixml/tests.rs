//! Documents whole, cut and mixed.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use super::{Decoder, TAG_BYTES_MAX};

const PROGRESS: &str = "<Obj S=\"progress\" RefId=\"0\"><TN RefId=\"0\"><T>System.Object</T></TN><MS>\
    <I64 N=\"SourceId\">1</I64><PR N=\"Record\"><AV>Preparing modules</AV><SD> </SD></PR>\
    <Obj N=\"x\" RefId=\"1\"><S>inner</S></Obj></MS></Obj>";

fn decode(input: &[u8], piece: usize) -> Vec<u8> {
    let mut decoder = Decoder::default();
    let mut out: Vec<u8> = input.chunks(piece).flat_map(|piece| decoder.push(piece)).collect();
    out.extend(decoder.finish());
    out
}

/// The same answer however the input is split.
fn check(input: &[u8], expected: &[u8]) {
    for piece in [1, 2, 3, 7, 64, input.len().max(1)] {
        let out = decode(input, piece);
        assert_eq!(String::from_utf8_lossy(&out), String::from_utf8_lossy(expected), "in pieces of {piece}");
    }
}

fn document(inner: &str) -> String {
    format!(
        "#< CLIXML\r\n<Objs Version=\"1.1.0.1\" xmlns=\"http://schemas.microsoft.com/powershell/2004/04\">{inner}</Objs>"
    )
}

#[test]
fn errors_become_text_and_progress_goes() {
    let input = document(&format!(
        "{PROGRESS}<S S=\"Error\">x &lt;y&gt; : é_x000D__x000A_</S><S S=\"Error\">At line:1_x000D__x000A_</S>{PROGRESS}"
    ));
    check(input.as_bytes(), "x <y> : é\r\nAt line:1\r\n".as_bytes());
}

#[test]
fn other_streams_say_which_they_are() {
    let input = document("<S S=\"warning\">low disk</S><S S=\"Verbose\">v</S><S S=\"debug\">d_x000A_</S>");
    check(input.as_bytes(), b"WARNING: low disk\r\nVERBOSE: v\r\nDEBUG: d\n");
}

#[test]
fn plain_text_passes_before_between_and_after() {
    let input = format!("native 1\r\n{0}\r\nnative #< CLIXML 2\r\n{0}", document("<S S=\"Error\">e</S>"));
    check(input.as_bytes(), b"native 1\r\ne\r\nnative #< CLIXML 2\r\ne");
}

#[test]
fn bytes_of_another_code_page_are_kept_inside_a_document() {
    let mut input = b"#< CLIXML\r\nfehler \x81ber\r\n".to_vec();
    input.extend_from_slice(b"<Objs Version=\"1.1\"><S S=\"Error\">\x84_x0041_</S></Objs>");
    check(&input, b"fehler \x81ber\x84A");
}

#[test]
fn escapes_may_be_pairs_or_no_escapes_at_all() {
    let input =
        document("<S S=\"Error\">_xD83E__xDD80_ _x00_ __x0041_ _xZZ &#65;&#x42; &unknown; a & b _</S>");
    check(input.as_bytes(), "\u{1f980} _x00_ _A _xZZ AB &unknown; a & b _".as_bytes());
}

#[test]
fn what_is_cut_off_is_not_lost() {
    check(b"#< CLI", b"#< CLI");
    check(b"#< CLIXML", b"");
    check(b"#< CLIXML\r\n<Objs><S S=\"Error\">half &am", b"half &am");
}

#[test]
fn what_is_held_back_is_bounded() {
    let mut decoder = Decoder::default();
    decoder.push(b"#< CLIXML\r\n<Objs><S S=\"Error\">");
    let long =
        vec![b'<'; 1].into_iter().chain(std::iter::repeat_n(b'a', TAG_BYTES_MAX * 4)).collect::<Vec<u8>>();
    let out = decoder.push(&long);
    assert!(decoder.held.len() <= TAG_BYTES_MAX && out.len() >= TAG_BYTES_MAX);
}

#[test]
fn a_gap_is_overcome_wherever_the_input_goes_on() {
    let whole = format!(
        "{}plain 1\r\nplain 2\r\n{}",
        document(&format!(
            "{PROGRESS}<S S=\"Error\">first &lt;_x000A_</S>{PROGRESS}<S S=\"Error\">second_x000A_</S>"
        )),
        document(&format!("<S S=\"Error\">third_x000A_</S>{PROGRESS}"))
    );
    let last = whole.rfind("<S S=\"Error\">third").unwrap();
    for cut in 0..last {
        if !whole.is_char_boundary(cut) {
            continue;
        }
        let mut decoder = Decoder::default();
        decoder.push(b"#< CLIXML\r\n<Objs><Obj S=\"progress\"><S S=\"Err");
        decoder.resync();
        let mut out = Vec::new();
        for piece in whole.as_bytes()[cut..].chunks(5) {
            out.extend(decoder.push(piece));
        }
        out.extend(decoder.finish());
        let out = String::from_utf8(out).unwrap();
        assert!(out.ends_with("third\n"), "cut at {cut}: {out:?}");
        // What comes whole after the cut is there, and no tag is taken for text.
        for (text, from) in [("second\n", "<S S=\"Error\">second"), ("plain 2\r\n", "plain 2")] {
            assert!(cut > whole.find(from).unwrap() || out.contains(text), "cut at {cut}: {out:?}");
        }
        assert!(
            !out.contains("<S") && !out.contains("RefId") && !out.contains("Preparing"),
            "cut at {cut}: {out:?}"
        );
    }
}

#[test]
fn plain_text_after_a_gap_passes_as_it_is() {
    let mut decoder = Decoder::default();
    decoder.resync();
    let mut out = decoder.push(b"est of a > line\r\nif (a < b && c > d) {\r\n");
    out.extend(decoder.push(b"end"));
    out.extend(decoder.finish());
    assert_eq!(out, b"est of a > line\r\nif (a < b && c > d) {\r\nend");
}

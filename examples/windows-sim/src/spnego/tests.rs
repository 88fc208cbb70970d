#![allow(clippy::unwrap_used, reason = "a test may panic")]

use super::*;

fn init_token(mechanisms: &[&[u8]], token: &[u8]) -> Vec<u8> {
    let list: Vec<u8> = mechanisms.iter().flat_map(|oid| element(OID, oid)).collect();
    let mut fields = element(context(0), &element(SEQUENCE, &list));
    fields.extend(element(context(2), &element(OCTETS, token)));
    let mut inner = element(OID, SPNEGO_OID);
    inner.extend(element(context(0), &element(SEQUENCE, &fields)));
    element(APPLICATION, &inner)
}

#[test]
fn the_first_token_tells_where_ntlm_stands_and_carries_its_message() {
    let kerberos: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x12, 0x01, 0x02, 0x02];
    let long = vec![7; 300];
    let Some(Token::Init(init)) = parse(&init_token(&[kerberos, NTLM_OID], &long)) else {
        panic!("not an init")
    };
    assert_eq!(init.ntlm_at, Some(1));
    assert_eq!(init.mech_token.unwrap(), long);
    assert_eq!(init.mech_list[0], SEQUENCE);
}

#[test]
fn an_answer_can_be_read_back() {
    let token = respond(State::AcceptIncomplete, true, Some(b"challenge"), Some(b"mic"));
    let Some(Token::Response(response)) = parse(&token) else { panic!("not a response") };
    assert_eq!(response.token.unwrap(), b"challenge");
    assert_eq!(response.mech_list_mic.unwrap(), b"mic");
}

#[test]
fn a_token_cut_short_anywhere_is_refused_without_a_panic() {
    let token = init_token(&[NTLM_OID], &[1; 200]);
    for end in 0..token.len() {
        assert!(parse(&token[..end]).is_none(), "{end}");
    }
}

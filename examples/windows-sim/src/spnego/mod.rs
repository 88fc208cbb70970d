//! The acceptor's side of SPNEGO (RFC 4178, MS-SPNG) around NTLM.

mod der;

#[cfg(test)]
mod tests;

use der::{APPLICATION, ENUMERATED, OCTETS, OID, Reader, SEQUENCE, context, element};

const SPNEGO_OID: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x02];
const NTLM_OID: &[u8] = &[0x2b, 0x06, 0x01, 0x04, 0x01, 0x82, 0x37, 0x02, 0x02, 0x0a];

/// What an initiator sent.
pub(crate) enum Token {
    /// The first token.
    Init(Init),
    /// A later token.
    Response(Response),
}

/// A `NegTokenInit`.
pub(crate) struct Init {
    /// The list of mechanisms as it was encoded: what a mechListMIC is computed over.
    pub(crate) mech_list: Vec<u8>,
    /// Where NTLM stands in the list.
    pub(crate) ntlm_at: Option<usize>,
    /// The token of the first mechanism in the list.
    pub(crate) mech_token: Option<Vec<u8>>,
}

/// A `NegTokenResp` from the initiator.
pub(crate) struct Response {
    /// The mechanism's next token.
    pub(crate) token: Option<Vec<u8>>,
    /// The signature over the list of mechanisms.
    pub(crate) mech_list_mic: Option<Vec<u8>>,
}

/// The acceptor's view of how far the negotiation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// Done.
    AcceptCompleted = 0,
    /// Another token is due.
    AcceptIncomplete = 1,
    /// Another token is due, and the last must carry a mechListMIC.
    RequestMic = 3,
}

/// Reads a token; `None` when it is none.
pub(crate) fn parse(token: &[u8]) -> Option<Token> {
    let mut outer = Reader(token);
    if outer.peek()? == APPLICATION {
        let mut inner = Reader(outer.take(APPLICATION)?);
        if inner.take(OID)? != SPNEGO_OID {
            return None;
        }
        let mut fields = Reader(Reader(inner.take(context(0))?).take(SEQUENCE)?);
        return init(&mut fields).map(Token::Init);
    }
    let mut fields = Reader(Reader(outer.take(context(1))?).take(SEQUENCE)?);
    response(&mut fields).map(Token::Response)
}

/// Writes the acceptor's answer. The first answer names the chosen mechanism.
pub(crate) fn respond(state: State, first: bool, token: Option<&[u8]>, mic: Option<&[u8]>) -> Vec<u8> {
    let mut fields = element(context(0), &element(ENUMERATED, &[state as u8]));
    if first {
        fields.extend(element(context(1), &element(OID, NTLM_OID)));
    }
    if let Some(token) = token {
        fields.extend(element(context(2), &element(OCTETS, token)));
    }
    if let Some(mic) = mic {
        fields.extend(element(context(3), &element(OCTETS, mic)));
    }
    element(context(1), &element(SEQUENCE, &fields))
}

fn init(fields: &mut Reader<'_>) -> Option<Init> {
    let (mech_list, content) = Reader(fields.take(context(0))?).take_whole(SEQUENCE)?;
    let mut mechanisms = Reader(content);
    let mut ntlm_at = None;
    let mut at = 0;
    while let Some(mechanism) = mechanisms.take(OID) {
        if mechanism == NTLM_OID {
            ntlm_at.get_or_insert(at);
        }
        at += 1;
    }
    if fields.peek() == Some(context(1)) {
        fields.take(context(1))?;
    }
    let mech_token = octets(fields, 2)?;
    Some(Init { mech_list: mech_list.to_vec(), ntlm_at, mech_token })
}

fn response(fields: &mut Reader<'_>) -> Option<Response> {
    for tag in [context(0), context(1)] {
        if fields.peek() == Some(tag) {
            fields.take(tag)?;
        }
    }
    Some(Response { token: octets(fields, 2)?, mech_list_mic: octets(fields, 3)? })
}

/// An optional octet string under a context tag; the outer `None` is a broken encoding.
fn octets(fields: &mut Reader<'_>, tag: u8) -> Option<Option<Vec<u8>>> {
    if fields.peek() != Some(context(tag)) {
        return Some(None);
    }
    let content = Reader(fields.take(context(tag))?).take(OCTETS)?;
    Some(Some(content.to_vec()))
}

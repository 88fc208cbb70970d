//! Doors to the parsers of what hosts answer, for `opsconductor-core/fuzz`. Outside the semver promise.

use super::{
    clixml::Decoder,
    sealing,
    soap::{Fault, reply, tree},
};

/// Reads an answer as everything that it could be.
pub fn soap(document: &str) {
    let Ok(root) = tree::parse(document) else { return };
    // What it is found to be is of no interest here.
    let _ = Fault::read(&root);
    let _ = reply::identity(&root);
    let _ = reply::shell_id(&root);
    let _ = reply::command_id(&root);
    let _ = reply::output(&root);
    let _ = root.all_text();
}

/// Decodes standard error of PowerShell that comes in these pieces.
pub fn clixml(pieces: &[&[u8]]) -> Vec<u8> {
    let mut decoder = Decoder::default();
    let mut out: Vec<u8> = pieces.iter().flat_map(|piece| decoder.push(piece)).collect();
    out.extend(decoder.finish());
    out
}

/// How many bytes of a frame are the sealed message, if it is a frame.
pub fn frame(body: &[u8]) -> Option<usize> {
    sealing::framed(body)
}

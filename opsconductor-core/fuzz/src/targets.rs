//! What is fuzzed.

mod job;
mod redactor;
mod vault;
mod winrm;

use crate::random::Random;

/// A parser, with good input and words of its language.
#[derive(Debug)]
pub struct Target {
    /// Its name.
    pub name: &'static str,
    /// Good input.
    pub(crate) seeds: fn() -> Vec<Vec<u8>>,
    /// What good input is made of.
    pub(crate) words: &'static [&'static str],
    /// Gives the parser an input, and says which promise it broke.
    pub(crate) check: fn(&[u8], &mut Random) -> Result<(), String>,
}

/// Every target.
pub const TARGETS: &[Target] = &[
    vault::ENVELOPE,
    vault::KEY,
    vault::CREDENTIAL,
    job::TEMPLATE,
    job::CONDITION,
    job::DEFINITION,
    redactor::REDACTOR,
    winrm::SOAP,
    winrm::CLIXML,
    winrm::FRAME,
];

/// What a parser of text is given: what is no text goes in as far as it can be read.
fn text(input: &[u8]) -> String {
    String::from_utf8_lossy(input).into_owned()
}

fn seeds_of(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

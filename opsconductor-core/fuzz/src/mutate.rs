//! Good input made bad.

use crate::random::Random;

/// Inputs do not grow beyond this.
const INPUT_BYTES_MAX: usize = 8 * 1024;

/// Bytes that parsers stumble over.
const TELLING: &[u8] = b"\0\x01\x7f\x80\xc0\xff \t\r\n\"'\\/<>&;:{}[]()%$`|=,.-+_#!0123456789aAzZ";

/// An input: one of `seeds`, or what is left of it, changed in a few places, perhaps with words of the language.
pub(crate) fn input(random: &mut Random, seeds: &[Vec<u8>], words: &[&str]) -> Vec<u8> {
    let mut input = random.pick(seeds).cloned().unwrap_or_default();
    for _ in 0..random.below(6) {
        change(random, &mut input, seeds, words);
    }
    input.truncate(INPUT_BYTES_MAX);
    input
}

fn change(random: &mut Random, input: &mut Vec<u8>, seeds: &[Vec<u8>], words: &[&str]) {
    let at = random.below(input.len() + 1);
    let length = 1 + random.below(16.min(input.len() + 1));
    let end = (at + length).min(input.len());
    match random.below(9) {
        0 => {
            if let Some(byte) = input.get_mut(at) {
                *byte ^= 1 << random.below(8);
            }
        }
        1 => {
            if let (Some(byte), Some(telling)) = (input.get_mut(at), random.pick(TELLING)) {
                *byte = *telling;
            }
        }
        2 => input.insert(at, random.number() as u8),
        3 => drop(input.drain(at..end)),
        4 => input.truncate(at),
        5 => {
            // Said again, often: nesting and length.
            let piece = input[at..end].to_vec();
            for _ in 0..1 + random.below(40) {
                input.splice(at..at, piece.iter().copied());
            }
        }
        6 => {
            if let Some(word) = random.pick(words) {
                input.splice(at..end, word.bytes());
            }
        }
        7 => {
            if let Some(word) = random.pick(words) {
                input.splice(at..at, word.bytes());
            }
        }
        _ => {
            if let Some(other) = random.pick(seeds) {
                let from = random.below(other.len() + 1);
                input.truncate(at);
                input.extend_from_slice(&other[from..]);
            }
        }
    }
}

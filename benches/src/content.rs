//! What is copied: bytes that no wire makes smaller.

use std::{
    fs::File,
    io::{self, BufWriter, Write as _},
    path::Path,
};

/// Writes a file of bytes that look random and are the same in every run (splitmix64). Of a length that 8 does not divide the
/// rest is left out.
///
/// # Errors
/// Those of the disk.
pub fn fill(path: &Path, bytes: u64) -> io::Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    let mut state = 0_u64;
    for _ in 0..bytes / 8 {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = state;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        file.write_all(&(word ^ (word >> 31)).to_le_bytes())?;
    }
    file.flush()
}

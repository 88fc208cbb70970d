//! `opsconductor key generate`.

use std::path::Path;

use opsconductor_core::{Error, vault};

use crate::exit::{Ended, answer, say};

/// Makes a key and prints it, or writes it to a file that only its owner can read.
pub(crate) fn generate(out: Option<&Path>) -> Result<Ended, Error> {
    match out {
        None => answer(vault::generate_key()?.expose())?,
        Some(path) => {
            vault::create_key_file(path)?;
            say(&format!(
                "the key is in {}; without it nothing that it sealed can be opened",
                path.display()
            ));
        }
    }
    Ok(Ended::Well)
}

//! `opsconductor key`, and the keys of commands that may need some.

mod records;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

use async_trait::async_trait;
use opsconductor_core::{
    Error,
    vault::{self, KeyProvider, Keyring, MasterKey},
};

pub(crate) use self::records::KeyOptions;
use crate::{
    cli::KeyCommand,
    exit::{Ended, answer, say},
};

/// Does what was asked.
pub(crate) fn obey(command: KeyCommand) -> Result<Ended, Error> {
    match command {
        KeyCommand::Generate { out } => generate(out.as_deref()),
        KeyCommand::Status(options) => records::status(&options),
        KeyCommand::Rewrap(options) => records::rewrap(&options),
        KeyCommand::Reseal(options) => records::reseal(&options),
        KeyCommand::Retire { id, options } => records::retire(&id, &options),
    }
}

/// Makes a key and prints it, or writes it to a file that only its owner can read.
fn generate(out: Option<&Path>) -> Result<Ended, Error> {
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

/// The keys in a file or in the environment, read when the first is asked for: most runs seal nothing and need none.
pub(crate) struct KeysWhenNeeded {
    file: Option<PathBuf>,
    keys: OnceLock<Keyring>,
}

impl KeysWhenNeeded {
    /// Those of the file, or those of the environment when none is named.
    pub(crate) fn new(file: Option<PathBuf>) -> Self {
        Self { file, keys: OnceLock::new() }
    }

    fn read(&self) -> Result<&Keyring, Error> {
        if let Some(keys) = self.keys.get() {
            return Ok(keys);
        }
        let keys = match &self.file {
            Some(file) => Keyring::from_file(file)?,
            None => Keyring::from_environment()?,
        };
        Ok(self.keys.get_or_init(|| keys))
    }
}

#[async_trait]
impl KeyProvider for KeysWhenNeeded {
    async fn current_id(&self) -> Result<String, Error> {
        self.read()?.current_id().await
    }

    async fn key(&self, id: &str) -> Result<Arc<MasterKey>, Error> {
        self.read()?.key(id).await
    }

    async fn ids(&self) -> Result<Vec<String>, Error> {
        self.read()?.ids().await
    }
}
